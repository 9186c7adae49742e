"""``column IN (many values)`` with one parameter: the statement is compiled once, and there may be any number.

SQLAlchemy's own ``in_`` writes one parameter for each value, which costs more than the query for a few hundred and
is refused by SQLite for many thousands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, String, TypeDecorator, bindparam, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class Texts(TypeDecorator[Iterable[str]]):
    """Some texts as one parameter: a JSON array."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Iterable[str] | None, dialect: Any) -> str:
        """The array."""
        return msgspec.json.encode(list(value or ())).decode()


class elements(GenericFunction[str]):
    """The elements of a JSON array as a column ``value`` of text."""

    type = String()
    inherit_cache = True


@compiles(elements, "sqlite")
def _sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(elements, "postgresql")
def _postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS JSON))"


def in_list(column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether the text `column` is one of `values`."""
    return _one_of(column, literal(values, Texts()))


def in_bound_list(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """As `in_list`, for a prepared statement: the values are bound as `name`."""
    return _one_of(column, bindparam(name, type_=Texts()))


def _one_of(column: ColumnElement[str], array: Any) -> ColumnElement[bool]:
    return column.in_(select(elements(array).table_valued("value").c.value))
