"""Placement's query strings: resources, traits, aggregates. Raises 400 with placement's words."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cumulet.http.faults import BadRequest
from cumulet.http.versions import Version
from cumulet.services.placement.model.providers import Filters
from cumulet.services.placement.wire.freshness import uuid_of

Query = Mapping[str, list[str]]
BAD_VALUE = "placement.query.bad_value"


def refuse_others(query: Query, known: Collection[str], repeatable: Collection[str] = ()) -> None:
    """Raise 400 for parameters that the operation does not have at this version, or that stand there twice."""
    for name, values in query.items():
        if name not in known:
            raise BadRequest(
                f"Invalid query string parameters: Additional properties are not allowed ('{name}' was unexpected)",
                code=BAD_VALUE,
            )
        if len(values) > 1 and name not in repeatable:
            raise BadRequest(
                f"Invalid query string parameters: {name} may be given once", code="placement.query.duplicate_key"
            )


def resources(text: str) -> dict[str, int]:
    """``VCPU:2,MEMORY_MB:1024`` as class → amount."""
    form = (
        "Badly formed resources parameter. Expected resources query string parameter in form: "
        "?resources=VCPU:2,MEMORY_MB:1024. Got: "
    )
    if not text.strip():
        raise BadRequest(f"{form}empty string.", code=BAD_VALUE)
    found: dict[str, int] = {}
    for part in text.split(","):
        name, colon, amount = part.partition(":")
        if not colon or ":" in amount:
            raise BadRequest(f"{form}{part}.", code=BAD_VALUE)
        if not amount.lstrip("-").isdigit() or len(amount) > 18:
            raise BadRequest(
                f"Requested resource {name} expected positive integer amount. Got: {amount}.", code=BAD_VALUE
            )
        if int(amount) < 1:
            raise BadRequest(f"Requested resource {name} requires amount >= 1. Got: {amount}.", code=BAD_VALUE)
        found[name] = int(amount)
    return found


def filters(query: Query, version: Version) -> Filters:
    """The filters of a list of providers, or of the candidates."""
    found = Filters()
    if "name" in query:
        found.name = query["name"][-1]
    for name in ("uuid", "in_tree"):
        if name in query:
            text = query[name][-1]
            problem = f"Invalid query string parameters: '{text}' is not a 'uuid'"
            setattr(found, name, uuid_of(text, problem))
    if "resources" in query:
        found.resources = resources(query["resources"][-1])
    _member_of(query.get("member_of", []), found, version)
    for text in query.get("required", []):
        _required(text, found, version)
    return found


def _member_of(values: list[str], found: Filters, version: Version) -> None:
    if len(values) > 1 and version < (1, 24):
        raise BadRequest("Multiple member_of parameters are not supported")
    for value in values:
        forbidden = version >= (1, 32) and value.startswith("!")
        text = value[1:] if forbidden else value
        if "," in text and not text.startswith("in:"):
            raise BadRequest(f"Multiple values for 'member_of' must be prefixed with the 'in:' keyword. Got: {value}")
        problem = "Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: "
        uuids = [uuid_of(part, problem + part) for part in text.removeprefix("in:").split(",")]
        if forbidden:
            found.outside.update(uuids)
        else:
            found.member_of.append(uuids)


def _required(text: str, found: Filters, version: Version) -> None:
    if text.startswith("in:") and version >= (1, 39):
        choice = {part.strip() for part in text[3:].split(",")}
        if "" in choice or any(part.startswith("!") for part in choice):
            raise _bad_traits(text, version)
        found.any_traits.append(choice)
        return
    for part in text.split(","):
        name = part.strip()
        forbidden = name.startswith("!")
        if not name.lstrip("!") or (forbidden and version < (1, 22)):
            raise _bad_traits(text, version)
        if forbidden:
            found.without_traits.add(name[1:])
        else:
            found.any_traits.append({name})


def _bad_traits(text: str, version: Version) -> BadRequest:
    form = "HW_CPU_X86_VMX,CUSTOM_MAGIC" if version < (1, 22) else "HW_CPU_X86_VMX,!CUSTOM_MAGIC"
    return BadRequest(
        f"Invalid query string parameters: Expected 'required' parameter value of the form: {form}. Got: {text}"
    )
