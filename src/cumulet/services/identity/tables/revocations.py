"""What ends tokens before their time."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from cumulet.db import TypedRow, metadata

generation = Table(
    "identity_generation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)


revocations = Table(
    "identity_revocations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("audit_id", String(32), index=True),
    Column("audit_chain_id", String(32), index=True),
    Column("user_id", String(64)),
    Column("project_id", String(64)),
    Column("domain_id", String(64)),
    Column("revoked_at", BigInteger, nullable=False),
    Column("forget_at", BigInteger, nullable=False, index=True),
)


class RevocationRow(TypedRow, table=revocations):
    """A revocation."""

    id: str
    audit_id: str | None
    audit_chain_id: str | None
    user_id: str | None
    project_id: str | None
    domain_id: str | None
    revoked_at: int
    forget_at: int
