"""Users, the passwords they had and the codes they used. `epoch` rises when every token of a user has to die."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, String, Table

from cumulet.db import TypedRow, metadata
from cumulet.services.identity.tables.names import LOCAL, found_by_name

users = Table(
    "identity_users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("default_project_id", String(64)),
    Column("password_hash", String(255)),
    Column("password_created_at", BigInteger),
    Column("password_expires_at", BigInteger),
    Column("failed_logins", Integer, nullable=False, default=0),
    Column("failed_at", BigInteger),
    Column("last_active_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("options", JSON, nullable=False, default=dict),
    Column("extra", JSON, nullable=False, default=dict),
    Column("origin", String(9), nullable=False, default=LOCAL, server_default=LOCAL),
    *found_by_name("users", local=True),
)


class UserRow(TypedRow, table=users):
    """A user."""

    id: str
    name: str
    domain_id: str
    enabled: bool
    default_project_id: str | None
    password_hash: str | None
    password_created_at: int | None
    password_expires_at: int | None
    failed_logins: int
    failed_at: int | None
    last_active_at: int | None
    created_at: int
    epoch: int
    options: dict[str, Any]
    extra: dict[str, Any]
    origin: str
    name_key: str
    namesake: str


class NamedUserRow(UserRow):
    """A user with the name of the domain."""

    domain_name: str


old_passwords = Table(
    "identity_old_passwords",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("created_at", BigInteger, primary_key=True),
    Column("hash", String(255), nullable=False),
)


totp_uses = Table(
    "identity_totp_uses",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("forget_at", BigInteger, nullable=False, index=True),
)
"""Steps of time whose code a user has used."""
