"""``column IN (many values)`` with one parameter: the statement is compiled once, and there may be any number.

SQLAlchemy's own ``in_`` writes one parameter for each value, which costs more than the query for a few hundred and
is refused by SQLite for many thousands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, String, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


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


def among(column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether the text `column` is one of `values`."""
    array = literal(msgspec.json.encode(list(values)).decode(), String())
    return column.in_(select(elements(array).table_valued("value").c.value))
