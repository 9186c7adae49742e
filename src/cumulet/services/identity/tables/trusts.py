"""Trusts and the roles that they hand on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, String, Table

from cumulet.db import TypedRow, metadata

trusts = Table(
    "identity_trusts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("trustor_user_id", String(64), nullable=False, index=True),
    Column("trustee_user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), index=True),
    Column("impersonation", Boolean, nullable=False),
    Column("expires_at", BigInteger),
    Column("remaining_uses", Integer),
    Column("redelegated_trust_id", String(64), index=True),
    Column("redelegation_count", Integer, nullable=False, default=0),
    Column("extra", JSON, nullable=False, default=dict),
)


class TrustRow(TypedRow, table=trusts):
    """A trust."""

    id: str
    trustor_user_id: str
    trustee_user_id: str
    project_id: str | None
    impersonation: bool
    expires_at: int | None
    remaining_uses: int | None
    redelegated_trust_id: str | None
    redelegation_count: int
    extra: dict[str, Any]


trust_roles = Table(
    "identity_trust_roles",
    metadata,
    Column("trust_id", String(64), primary_key=True),
    Column("role_id", String(64), primary_key=True, index=True),
)


class TrustRoleRow(TypedRow, table=trust_roles):
    """A trust role."""

    trust_id: str
    role_id: str
