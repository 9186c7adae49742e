"""JSON patches of images: what may be added, replaced and removed, and what it makes of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cumulet.db import Transaction, select_as
from cumulet.engine import timeline
from cumulet.http.faults import Conflict, NotAllowed
from cumulet.services.image.model import images as model
from cumulet.services.image.model.images import BASE, Image
from cumulet.services.image.model.protections import Guard
from cumulet.services.image.tables import ImageRow, images
from cumulet.services.image.wire import images as wire
from cumulet.services.image.wire.patches import Change


@dataclass
class Outcome:
    """The record as the patch leaves it."""

    columns: dict[str, Any]
    properties: dict[str, str]
    tags: list[str]

    @property
    def visibility(self) -> str:
        """The visibility afterwards."""
        return str(self.columns["visibility"])


def apply(image: Image, changes: Sequence[Change], guard: Guard) -> Outcome:
    """What the changes make of the image, in their order. Raises 403, 409 and 413; writes nothing."""
    row = image.row
    outcome = Outcome({name: getattr(row, name) for name in BASE}, dict(row.properties), list(image.tags))
    for change in changes:
        if change.name == "owner" and not guard.caller.is_admin:
            raise NotAllowed("Owner can't be updated by non admin.", code="HTTPForbidden")
        if change.op == "remove":
            _remove(outcome, change, guard)
        else:
            _set(outcome, change, guard, row.status)
    if len(outcome.properties) > max(wire.MAX_PROPERTIES, len(row.properties)):
        raise wire.too_many("properties", wire.MAX_PROPERTIES, len(outcome.properties))
    return outcome


def _readable(outcome: Outcome, name: str, guard: Guard) -> bool:
    """Whether the caller knows of the property: one that it may not read does not exist for it."""
    return name in outcome.properties and guard.may("read", name)


def _remove(outcome: Outcome, change: Change, guard: Guard) -> None:
    if change.name in outcome.columns or change.name == "tags":
        raise NotAllowed(f"Property {change.name} may not be removed.", code="HTTPForbidden")
    if not _readable(outcome, change.name, guard):
        raise _missing(change.name)
    guard.require("delete", change.name)
    del outcome.properties[change.name]


def _set(outcome: Outcome, change: Change, guard: Guard, status: str) -> None:
    name, value = change.name, change.value
    base = name in outcome.columns or name == "tags"
    there = base or _readable(outcome, name, guard)
    if change.op == "replace" and not there:
        raise _missing(name)
    if change.op == "add" and there and change.only_new:
        raise Conflict(f"Property {name} already present.")
    if name in ("disk_format", "container_format") and status not in ("queued", "importing"):
        raise NotAllowed(f"Attribute {name} can be only replaced for a queued image.", code="HTTPForbidden")
    if name == "tags":
        outcome.tags = value
    elif base:
        outcome.columns[name] = value
    else:
        # a property that is there but that the caller may not read is not to be overwritten as a new one
        guard.require("update" if name in outcome.properties else "create", name)
        outcome.properties[name] = value


def _missing(name: str) -> Conflict:
    return Conflict(f"Property {name} does not exist.")


def save(tx: Transaction, image: Image, outcome: Outcome, facts: Mapping[str, Any]) -> Image:
    """Write what changed, and the columns that changed locations bring; the image afterwards. At most four queries."""
    before = {name: getattr(image.row, name) for name in BASE}
    values = {name: value for name, value in outcome.columns.items() if before[name] != value}
    values.update(facts)
    if outcome.properties != image.row.properties:
        values["properties"] = outcome.properties
    if outcome.tags != list(image.tags):
        model.set_tags(tx, image.id, outcome.tags)
    elif not values:
        return image
    model.update(tx, image, values)
    changed = sorted({*values, *(["tags"] if outcome.tags != list(image.tags) else [])})
    timeline.record(tx, image.id, "updated", f"The image was changed: {', '.join(changed)}.")
    row = tx.row(select_as(ImageRow).where(images.c.id == image.id))
    assert row is not None
    return Image(row, outcome.tags, image.shared)
