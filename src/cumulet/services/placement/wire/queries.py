"""Placement's query strings: resources, traits, aggregates, trees. Raises 400 with placement's words."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence

from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest
from cumulet.http.versions import Version
from cumulet.services.placement.model.filters import Filters
from cumulet.services.placement.wire import words

BAD_VALUE = "placement.query.bad_value"
INVALID = "Invalid query string parameters: "


def refuse_others(query: Query, known: Collection[str] | Callable[[str], bool], *, regexes: str = "") -> None:
    """Raise 400 for parameters that the operation does not have at this version."""
    fits = known if callable(known) else known.__contains__
    for name in query:
        if not fits(name):
            unexpected = f"Additional properties are not allowed ('{name}' was unexpected)"
            raise BadRequest(
                INVALID + (f"'{name}' does not match any of the regexes: {regexes}" if regexes else unexpected)
            )


def uuid_like(text: str) -> bool:
    """Whether the text is a UUID, with dashes or without, in braces or as a URN, as oslo.utils reads it."""
    plain = text.replace("urn:", "").replace("uuid:", "").strip("{}").replace("-", "").lower()
    try:
        return uuid.UUID(text).hex == plain
    except ValueError:
        return False


def resources(text: str) -> dict[str, int]:
    """``VCPU:2,MEMORY_MB:1024`` as class → amount."""
    form = (
        "Badly formed resources parameter. Expected resources query string parameter in form: "
        "?resources=VCPU:2,MEMORY_MB:1024. Got: "
    )
    if not text.strip():
        raise BadRequest(f"{form}empty string.")
    found: dict[str, int] = {}
    for part in text.split(","):
        name, colon, amount = part.partition(":")
        if not colon or ":" in amount:
            raise BadRequest(f"{form}{part}.")
        digits = amount.strip().removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
            raise BadRequest(f"Requested resource {name} expected positive integer amount. Got: {amount}.")
        if int(amount) < 1:
            raise BadRequest(f"Requested resource {name} requires amount >= 1. Got: {int(amount)}.")
        found[name] = int(amount)
    return found


def filters(query: Query, version: Version) -> Filters:
    """The filters of a list of providers. Of a parameter that stands there twice the last one counts."""
    ids = {name: query[name][-1] for name in ("uuid", "in_tree") if name in query}
    for name, text in ids.items():
        if not uuid_like(text):
            raise words.query(name, text, f"{text!r} is not a 'uuid'")
    found = group(query, "", version)
    found.name = query.get("name", [None])[-1]
    for name, text in ids.items():
        setattr(found, name, str(uuid.UUID(text)))
    return found


def group(query: Query, suffix: str, version: Version) -> Filters:
    """The filters of the group with that suffix; of the one without for ""."""
    found = Filters()
    if f"resources{suffix}" in query:
        found.resources = resources(query[f"resources{suffix}"][-1])
    _member_of(query.get(f"member_of{suffix}", []), found, suffix, version)
    required = query.get(f"required{suffix}", [])
    for text in required if version >= (1, 39) else required[-1:]:
        _required(text, found, version)
    if f"in_tree{suffix}" in query:
        found.in_tree = in_tree(query[f"in_tree{suffix}"][-1])
    return found


def in_tree(text: str) -> str:
    """The UUID of a provider."""
    if not uuid_like(text.strip()):
        raise BadRequest(f"{INVALID}Expected 'in_tree' parameter to be a format of uuid. Got: {text}")
    return str(uuid.UUID(text.strip()))


def _member_of(values: Sequence[str], found: Filters, suffix: str, version: Version) -> None:
    if len(values) > 1 and version < (1, 24):
        raise BadRequest(f"Multiple member_of{suffix} parameters are not supported")
    for value in values:
        if "," in value and not value.startswith(("in:", "!in:")):
            raise BadRequest(
                "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid "
                f"microversion. Got: {value}"
            )
        forbidden = value.startswith("!")
        uuids = value.removeprefix("!").removeprefix("in:").split(",")
        for part in uuids:
            if not uuid_like(part):
                raise BadRequest(f"{INVALID}Expected 'member_of' parameter to contain valid UUID(s). Got: {part}")
        if forbidden and version < (1, 32):
            raise BadRequest(f"Forbidden member_of{suffix} parameters are not supported in the specified microversion")
        if forbidden:
            found.outside.update(str(uuid.UUID(part)) for part in uuids)
        else:
            found.member_of.append([str(uuid.UUID(part)) for part in uuids])


def _required(text: str, found: Filters, version: Version) -> None:
    if text.startswith("in:"):
        found.any_traits.append(_any_of(text, version))
        return
    required, forbidden = traits(text, forbidding=version >= (1, 22))
    found.any_traits += [{name} for name in sorted(required)]
    found.without_traits |= forbidden


def _any_of(text: str, version: Version) -> set[str]:
    form = "in:HW_CPU_X86_VMX,CUSTOM_MAGIC"
    if version < (1, 39):
        raise BadRequest(f"{INVALID}The format '{form}' only supported since microversion 1.39. Got: {text}")
    choice = {part.strip() for part in text[3:].split(",")}
    if "" in choice:
        raise BadRequest(
            f"{INVALID}Expected 'required' parameter value of the form: {form}. Got an empty trait in: {text}"
        )
    if any(part.startswith("!") for part in choice):
        raise BadRequest(f"{INVALID}The format '{form}' does not support forbidden traits. Got: {text}")
    return choice


def traits(text: str, *, forbidding: bool) -> tuple[set[str], set[str]]:
    """``A,!B`` as (required, forbidden); ``!`` only with `forbidding`."""
    parts = [part.strip() for part in text.split(",")]
    form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC" if forbidding else "HW_CPU_X86_VMX,CUSTOM_MAGIC"
    expected = f"{INVALID}Expected 'required' parameter value of the form: {form}. "
    if not all(part.lstrip("!") for part in parts):
        raise BadRequest(f"{expected}Got an empty trait in: {text}")
    forbidden = {part.lstrip("!") for part in parts if part.startswith("!")}
    if forbidden and not forbidding:
        raise BadRequest(f"{expected}Got: {text}")
    return {part for part in parts if not part.startswith("!")}, forbidden
