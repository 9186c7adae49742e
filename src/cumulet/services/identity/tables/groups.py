"""Groups of users and who is in them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, String, Table, Text

from cumulet.db import TypedRow, metadata
from cumulet.services.identity.tables.names import LOCAL, found_by_name

groups = Table(
    "identity_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("extra", JSON, nullable=False, default=dict),
    Column("origin", String(9), nullable=False, default=LOCAL, server_default=LOCAL),
    *found_by_name("groups", local=True),
)


class GroupRow(TypedRow, table=groups):
    """A group."""

    id: str
    name: str
    domain_id: str
    description: str
    extra: dict[str, Any]
    origin: str
    name_key: str
    namesake: str


memberships = Table(
    "identity_memberships",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("group_id", String(64), primary_key=True, index=True),
)


class MembershipRow(TypedRow, table=memberships):
    """A membership."""

    user_id: str
    group_id: str


expiring_memberships = Table(  # what an identity provider said about a user's groups, for as long as it counts
    "identity_expiring_memberships",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("group_id", String(64), primary_key=True, index=True),
    Column("idp_id", String(64), primary_key=True, index=True),
    Column("verified_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)


class ExpiringMembershipRow(TypedRow, table=expiring_memberships):
    """An expiring membership."""

    user_id: str
    group_id: str
    idp_id: str
    verified_at: int
    expires_at: int
