"""Flavors: rules and SQL. A server keeps a snapshot of its flavor, so nothing here ever touches a server."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.exc import IntegrityError

from cumulet.db import Page, Transaction, paged, select_as
from cumulet.db.paging import MarkerNotFound
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.compute.tables import FlavorRow, flavor_access, flavors

SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "created_at": flavors.c.created_at,
    "flavorid": flavors.c.id,
    "id": flavors.c.id,
    "memory_mb": flavors.c.ram,
    "name": flavors.c.name,
    "root_gb": flavors.c.disk,
    "ephemeral_gb": flavors.c.ephemeral,
    "swap": flavors.c.swap,
    "vcpus": flavors.c.vcpus,
    "rxtx_factor": flavors.c.rxtx_factor,
    "is_public": flavors.c.is_public,
    "updated_at": flavors.c.updated_at,
    "description": flavors.c.description,
}


class ListQuery(Struct, frozen=True):
    """Which flavors a list shall hold. `is_public` None: all that there are, which only an admin may ask for."""

    is_public: bool | None = True
    min_ram: int | None = None
    min_disk: int | None = None


def not_found(flavor_id: str) -> NotFound:
    """Nova's words for a flavor that is not there."""
    return NotFound(f"Flavor {flavor_id} could not be found.")


def _visible(project_id: str, sees_all: bool) -> list[ColumnElement[bool]]:
    if sees_all:
        return []
    mine = select(flavor_access.c.flavor_id).where(flavor_access.c.project_id == project_id)
    return [or_(flavors.c.is_public.is_(True), flavors.c.id.in_(mine))]


def listed(tx: Transaction, project_id: str, sees_all: bool, wanted: ListQuery, page: Page) -> Sequence[FlavorRow]:
    """A page of flavors: public ones and those the project was given. Raises 400 for the marker."""
    where: list[ColumnElement[bool]] = []
    if wanted.is_public is True:
        where += _visible(project_id, False)
    elif wanted.is_public is False:
        where.append(flavors.c.is_public.is_(False))
        where += _visible(project_id, sees_all)
    if wanted.min_ram is not None:
        where.append(flavors.c.ram >= wanted.min_ram)
    if wanted.min_disk is not None:
        where.append(flavors.c.disk >= wanted.min_disk)
    seen = select_as(FlavorRow).where(and_(True, *_visible(project_id, sees_all)))
    try:
        return paged(tx, select_as(FlavorRow).where(and_(True, *where)), SORT_KEYS, page, flavors.c.id, seen)
    except MarkerNotFound as error:
        raise BadRequest(f"marker [{error.marker}] not found") from None


def find(tx: Transaction, flavor_id: str, project_id: str, sees_all: bool) -> FlavorRow | None:
    """A flavor that the project may use."""
    if sees_all:
        rows = tx.rows_by_key(FlavorRow, id=flavor_id)
        return rows[0] if rows else None
    return tx.row(select_as(FlavorRow).where(flavors.c.id == flavor_id, *_visible(project_id, sees_all)))


def get(tx: Transaction, flavor_id: str, project_id: str, sees_all: bool) -> FlavorRow:
    """As `find`. Raises 404."""
    row = find(tx, flavor_id, project_id, sees_all)
    if row is None:
        raise not_found(flavor_id)
    return row


def create(tx: Transaction, values: Mapping[str, Any]) -> FlavorRow:
    """A new flavor; without an id it gets a UUID. Raises 409 for an id or name that is taken."""
    flavor_id = values.get("id") or str(uuid.uuid4())
    row = {**values, "id": flavor_id, "extra_specs": values.get("extra_specs", {}), "created_at": tx.now}
    taken = tx.row(select(flavors.c.id, flavors.c.name).where(_same(flavor_id, str(row["name"]))))
    if taken is not None:
        if taken.name == row["name"]:
            raise Conflict(f"Flavor with name {row['name']} already exists.")
        raise Conflict(f"Flavor with ID {flavor_id} already exists.")
    tx.insert(flavors, row)
    found = tx.row(select_as(FlavorRow).where(flavors.c.id == flavor_id))
    assert found is not None
    return found


def _same(flavor_id: str, name: str) -> ColumnElement[bool]:
    return or_(flavors.c.id == flavor_id, flavors.c.name == name)


def delete(tx: Transaction, flavor_id: str) -> None:
    """Delete a flavor. Raises 404."""
    if not tx.delete(flavors, flavors.c.id == flavor_id):
        raise not_found(flavor_id)
    tx.delete(flavor_access, flavor_access.c.flavor_id == flavor_id)


def describe(tx: Transaction, flavor_id: str, description: str | None) -> None:
    """Set the description."""
    tx.update(flavors, flavors.c.id == flavor_id, description=description, updated_at=tx.now)


def set_extra_specs(tx: Transaction, flavor_id: str, specs: Mapping[str, str]) -> None:
    """Replace the extra specs."""
    tx.update(flavors, flavors.c.id == flavor_id, extra_specs=dict(specs), updated_at=tx.now)


def projects_with_access(tx: Transaction, flavor_id: str) -> list[str]:
    """Projects that were given a private flavor."""
    query = select(flavor_access.c.project_id).where(flavor_access.c.flavor_id == flavor_id)
    return [row.project_id for row in tx.rows(query.order_by(flavor_access.c.project_id))]


def give_access(tx: Transaction, flavor_id: str, project_id: str) -> None:
    """Let a project use a private flavor. Raises 409 when it may already."""
    try:
        tx.insert(flavor_access, {"flavor_id": flavor_id, "project_id": project_id})
    except IntegrityError:
        raise Conflict(
            f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination."
        ) from None


def take_access(tx: Transaction, flavor_id: str, project_id: str) -> None:
    """Take a project's access away. Raises 404 when it has none."""
    where = and_(flavor_access.c.flavor_id == flavor_id, flavor_access.c.project_id == project_id)
    if not tx.delete(flavor_access, where):
        raise NotFound(f"Flavor access not found for {flavor_id} / {project_id} combination.")
