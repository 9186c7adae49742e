"""Rows of any noun: found by id, listed by filters. Lists filter and sort in the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct, field
from sqlalchemy import ColumnElement, Table

from cumulet.auth import Caller
from cumulet.db import Page, Transaction, paged, select_as
from cumulet.db.paging import MarkerNotFound
from cumulet.db.times import parse_iso
from cumulet.desired import texts
from cumulet.http.faults import BadRequest
from cumulet.services.network import extensions, faults
from cumulet.services.network.extension import Body, Filter, Show
from cumulet.services.network.model import tags
from cumulet.services.network.tables import StandardRow
from cumulet.services.network.wire.attributes import ABSENT, Refused, Resource, boolean


class Noun(Struct, frozen=True, dict=True):
    """Where the rows of a resource are, who sees them and how they look; what extensions add to it comes by itself.
    What a table holds beyond the attributes of the resource is nobody's to ask.

    - `core`: the resource with its own attributes; `resource` has those of extensions as well.
    - `words`: what documents call one and several of it.
    - `show`: adds the resource's own attributes that are no columns to bodies, before extensions do.
    - `own_filters`, `own_constants`: conditions of lists for names that are no columns, attributes of one value.
    - `hangs_on`: the attribute of a new one that names what it hangs on, and the noun of that.
    - `parents`: row id → owner and sharing of what the row hangs on; `parent` is the same of that row itself.
    - `path`: of the collection, below the version; `key`: the name of the id in paths.
    - `bulk`: whether a request may create several. `quota`: what one takes of quotas, when it is more than itself.
    """

    core: Resource
    row: type[StandardRow]
    visible: Callable[[Caller], ColumnElement[bool]]
    words: tuple[str, str]
    show: Show | None = None
    own_filters: Mapping[str, Filter] = field(default_factory=dict)
    own_constants: Mapping[str, Any] = field(default_factory=dict)
    hangs_on: tuple[str, Noun] | None = None
    parents: Callable[[Transaction, Sequence[Any]], Mapping[str, Body]] | None = None
    parent: Callable[[Any], Body] | None = None
    key: str = ""
    bulk: bool = True
    quota: Mapping[str, int] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """Where the rows are."""
        return self.row.__table__

    @property
    def name(self) -> str:
        """What requests and rules call one of it."""
        return self.core.name

    @property
    def path(self) -> str:
        """The path of the collection."""
        return f"/v2.0/{self.core.plural.replace('_', '-')}"

    @property
    def parameter(self) -> str:
        """The name of the id in paths."""
        return self.key or f"{self.name}_id"

    @property
    def takes(self) -> Mapping[str, int]:
        """What one takes of which quotas."""
        return self.quota or {self.name: 1}

    @cached_property
    def resource(self) -> Resource:
        """The resource with all its attributes."""
        return extensions.collected(self.core)

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """Names on the wire that are columns of another name."""
        return extensions.columns(self.name)

    @cached_property
    def filters(self) -> Mapping[str, Filter]:
        """Conditions for names that are no columns."""
        return {**self.own_filters, **extensions.filters(self.name)}

    @cached_property
    def constants(self) -> Mapping[str, Any]:
        """Attributes that always have the same value."""
        return {**self.own_constants, **extensions.constants(self.name)}

    @cached_property
    def shown(self) -> tuple[tuple[str, int], ...]:
        """Attributes that are columns, and the columns' places in a row."""
        places = {name: place for place, name in enumerate(self.table.c.keys())}
        named = {"tenant_id": "project_id", "project_id": "project_id"}
        named |= {name: self.columns.get(name, name) for name in self.resource.attributes}
        return tuple((name, places[column]) for name, column in named.items() if column in places)

    def column(self, name: str) -> ColumnElement[Any] | None:
        """The column of an attribute, when it is one that can be compared."""
        if name not in self.resource.attributes and name not in _OWNER and name not in self.columns:
            return None
        name = self.columns.get(name, "project_id" if name == "tenant_id" else name)
        found = self.table.c.get(name)
        return None if found is None or str(found.type) == "JSON" else found


_OWNER = ("project_id", "tenant_id")


