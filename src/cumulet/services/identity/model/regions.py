"""Regions: a tree of names that endpoints belong to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, NotAllowed
from cumulet.services.identity.model import generation, lookups, policies, registered_limits
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import RegionRow, endpoints, regions

COLUMNS = {"id": regions.c.id, "parent_region_id": regions.c.parent_region_id}


def browse(tx: Transaction, query: Query) -> Sequence[RegionRow]:
    """Regions that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(RegionRow), query, COLUMNS)


def create(tx: Transaction, fields: Mapping[str, Any]) -> RegionRow:
    """A new region. Raises 404 for the parent, 409."""
    values = {**fields, "id": fields.get("id") or uuid.uuid4().hex, "description": fields.get("description") or ""}
    if values.get("parent_region_id") is not None:
        lookups.get(tx, RegionRow, values["parent_region_id"])
    lookups.insert(tx, regions, values, lookups.conflict("region", f"Duplicate ID, {values['id']}"))
    generation.bump(tx)
    return lookups.get(tx, RegionRow, values["id"])


def update(tx: Transaction, region_id: str, fields: Mapping[str, Any]) -> RegionRow:
    """Change a region. Raises 400 for a circle, 404."""
    values = dict(fields)
    if "description" in values:
        values["description"] = values["description"] or ""
    if values.get("parent_region_id") is not None:
        lookups.get(tx, RegionRow, values["parent_region_id"])
        _check_circle(tx, region_id, values["parent_region_id"])
    tx.update(regions, regions.c.id == region_id, **values)
    generation.bump(tx)
    return lookups.get(tx, RegionRow, region_id)


def _check_circle(tx: Transaction, region_id: str, parent_id: str) -> None:
    parents = {row.id: row.parent_region_id for row in tx.rows(select(regions.c.id, regions.c.parent_region_id))}
    above: str | None = parent_id
    while above is not None:
        if above == region_id:
            raise BadRequest(f"The specified parent region {parent_id} would create a circular region hierarchy.")
        above = parents.get(above)


def delete(tx: Transaction, region_id: str) -> None:
    """Delete a region with the regions below it. Raises 403 while one of them has endpoints."""
    tree = select(regions.c.id).where(regions.c.id == region_id).cte("tree", recursive=True)
    tree = tree.union(select(regions.c.id).join(tree, regions.c.parent_region_id == tree.c.id))
    ids = [row.id for row in tx.rows(select(tree.c.id))]
    if tx.row(select(endpoints.c.id).where(endpoints.c.region_id.in_(ids))) is not None:
        raise NotAllowed(
            f"Unable to delete region {region_id} because it or its child regions have associated endpoints."
        )
    registered_limits.forget(tx, region_ids=ids)
    policies.forget(tx, region_ids=ids)
    tx.delete(regions, regions.c.id.in_(ids))
    generation.bump(tx)
