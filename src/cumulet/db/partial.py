"""Indexes of some of a table's rows, which each database says in options of its own.

PostgreSQL's are set when its statement is made: naming them in a table's declaration loads SQLAlchemy's whole dialect
for it, in every process that has another database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Index
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.expression import TextClause

_WHERE = "where"


def only(condition: TextClause | ColumnElement[bool]) -> dict[str, Any]:
    """Options of an `Index` that has only the rows of which `condition` is true."""
    return {"sqlite_where": condition, "info": {_WHERE: condition}}


def settled(index: Index) -> Index:
    """The index, with the condition in the words of both databases."""
    if (condition := index.info.get(_WHERE)) is not None:
        index.dialect_kwargs["postgresql_where"] = condition
    return index


@compiles(CreateIndex, "postgresql")
def _create(element: Any, compiler: Any, **options: Any) -> Any:
    settled(element.element)
    return compiler.visit_create_index(element, **options)
