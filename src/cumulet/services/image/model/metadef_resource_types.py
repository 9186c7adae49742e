"""Types of resources that metadata definitions are for, and which namespace is for which of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.http.faults import Conflict, NotAllowed, NotFound
from cumulet.http.repeats import repeated
from cumulet.services.image.tables import (
    NamespaceRow,
    ResourceTypeAssociationRow,
    ResourceTypeRow,
    resource_type_associations,
    resource_types,
)


def listed(tx: Transaction) -> Sequence[ResourceTypeRow]:
    """All types that any namespace was ever for."""
    return tx.rows(select_as(ResourceTypeRow).order_by(resource_types.c.name))


def get(tx: Transaction, namespace: NamespaceRow, name: str) -> ResourceTypeAssociationRow:
    """The association of a type with a namespace. Raises 404."""
    rows = tx.rows_by_key(ResourceTypeAssociationRow, namespace_id=namespace.id, name=name)
    if not rows:
        raise NotFound(
            f"The metadata definition resource-type association of resource-type={name} to "
            f"namespace={namespace.namespace}, was not found."
        )
    return rows[0]


def associate(tx: Transaction, namespace: NamespaceRow, *given: Mapping[str, Any]) -> None:
    """The namespace is for these types as well; one that nobody knew is known from now on. Raises 409."""
    names = [values["name"] for values in given]
    table = resource_type_associations
    query = select(table.c.name).where(table.c.namespace_id == namespace.id, table.c.name.in_(names))
    taken = {row.name for row in tx.rows(query)}
    twice = repeated(names)
    for place, name in enumerate(names):
        if name in taken or place == twice:
            raise Conflict(
                f"The metadata definition resource-type association of resource-type={name} to "
                f"namespace={namespace.namespace} already exists."
            )
    known = {row.name for row in tx.rows(select(resource_types.c.name).where(resource_types.c.name.in_(names)))}
    times = {"created_at": tx.now, "updated_at": tx.now}
    tx.insert(resource_types, [{"name": name, **times} for name in names if name not in known])
    rows = []
    for values in given:
        columns = {name: values.get(name) for name in ("name", "prefix", "properties_target")}
        rows.append({**columns, "namespace_id": namespace.id, **times})
    tx.insert(table, rows)


def dissociate(tx: Transaction, namespace: NamespaceRow, name: str) -> None:
    """The namespace is for that type no more; the type stays known. Raises 403 and 404."""
    if not tx.rows_by_key(resource_type_associations, namespace_id=namespace.id, name=name):
        raise NotFound(f"Failed to find resource type {name} to delete")
    if namespace.protected:
        raise NotAllowed(
            f"Metadata definition resource-type-association {name} is protected and cannot be deleted.",
            code="HTTPForbidden",
        )
    tx.delete_by_key(resource_type_associations, namespace_id=namespace.id, name=name)
