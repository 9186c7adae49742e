"""The tables of bells."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from cumulet.db import TypedRow, metadata

bells = Table(
    "bell_bells",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rung", Integer, nullable=False, default=0),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Index("bell_bells_project", "project_id"),
)


class BellRow(TypedRow, table=bells):
    """A row of `bells`. Times in µs; `rung` is how often."""

    id: str
    project_id: str
    name: str
    state: str
    rung: int
    created_at: int
    deleted_at: int | None
