"""What a namespace holds under names of its own: objects, properties and tags. The three differ in their columns and
in the words of their faults."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Table, select

from cumulet.db import Page, Transaction, paged, select_as
from cumulet.http.faults import BadRequest, Conflict, NotAllowed, NotFound
from cumulet.http.repeats import repeated
from cumulet.services.image.tables import (
    ContentRow,
    NamespaceObjectRow,
    NamespacePropertyRow,
    NamespaceRow,
    NamespaceTagRow,
)

C = TypeVar("C", bound=ContentRow)


class Kind(Struct, Generic[C], frozen=True):
    """One of the three. `noun` and `taken` are Glance's words for it."""

    row: type[C]
    noun: str
    taken: str

    @property
    def table(self) -> Table:
        """Where they are."""
        return self.row.__table__

    def get(self, tx: Transaction, namespace: NamespaceRow, name: str) -> C:
        """The one of that name. Raises 404."""
        row = self._find(tx, namespace, name)
        if row is None:
            raise NotFound(
                f"The metadata definition {self.noun} with name={name} was not found in "
                f"namespace={namespace.namespace}."
            )
        return row

    def _find(self, tx: Transaction, namespace: NamespaceRow, name: str) -> C | None:
        rows = tx.rows_by_key(self.row, namespace_id=namespace.id, name=name)
        return rows[0] if rows else None

    def all(self, tx: Transaction, namespace: NamespaceRow) -> Sequence[C]:
        """All of them, oldest first."""
        table = self.table
        query = select_as(self.row).where(table.c.namespace_id == namespace.id)
        return tx.rows(query.order_by(table.c.created_at, table.c.name))

    def listed(self, tx: Transaction, namespace: NamespaceRow, page: Page) -> Sequence[C]:
        """A page of them; the marker is a name. Raises 404 for a marker that is not there, 400 for a sort key."""
        table = self.table
        if page.marker is not None:
            page = replace(page, marker=self.get(tx, namespace, page.marker).id)
        columns = {name: table.c[name] for name in ("name", "created_at", "updated_at", "id")}
        query = select_as(self.row).where(table.c.namespace_id == namespace.id)
        try:
            return paged(tx, query, columns, page, table.c.id, query)
        except KeyError as error:
            raise BadRequest(f"Invalid sort key: {error.args[0]}") from None

    def create(self, tx: Transaction, namespace: NamespaceRow, *given: Mapping[str, Any]) -> None:
        """New ones, each with its `name`. Raises 409 when one is there already, or twice among them."""
        names = [values["name"] for values in given]
        table = self.table
        query = select(table.c.name).where(table.c.namespace_id == namespace.id, table.c.name.in_(names))
        taken = {row.name for row in tx.rows(query)}
        twice = repeated(names)
        for place, name in enumerate(names):
            if name in taken or place == twice:
                raise self._conflict(namespace, name)
        fixed = {"namespace_id": namespace.id, "created_at": tx.now, "updated_at": tx.now}
        tx.insert(table, [{**values, **fixed, "id": uuid.uuid4().hex} for values in given])

    def update(self, tx: Transaction, namespace: NamespaceRow, row: C, values: Mapping[str, Any]) -> C:
        """Replace one's columns. Raises 409 for a name that another one has."""
        if values["name"] != row.name and self._find(tx, namespace, values["name"]) is not None:
            raise self._conflict(namespace, values["name"])
        tx.update(self.table, self.table.c.id == row.id, **values, updated_at=tx.now)
        return self.get(tx, namespace, values["name"])

    def delete(self, tx: Transaction, namespace: NamespaceRow, row: C) -> None:
        """Delete one. Raises 403 while the namespace is protected."""
        if namespace.protected:
            raise NotAllowed(
                f"Metadata definition {self.noun} {row.name} is protected and cannot be deleted.", code="HTTPForbidden"
            )
        tx.delete_by_key(self.table, id=row.id)

    def delete_all(self, tx: Transaction, namespace: NamespaceRow) -> None:
        """Delete all of them."""
        tx.delete_by_key(self.table, namespace_id=namespace.id)

    def _conflict(self, namespace: NamespaceRow, name: str) -> Conflict:
        return Conflict(f"{self.taken} with name={name} already exists in namespace={namespace.namespace}.")


OBJECTS = Kind(NamespaceObjectRow, "object", "A metadata definition object")
PROPERTIES = Kind(NamespacePropertyRow, "property", "A metadata definition property")
TAGS = Kind(NamespaceTagRow, "tag", "A metadata tag")


def object_columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """An object's columns out of a request."""
    return {name: given.get(name) for name in ("name", "description", "required", "properties")}


def property_columns(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A property's columns out of a request."""
    return {"name": name, "schema": dict(given)}


def tag_columns(names: Collection[str]) -> list[dict[str, Any]]:
    """Columns of tags of these names."""
    return [{"name": name} for name in names]
