"""Application credentials, their roles and the requests that they are good for."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text, UniqueConstraint

from cumulet.db import TypedRow, metadata

application_credentials = Table(
    "identity_application_credentials",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("secret_hash", String(255), nullable=False),
    Column("description", Text),
    Column("project_id", String(64), nullable=False, index=True),
    Column("expires_at", BigInteger),
    Column("unrestricted", Boolean, nullable=False, default=False),
    UniqueConstraint("user_id", "name", name="uq_identity_application_credentials_user_name"),
)


class ApplicationCredentialRow(TypedRow, table=application_credentials):
    """An application credential."""

    id: str
    user_id: str
    name: str
    secret_hash: str
    description: str | None
    project_id: str
    expires_at: int | None
    unrestricted: bool


application_credential_roles = Table(
    "identity_application_credential_roles",
    metadata,
    Column("application_credential_id", String(64), primary_key=True),
    Column("role_id", String(64), primary_key=True, index=True),
)


access_rules = Table(
    "identity_access_rules",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("service", String(64), nullable=False),
    Column("path", String(255), nullable=False),
    Column("method", String(16), nullable=False),
    UniqueConstraint("user_id", "service", "path", "method", name="uq_identity_access_rules_user_request"),
)


class AccessRuleRow(TypedRow, table=access_rules):
    """An access rule."""

    id: str
    user_id: str
    service: str
    path: str
    method: str


application_credential_access_rules = Table(
    "identity_application_credential_access_rules",
    metadata,
    Column("application_credential_id", String(64), primary_key=True),
    Column("access_rule_id", String(64), primary_key=True, index=True),
    Column("position", Integer, nullable=False, default=0),  # in the list that was given
)
