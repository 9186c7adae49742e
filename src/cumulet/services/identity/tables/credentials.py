"""Credentials of users for other services."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, String, Table, Text

from cumulet.db import TypedRow, metadata

credentials = Table(
    "identity_credentials",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), index=True),
    Column("type", String(255), nullable=False),
    Column("sealed", Text, nullable=False),  # the blob, by the credential keys
    Column("key_hash", String(64), nullable=False),  # of the key that sealed it
    Column("extra", JSON, nullable=False, default=dict),
)


class CredentialRow(TypedRow, table=credentials):
    """A credential."""

    id: str
    user_id: str
    project_id: str | None
    type: str
    sealed: str
    key_hash: str
    extra: dict[str, Any]
