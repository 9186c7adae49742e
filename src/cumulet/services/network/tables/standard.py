"""What every resource of this API has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String

from cumulet.db import TypedRow


def standard() -> list[Column[Any]]:
    """What every resource of this API has."""
    return [
        Column("project_id", String(255), nullable=False, default=""),
        Column("description", String(255), nullable=False, default=""),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        Column("revision_number", Integer, nullable=False, default=0),
    ]


class StandardRow(TypedRow):
    """What every resource of this API has."""

    id: str
    project_id: str
    description: str
    created_at: int
    updated_at: int
    revision_number: int
