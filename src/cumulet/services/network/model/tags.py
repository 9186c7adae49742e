"""Tags: words that people put on resources, and filters by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, exists, false, not_, true

from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.services.network.tables import TagRow, tags

MOST = 50
"""Tags of one resource, as in Neutron."""


def of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """Tags of resources: id → tags, in order."""
    found: dict[str, list[str]] = {}
    for row in tx.rows(select_as(TagRow).where(in_list(tags.c.resource_id, ids)).order_by(tags.c.tag)):
        found.setdefault(row.resource_id, []).append(row.tag)
    return found


def replace(tx: Transaction, id: str, wanted: Iterable[str]) -> None:
    """Give the resource exactly these tags."""
    forget(tx, [id])
    tx.insert(tags, [{"resource_id": id, "tag": tag} for tag in sorted(set(wanted))])


def add(tx: Transaction, id: str, wanted: Iterable[str]) -> None:
    """Give the resource these tags as well."""
    have = set(of(tx, [id]).get(id, []))
    tx.insert(tags, [{"resource_id": id, "tag": tag} for tag in sorted(set(wanted) - have)])


def drop(tx: Transaction, id: str, tag: str) -> bool:
    """Take a tag away; whether it was there."""
    return tx.delete(tags, and_(tags.c.resource_id == id, tags.c.tag == tag)) > 0


def forget(tx: Transaction, ids: Sequence[str]) -> None:
    """The resources are gone, and their tags with them."""
    if ids:
        tx.delete(tags, tags.c.resource_id.in_(ids))


def condition(id: ColumnElement[str], name: str, values: Sequence[str]) -> ColumnElement[bool]:
    """The filter ``tags``, ``tags-any``, ``not-tags`` or ``not-tags-any`` with comma-separated `values`."""
    wanted = list(dict.fromkeys(tag for value in values for tag in value.split(",") if tag))
    if not wanted:
        return true()
    own = exists().where(tags.c.resource_id == id)
    if name.endswith("-any"):
        combined: ColumnElement[bool] = own.where(in_list(tags.c.tag, wanted))
    elif len(wanted) > MOST:
        combined = false()  # a resource has no room for so many
    else:
        combined = and_(*(own.where(tags.c.tag == tag) for tag in wanted))
    return not_(combined) if name.startswith("not-") else combined
