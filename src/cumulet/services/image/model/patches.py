"""JSON patches of images: what may be added, replaced and removed, and what it makes of the record."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from cumulet.auth import Caller
from cumulet.http.faults import BadRequest, Conflict, NotAllowed
from cumulet.services.image.model import images as model
from cumulet.services.image.model.images import BASE, Image
from cumulet.services.image.tables import images
from cumulet.services.image.wire import images as wire
from cumulet.store import Transaction


@dataclass(frozen=True)
class Change:
    """One operation of a patch."""

    op: str
    name: str
    value: Any = None
    item: str | None = None


@dataclass
class Outcome:
    """The record as the patch leaves it."""

    columns: dict[str, Any]
    properties: dict[str, str]
    tags: list[str]
    touched: set[str] = field(default_factory=set)

    @property
    def visibility(self) -> str:
        """The visibility afterwards."""
        return str(self.columns["visibility"])


def parse(body: list[Any]) -> list[Change]:
    """The patch's operations. Raises 400, and 403 for attributes that only Glance writes."""
    found = []
    for raw in body:
        if not isinstance(raw, dict):
            raise BadRequest("Operations must be JSON objects.")
        op = raw.get("op")
        if op is None:
            raise BadRequest("Unable to find 'op' in JSON Schema change")
        if op not in ("add", "replace", "remove"):
            raise BadRequest(f"Operation: \"{op}\" is not supported. Valid operations are: 'add', 'remove', 'replace'.")
        if not isinstance(raw.get("path"), str):
            raise BadRequest("Unable to find 'path' in JSON Schema change")
        if op != "remove" and "value" not in raw:
            raise BadRequest(f'Operation "{op}" requires a member named "value".')
        found.append(_change(op, raw["path"], raw.get("value")))
    return found


def _change(op: str, pointer: str, value: Any) -> Change:
    steps = _steps(pointer)
    name = steps[0]
    if name in wire.READ_ONLY:
        raise NotAllowed(f"Attribute '{name}' is read-only.", code="HTTPForbidden")
    if name in wire.RESERVED:
        raise NotAllowed(f"Attribute '{name}' is reserved.", code="HTTPForbidden")
    if name == "locations":
        verb = {"add": "add", "replace": "update", "remove": "remove"}[op]
        raise NotAllowed(f"It's not allowed to {verb} locations if locations are invisible.", code="HTTPForbidden")
    if len(steps) > 2 or (len(steps) == 2 and name != "tags"):
        raise BadRequest(f"Invalid JSON pointer for this resource: '{pointer}'")
    return Change(op, name, value, steps[1] if len(steps) == 2 else None)


def _steps(pointer: str) -> list[str]:
    """A JSON pointer's parts. Raises 400."""
    if not pointer.startswith("/"):
        raise BadRequest(f'Pointer `{pointer}` does not start with "/".')
    if re.search(r"/\s*?/", pointer[1:]):
        raise BadRequest(f'Pointer `{pointer}` contains adjacent "/".')
    if len(pointer) > 1 and pointer.endswith("/"):
        raise BadRequest(f'Pointer `{pointer}` end with "/".')
    if not pointer[1:].strip():
        raise BadRequest(f"Pointer `{pointer}` does not contains valid token.")
    if re.search(r"~[^01]", pointer) or pointer.endswith("~"):
        raise BadRequest(f'Pointer `{pointer}` contains "~" not part of a recognized escape sequence.')
    return [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer.lstrip("/").split("/")]


def apply(image: Image, changes: list[Change], *, is_admin: bool) -> Outcome:
    """What the changes make of the image, in their order. Raises 400, 403 and 409; writes nothing."""
    row = image.row
    outcome = Outcome({name: getattr(row, name) for name in BASE}, dict(row.properties), list(image.tags))
    for change in changes:
        if change.name == "owner" and not is_admin:
            raise NotAllowed("Owner can't be updated by non admin.", code="HTTPForbidden")
        if change.name in ("disk_format", "container_format") and row.status != "queued":
            raise NotAllowed(f"Attribute {change.name} can be only replaced for a queued image.", code="HTTPForbidden")
        if change.name == "tags":
            _change_tags(outcome, change)
        elif change.op == "remove":
            _remove(outcome, change)
        else:
            _set(outcome, change)
    if len(outcome.properties) > wire.MAX_PROPERTIES:
        raise wire.too_many("properties", wire.MAX_PROPERTIES, len(outcome.properties))
    return outcome


def _change_tags(outcome: Outcome, change: Change) -> None:
    outcome.touched.add("tags")
    if change.op == "remove":
        raise NotAllowed("Property tags may not be removed.", code="HTTPForbidden")
    if change.item is not None:
        raise BadRequest(f"Invalid JSON pointer for this resource: '/tags/{change.item}'")
    outcome.tags = wire.checked("tags", change.value)


def _remove(outcome: Outcome, change: Change) -> None:
    if change.name in outcome.columns:
        raise NotAllowed(f"Property {change.name} may not be removed.", code="HTTPForbidden")
    if change.name not in outcome.properties:
        raise Conflict(f"Property {change.name} does not exist.")
    del outcome.properties[change.name]


def _set(outcome: Outcome, change: Change) -> None:
    value = wire.checked(change.name, change.value)
    if change.name in outcome.columns:
        outcome.columns[change.name] = value
    elif change.op == "replace" and change.name not in outcome.properties:
        raise Conflict(f"Property {change.name} does not exist.")
    else:
        outcome.properties[change.name] = value


def save(tx: Transaction, caller: Caller, image: Image, outcome: Outcome) -> Image:
    """Write what changed; the image afterwards. At most four queries."""
    before = {name: getattr(image.row, name) for name in BASE}
    values = {name: value for name, value in outcome.columns.items() if before[name] != value}
    if outcome.properties != image.row.properties:
        values["properties"] = outcome.properties
    if outcome.tags != list(image.tags):
        model.set_tags(tx, image.id, outcome.tags)
    elif not values:
        return image
    model.update(tx, image, values)
    row = tx.row(select(images).where(images.c.id == image.id))
    assert row is not None
    return Image(row, outcome.tags, image.shared)
