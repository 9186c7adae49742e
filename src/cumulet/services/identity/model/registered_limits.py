"""Registered limits: how much of a resource of a service anyone may have who has no limit of their own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, NotAllowed, NotFound
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import RegisteredLimitRow, limits, registered_limits

COLUMNS = {
    "id": registered_limits.c.id,
    "service_id": registered_limits.c.service_id,
    "region_id": registered_limits.c.region_id,
    "resource_name": registered_limits.c.resource_name,
}


def browse(tx: Transaction, query: Query) -> Sequence[RegisteredLimitRow]:
    """Registered limits that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(RegisteredLimitRow), query, COLUMNS)


def get(tx: Transaction, limit_id: str) -> RegisteredLimitRow:
    """The registered limit. Raises 404. One query."""
    row = tx.row(select_as(RegisteredLimitRow).where(registered_limits.c.id == limit_id))
    if row is None:
        raise NotFound(f"Could not find registered limit for {limit_id}.")
    return row


def create(tx: Transaction, asked: Sequence[Mapping[str, Any]]) -> Sequence[RegisteredLimitRow]:
    """All of `asked` or none. Raises 400 for a service or region that is not there, 409."""
    check_places(tx, asked, "registered_limit")
    rows = [{"description": None, **_stored(fields), "id": uuid.uuid4().hex} for fields in asked]
    taken = lookups.conflict("registered_limit", "Duplicate entry")
    for row in rows:
        lookups.insert(tx, registered_limits, row, taken)
    ids = [row["id"] for row in rows]
    found = {row.id: row for row in tx.rows(select_as(RegisteredLimitRow).where(registered_limits.c.id.in_(ids)))}
    return [found[identifier] for identifier in ids]


def update(tx: Transaction, limit_id: str, fields: Mapping[str, Any]) -> RegisteredLimitRow:
    """Change one that no limit refers to. Raises 400, 403, 404, 409."""
    get(tx, limit_id)
    check_places(tx, [fields], "registered_limit")
    _check_free(tx, limit_id)
    taken = lookups.conflict("registered_limit", "Duplicate entry")
    lookups.change(tx, registered_limits, limit_id, _stored(fields), taken)
    return get(tx, limit_id)


def delete(tx: Transaction, limit_id: str) -> None:
    """Delete one that no limit refers to. Raises 403, 404."""
    get(tx, limit_id)
    _check_free(tx, limit_id)
    tx.delete(registered_limits, registered_limits.c.id == limit_id)


def forget(tx: Transaction, *, service_id: str | None = None, region_ids: Sequence[str] = ()) -> None:
    """What is limited is gone: so are its limits."""
    of_region, of_service = registered_limits.c.region_id.in_(region_ids), registered_limits.c.service_id == service_id
    gone = of_region if service_id is None else of_service
    tx.delete(limits, limits.c.registered_limit_id.in_(select(registered_limits.c.id).where(gone)))
    tx.delete(registered_limits, gone)


def check_places(tx: Transaction, asked: Sequence[Mapping[str, Any]], noun: str) -> None:
    """Raise 400 when a service or region of `asked` is not there. Two queries."""
    for key, kind in (("service_id", "service"), ("region_id", "region")):
        wanted = {fields[key] for fields in asked if fields.get(key) is not None}
        if wanted - lookups.existing(tx, kind, wanted):
            raise unknown(key, noun)


def unknown(key: str, noun: str) -> BadRequest:
    """Keystone's 400 for an id in a body that names nothing."""
    return BadRequest(
        f"Expecting to find {key} in {noun}. The server could not comply with the request since it is either malformed "
        "or otherwise incorrect. The client is assumed to be in error."
    )


def _stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, "region_id": fields["region_id"] or ""} if "region_id" in fields else dict(fields)


def _check_free(tx: Transaction, limit_id: str) -> None:
    if tx.row(select(limits.c.id).where(limits.c.registered_limit_id == limit_id)) is not None:
        raise NotAllowed(
            f"Unable to update or delete registered limit {limit_id} because there are project limits associated with "
            "it."
        )
