"""Namespaces of metadata definitions: who sees them, and what may become of them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Page, Transaction, paged, select_as
from cumulet.db.paging import MarkerNotFound
from cumulet.http.faults import BadRequest, Conflict, NotAllowed, NotFound
from cumulet.services.image.tables import (
    NamespaceRow,
    ResourceTypeAssociationRow,
    namespace_objects,
    namespace_properties,
    namespace_tags,
    namespaces,
    resource_type_associations,
)

COLUMNS = {
    name: namespaces.c[name]
    for name in (
        "namespace",
        "display_name",
        "description",
        "visibility",
        "protected",
        "owner",
        "created_at",
        "updated_at",
        "id",
    )
}
"""What a list may be sorted by."""


class ListQuery(Struct, frozen=True):
    """A parsed list request."""

    page: Page
    visibility: str | None = None
    resource_types: tuple[str, ...] = ()


def visible(caller: Caller) -> ColumnElement[bool]:
    """What the caller may see."""
    if caller.is_admin:
        return true()
    return or_(namespaces.c.owner == caller.project_id, namespaces.c.visibility == "public")


def not_found(name: str) -> NotFound:
    """Glance's answer for a namespace that is not there or not visible."""
    return NotFound(f"Namespace {name} not found")


def target(row: NamespaceRow) -> dict[str, Any]:
    """What policy rules look at."""
    return {"project_id": row.owner, "tenant_id": row.owner, "owner": row.owner, "visibility": row.visibility}


def get(tx: Transaction, caller: Caller, name: str) -> NamespaceRow:
    """The namespace as the caller sees it. Raises 404."""
    row = tx.row(select_as(NamespaceRow).where(namespaces.c.namespace == name, visible(caller)))
    if row is None:
        raise not_found(name)
    return row


def listed(tx: Transaction, caller: Caller, wanted: ListQuery) -> Sequence[NamespaceRow]:
    """A page of namespaces. Raises 404 for a marker that the caller does not see."""
    seen = query = select_as(NamespaceRow).where(visible(caller))
    if wanted.visibility is not None:
        query = query.where(namespaces.c.visibility == wanted.visibility)
    if wanted.resource_types:
        typed = select(resource_type_associations.c.namespace_id)
        query = query.where(
            namespaces.c.id.in_(typed.where(resource_type_associations.c.name.in_(wanted.resource_types)))
        )
    page = wanted.page
    if page.marker is not None:
        page = replace(page, marker=get(tx, caller, page.marker).id)
    try:
        return paged(tx, query, COLUMNS, page, namespaces.c.id, seen)
    except MarkerNotFound:
        raise not_found(str(wanted.page.marker)) from None
    except KeyError as error:
        raise BadRequest(f"Invalid sort key: {error.args[0]}") from None


def associations(tx: Transaction, ids: Collection[str]) -> dict[str, list[ResourceTypeAssociationRow]]:
    """The types of resources of these namespaces, by the namespace's id. One query."""
    table = resource_type_associations
    found: dict[str, list[ResourceTypeAssociationRow]] = {}
    if ids:
        for row in tx.rows(
            select_as(ResourceTypeAssociationRow).where(table.c.namespace_id.in_(ids)).order_by(table.c.name)
        ):
            found.setdefault(row.namespace_id, []).append(row)
    return found


def create(tx: Transaction, caller: Caller, values: Mapping[str, Any]) -> NamespaceRow:
    """A new namespace. Raises 409."""
    name = values["namespace"]
    _refuse_taken(tx, name)
    made = {
        **_columns(caller, values),
        "id": uuid.uuid4().hex,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    tx.insert(namespaces, made)
    row = tx.row(select_as(NamespaceRow).where(namespaces.c.id == made["id"]))
    assert row is not None
    return row


def update(tx: Transaction, caller: Caller, row: NamespaceRow, values: Mapping[str, Any]) -> NamespaceRow:
    """Replace the namespace's own attributes: what is left out gets its default. Raises 409."""
    if values["namespace"] != row.namespace:
        _refuse_taken(tx, values["namespace"])
    tx.update(namespaces, namespaces.c.id == row.id, **_columns(caller, values), updated_at=tx.now)
    changed = tx.row(select_as(NamespaceRow).where(namespaces.c.id == row.id))
    assert changed is not None
    return changed


def _columns(caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "namespace": values["namespace"],
        "display_name": values.get("display_name"),
        "description": values.get("description"),
        "visibility": values.get("visibility") or "private",
        "protected": bool(values.get("protected")),
        "owner": values.get("owner") or caller.project_id,
    }


def _refuse_taken(tx: Transaction, name: str) -> None:
    if tx.row(select(namespaces.c.id).where(namespaces.c.namespace == name)) is not None:
        raise Conflict(f"The metadata definition namespace={name} already exists.")


def refuse_protected(row: NamespaceRow) -> None:
    """Raise 403 while nothing of the namespace may be deleted."""
    if row.protected:
        raise NotAllowed(
            f"Metadata definition namespace {row.namespace} is protected and cannot be deleted.", code="HTTPForbidden"
        )


def delete(tx: Transaction, row: NamespaceRow) -> None:
    """Delete the namespace with all that it holds. Raises 403."""
    refuse_protected(row)
    for table in (namespace_objects, namespace_properties, namespace_tags, resource_type_associations):
        tx.delete_by_key(table, namespace_id=row.id)
    tx.delete_by_key(namespaces, id=row.id)
