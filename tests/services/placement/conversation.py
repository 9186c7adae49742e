"""Conversations with placement as tables: what is said, what is answered.

Each conversation starts with an empty service. A name in braces is a UUID, the same one throughout.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

ABSENT = object()
"""What `shows` says of a place that must not be there."""
NEWEST = "1.39"


@dataclass(frozen=True)
class Say:
    """One request and what must come back.

    `shows`: place in the body (names and positions with dots; ``place#`` is its length, ``place*`` its keys or
    elements, sorted) → value. `says`: part of the error's text. `headers`: name → the value, or None for none.
    """

    request: str
    body: Any = None
    answers: int = 200
    version: str = ""
    shows: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    says: str = ""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    sends: Mapping[str, str] = field(default_factory=dict)


def named(name: str) -> str:
    """The UUID that stands for a name in braces."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def filled(value: Any) -> Any:
    """`value` with its names in braces replaced, wherever they stand."""
    if isinstance(value, str):
        return re.sub(r"\{([a-z][a-z0-9 -]*)\}", lambda found: named(found[1]), value)
    if isinstance(value, Mapping):
        return {filled(key): filled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner) for inner in value]
    return value


def held(client: httpx.Client, conversation: Sequence[Say], version: str = NEWEST) -> None:
    """Hold the conversation; the first answer that is not as told fails."""
    for number, say in enumerate(conversation, 1):
        method, _, path = filled(say.request).partition(" ")
        at = say.version or version
        headers = {"OpenStack-API-Version": f"placement {at}", **say.sends}
        answer = client.request(method, path, json=filled(say.body), headers=headers)
        told = f"{number}. {method} {path} at {at}: {answer.status_code} {answer.text}"
        assert answer.status_code == say.answers, told
        _check(say, answer, told)


def _check(say: Say, answer: httpx.Response, told: str) -> None:
    for name, value in say.headers.items():
        got = answer.headers.get(name)
        assert (got is None) if value is None else (got is not None and re.fullmatch(filled(value), got)), (name, told)
    if say.code or say.says:
        error = answer.json()["errors"][0]
        assert (error["status"], error["request_id"][:4]) == (say.answers, "req-"), told
        assert error.get("code") == (say.code or error.get("code")), told
        assert filled(say.says) in error["detail"], told
    for place, value in say.shows.items():
        got = found(answer.json(), filled(place))
        wanted = sorted(filled(value)) if place.endswith("*") else filled(value)
        assert got is value if value is ABSENT else got == wanted, (place, got, told)


def found(body: Any, place: str) -> Any:
    """What is at a place of a body, or ABSENT."""
    for step in place.rstrip("#*").split("."):
        if isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        elif isinstance(body, dict) and step in body:
            body = body[step]
        elif step:
            return ABSENT
    if place.endswith("#"):
        return len(body)
    return sorted(body) if place.endswith("*") else body


# ---- what conversations begin with --------------------------------------------------------------------------------


def provider(name: str, stock: Mapping[str, Any] | None = None, parent: str | None = None) -> list[Say]:
    """A provider of that name with inventories, below `parent`."""
    body = {"name": name, "uuid": f"{{{name}}}"}
    if parent is not None:
        body["parent_provider_uuid"] = f"{{{parent}}}"
    says = [Say("POST /resource_providers", body)]
    if stock:
        records = {each: {"total": total} if isinstance(total, int) else total for each, total in stock.items()}
        wanted = {"resource_provider_generation": 0, "inventories": records}
        says.append(Say(f"PUT /resource_providers/{{{name}}}/inventories", wanted))
    return says


def traits(name: str, generation: int, *wanted: str) -> list[Say]:
    """Traits of a provider; custom ones are made first."""
    says = [Say(f"PUT /traits/{each}", answers=201) for each in wanted if each.startswith("CUSTOM")]
    body = {"resource_provider_generation": generation, "traits": list(wanted)}
    return [*says, Say(f"PUT /resource_providers/{{{name}}}/traits", body)]


def aggregates(name: str, generation: int, *wanted: str) -> Say:
    """Aggregates of a provider."""
    body = {"resource_provider_generation": generation, "aggregates": [f"{{{each}}}" for each in wanted]}
    return Say(f"PUT /resource_providers/{{{name}}}/aggregates", body)


def claim(taken: Mapping[str, Mapping[str, int]], generation: int | None = None, **more: Any) -> dict[str, Any]:
    """The newest body of a consumer's allocations: provider → class → amount."""
    return {
        "allocations": {f"{{{name}}}": {"resources": dict(of)} for name, of in taken.items()},
        "project_id": "project",
        "user_id": "user",
        "consumer_generation": generation,
        "consumer_type": "INSTANCE",
        **more,
    }
