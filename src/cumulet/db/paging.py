"""Paging by key: a page starts after its marker, in a stable order, however many rows come and go meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from msgspec import Struct
from sqlalchemy import ColumnElement, Integer, Row, Select, and_, bindparam, literal, or_

from cumulet.db.database import Transaction
from cumulet.db.rows import R, TypedSelect

S = TypeVar("S", bound=Select[Any])


class Page(Struct, frozen=True):
    """What a client asked for. `sort`: (key, descending) pairs; `limit` None is no limit; `reverse` pages back."""

    limit: int | None = None
    marker: str | None = None
    sort: tuple[tuple[str, bool], ...] = ()
    reverse: bool = False


class MarkerNotFound(Exception):
    """The marker names no row that the caller can see."""

    def __init__(self, marker: str) -> None:
        super().__init__(marker)
        self.marker = marker


@overload
def paged(  # type: ignore[overload-overlap]
    tx: Transaction,
    statement: TypedSelect[R],
    columns: Mapping[str, ColumnElement[Any]],
    page: Page,
    identity: ColumnElement[Any],
    seen: Select[Any],
) -> Sequence[R]: ...
@overload
def paged(
    tx: Transaction,
    statement: Select[Any],
    columns: Mapping[str, ColumnElement[Any]],
    page: Page,
    identity: ColumnElement[Any],
    seen: Select[Any],
) -> Sequence[Row[Any]]: ...
def paged(
    tx: Transaction,
    statement: Select[Any],
    columns: Mapping[str, ColumnElement[Any]],
    page: Page,
    identity: ColumnElement[Any],
    seen: Select[Any],
) -> Sequence[Any]:
    """Rows of `statement` in the page's order; `columns` maps sort keys to columns, `identity` breaks ties.

    `seen` are the rows that the caller may see, whether they fit the filters or not: the marker is one of them, as a
    page behind any other row tells how that row's values sort. One query, two with a marker. Raises KeyError for an
    unknown sort key and `MarkerNotFound`.
    """
    order = _order(columns, page, identity)
    if page.marker is not None:
        of_marker = seen.with_only_columns(*[column for column, _ in order], maintain_column_froms=True)
        at = tx.row(of_marker.where(identity == page.marker))
        if at is None:
            raise MarkerNotFound(page.marker)
        statement = statement.where(_after(order, at))
    statement = _ordered(statement, order)
    if page.limit is not None:
        statement = statement.limit(page.limit)
    found = tx.rows(statement)
    return list(reversed(found)) if page.reverse else found


def first_page(
    statement: S,
    columns: Mapping[str, ColumnElement[Any]],
    sort: tuple[tuple[str, bool], ...],
    identity: ColumnElement[Any],
) -> S:
    """`statement` in the order of a page without a marker, as many rows as are bound as ``limit``: to be prepared."""
    ordered = _ordered(statement, _order(columns, Page(sort=sort), identity))
    return ordered.limit(bindparam("limit", type_=Integer))


_Order = list[tuple[ColumnElement[Any], bool]]


def _order(columns: Mapping[str, ColumnElement[Any]], page: Page, identity: ColumnElement[Any]) -> _Order:
    first: dict[str, bool] = {}
    for key, down in page.sort:
        first.setdefault(key, down != page.reverse)  # a key that comes again orders nothing, and a page has n² terms
    return [*((columns[key], down) for key, down in first.items()), (identity, page.reverse)]


def _ordered(statement: S, order: _Order) -> S:
    for column, down in order:
        statement = statement.order_by(column.desc().nulls_last() if down else column.asc().nulls_first())
    return statement


def _after(order: _Order, at: Row[Any]) -> ColumnElement[bool]:
    """Rows behind `at`; NULL sorts before every value."""
    choices: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for (column, down), value in zip(order, at, strict=True):
        bound = literal(value, column.type)  # a plain True or False cannot be compared by order
        if down:
            beyond = None if value is None else or_(column < bound, column.is_(None))
        else:
            beyond = column.is_not(None) if value is None else column > bound
        if beyond is not None:
            choices.append(and_(*same, beyond))
        same.append(column.is_(None) if value is None else column == bound)
    return or_(*choices)
