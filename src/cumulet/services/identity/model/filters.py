"""Keystone's list filters: ``?name=x``, ``?name__contains=x`` and its kin, ``?enabled=false``.

A filter that the noun does not know is ignored, as Keystone does. Values are bound parameters, and none is a pattern.
Parts of texts are compared without their case (Keystone asks by ILIKE), names of people and projects altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, String, bindparam, func

from cumulet.db import Page, Transaction, TypedSelect, paged
from cumulet.db.paging import MarkerNotFound, S
from cumulet.db.rows import R
from cumulet.http.collections import Dialect, Query, last
from cumulet.http.faults import BadRequest
from cumulet.services.identity.tables import folded

Columns = Mapping[str, ColumnElement[Any]]
_MOST = 256  # filters of one list: each is a condition of the query, and databases take so many


def _contains(column: ColumnElement[Any], value: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.length(func.replace(column, value, "")) < func.length(column)


def _starts(column: ColumnElement[Any], value: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.substr(column, 1, func.length(value)) == value


def _ends(column: ColumnElement[Any], value: ColumnElement[Any]) -> ColumnElement[bool]:
    tail = func.substr(column, func.length(column) - func.length(value) + 1)
    return (func.length(column) >= func.length(value)) & (tail == value)


_COMPARATORS: dict[str, Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[bool]]] = {
    "contains": _contains,
    "startswith": _starts,
    "endswith": _ends,
}


def filtered(statement: S, query: Query, columns: Columns) -> S:
    """`statement` with the conditions of `query` on `columns` (name of the filter → column). Raises 400 for absurdly
    many."""
    if sum(map(len, query.values())) > _MOST:
        raise BadRequest(f"The query has more than {_MOST} filters.")
    for key, values in query.items():
        name, _, comparator = key.partition("__")
        column = columns.get(name)
        if column is None:
            continue
        for value in values:
            condition = _condition(column, comparator, value)
            if condition is not None:
                statement = statement.where(condition)
    return statement


def _condition(column: ColumnElement[Any], comparator: str, value: str) -> ColumnElement[bool] | None:
    if isinstance(column.type, Boolean):
        return column.is_(truth(value)) if not comparator else None
    key = column.table.c.get("name_key") if isinstance(column, Column) and column.name == "name" else None
    if key is not None:
        column, value = key, folded(value)
    if not comparator:
        return column == value
    compare = _COMPARATORS.get(comparator if comparator in _COMPARATORS else comparator.removeprefix("i"))
    if compare is None or not value:
        return None
    bound = bindparam(None, value, type_=String())
    return compare(column, bound) if key is not None else compare(func.lower(column), func.lower(bound))


def truth(value: str) -> bool:
    """A boolean of a query: what does not say no says yes."""
    return value.strip().lower() not in ("0", "false", "f", "no", "n", "off")


def _number(text: str) -> int | None:
    if text and (not (text.isascii() and text.isdigit()) or len(text) > 9):
        raise BadRequest(f"Invalid input for field 'limit': '{text}' does not match '^[0-9]+$'")
    return int(text) if text else None


DIALECT = Dialect(number=_number, wrong_direction=BadRequest, zero_is_all=True)
"""Keystone's lists: all rows unless a limit says otherwise, in the order of their ids."""


def page(query: Query) -> Page:
    """The page a query asks for. Raises 400 for a limit that is none."""
    return Page(limit=DIALECT.limit(query), marker=last(query, "marker"))


def listed(tx: Transaction, statement: TypedSelect[R], query: Query, columns: Columns) -> Sequence[R]:
    """The rows of one page, in the order of their ids. `columns` must hold ``id``."""
    narrowed = filtered(statement, {k: v for k, v in query.items() if k not in ("limit", "marker")}, columns)
    try:
        return paged(tx, narrowed, columns, page(query), columns["id"], statement)
    except MarkerNotFound as error:
        raise BadRequest(f"Marker {error.marker} could not be found.") from None
