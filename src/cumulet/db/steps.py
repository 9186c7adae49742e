"""What revisions are made of: each step looks first, so that a step that was taken already is none.

Rows of two shapes may say that they are at the same revision (decisions/0038-upgrades-and-retention.md), and whoever
runs the head of development has had half of the newest one. Never used while requests are answered.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import Column, Inspector, inspect, text
from sqlalchemy.schema import SchemaItem


def _there() -> Inspector:
    return inspect(op.get_bind())


def has_table(name: str) -> bool:
    """Whether the database has the table."""
    return _there().has_table(name)


def has_column(table: str, name: str) -> bool:
    """Whether the table has the column."""
    return name in {column["name"] for column in _there().get_columns(table)}


def has_index(table: str, name: str) -> bool:
    """Whether the table has the index."""
    return name in {index["name"] for index in _there().get_indexes(table)}


def create_table(name: str, *items: SchemaItem, **options: Any) -> None:
    """Make the table unless it is there. Its indexes are steps of their own."""
    if not has_table(name):
        op.create_table(name, *items, **options)


def drop_table(name: str) -> None:
    """Drop the table, with its rows and indexes, if it is there."""
    if has_table(name):
        op.drop_table(name)


def add_column(table: str, column: Column[Any], *, fill: str | None = None) -> None:
    """Add the column unless it is there. Rows that are there get `fill`, as SQL; a column that must not be empty needs
    one. It costs the same whatever the table holds; SQLite keeps `fill` as the column's default, which nobody uses."""
    if has_column(table, column.name):
        return
    declared = column.server_default
    if fill is not None and declared is None:
        column.server_default = Column("", column.type, server_default=text(fill)).server_default
    op.add_column(table, column)
    if fill is not None and declared is None and op.get_bind().dialect.name != "sqlite":
        op.alter_column(table, column.name, server_default=None)


def drop_column(table: str, name: str) -> None:
    """Drop the column if it is there; no index may be left on it."""
    if has_column(table, name):
        op.drop_column(table, name)


def create_index(name: str, table: str, columns: list[Any], *, unique: bool, **options: Any) -> None:
    """Make the index unless it is there."""
    if not has_index(table, name):
        op.create_index(name, table, columns, unique=unique, **options)


def drop_index(name: str, table: str) -> None:
    """Drop the index if it is there."""
    if has_index(table, name):
        op.drop_index(name, table_name=table)