def find_row(tx: Transaction, noun: Noun, caller: Caller, id: str) -> StandardRow:
    """The row that the caller sees under this id. Raises 404."""
    row = tx.row(select_as(noun.row).where(noun.table.c.id == id, noun.visible(caller)))
    if row is None:
        raise faults.not_found(noun.name, id)
    return row


def rows_of(tx: Transaction, noun: Noun, ids: Sequence[str]) -> list[StandardRow]:
    """The rows of these ids, which exist, in this order."""
    rows = {row.id: row for row in tx.rows(select_as(noun.row).where(noun.table.c.id.in_(ids)))}
    return [rows[id] for id in ids]


def written(noun: Noun, values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that values of a request go to as they are."""
    found = {}
    for name, value in values.items():
        column = noun.columns.get(name, name)
        if value is not ABSENT and column in noun.table.c:
            found[column] = value
    return found


def bodies(
    tx: Transaction, noun: Noun, rows: Sequence[StandardRow], tagged: Mapping[str, list[str]] | None = None
) -> list[Body]:
    """Rows as clients see them. `tagged`: tags by id, when they are known already.

    Lists are long: the columns of a row are taken all at once, which is much cheaper than one by one.
    """
    shown, constants = noun.shown, noun.constants
    found: list[Body] = []
    for row in rows:
        values = tuple(row)
        found.append({**{name: values[place] for name, place in shown}, **constants})
    if tagged is not None:
        for body in found:
            body["tags"] = tagged[body["id"]]
    if found:
        for show in (*([noun.show] if noun.show else []), *extensions.hooks("shows", noun.name)):
            show(tx, rows, found)
    return found


def matching(
    tx: Transaction, noun: Noun, caller: Caller, filters: Mapping[str, Sequence[str]], page: Page
) -> Sequence[StandardRow]:
    """The page of rows that the caller sees and that match all filters. Raises 400 and 404 (the marker's).

    One query, two with a marker, which the caller has to see, too: its place in the order says what it holds.
    """
    seen = query = select_as(noun.row).where(noun.visible(caller))
    for name, values in filters.items():
        query = query.where(_condition(noun, name, values))
    columns = {key: noun.column(key) for key, _ in page.sort}
    try:
        return paged(tx, query, columns, page, noun.table.c.id, seen)  # type: ignore[arg-type]
    except MarkerNotFound as missing:
        raise faults.not_found(noun.name, missing.marker) from None


def no_filter(name: str) -> BadRequest:
    """What Neutron answers to a filter that the resource does not have."""
    return BadRequest(f"['{name}'] is invalid attribute for filtering", code="HTTPBadRequest")


_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")


def _condition(noun: Noun, name: str, values: Sequence[str]) -> ColumnElement[bool]:
    if name in noun.filters:
        return noun.filters[name](values)
    if name in _TAGS:
        return tags.condition(noun.table.c.id, name, values)
    if name == "changed_since":
        try:
            return noun.table.c.updated_at >= parse_iso(values[-1])
        except ValueError:
            raise faults.invalid_input(f"The value '{values[-1]}' of filter 'changed_since' is not a time") from None
    column = noun.column(name)
    if column is None:
        raise no_filter(name)
    found = [converted(column, name, value) for value in values if value != "" or name in _EMPTY]
    if not found and values:
        return column.is_(None)
    return column.in_(found)


_EMPTY = frozenset({"device_id", "device_owner", "name", "description", "tenant_id", "project_id", "dns_name"})


_LARGEST = 2**63 - 1  # what a column can be compared with


def converted(column: ColumnElement[Any], name: str, value: str) -> Any:
    """A filter's value as the column holds it. Raises 400."""
    kind = column.type.python_type
    if kind is bool:
        try:
            return boolean(value)
        except Refused as refused:
            raise faults.bad_request(f"Invalid input for {name}. Reason: {refused}.") from None
    if kind is int:
        try:
            found = parse_iso(value) if name in ("created_at", "updated_at") else texts.whole(value)
            if abs(found) > _LARGEST:
                raise ValueError
            return found
        except (ValueError, OverflowError):
            raise faults.bad_request(f"Invalid input for {name}. Reason: '{value}' is not an integer.") from None
    return value
