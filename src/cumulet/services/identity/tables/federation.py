"""Identity providers, what their tokens mean here, and who their users are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, String, Table, Text

from cumulet.db import TypedRow, metadata

identity_providers = Table(
    "identity_providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain_id", String(64), nullable=False, index=True),
    Column("enabled", Boolean, nullable=False, default=False),
    Column("description", Text),
    Column("authorization_ttl", BigInteger),  # minutes; none and 0: memberships live as long as the token
)


class IdentityProviderRow(TypedRow, table=identity_providers):
    """An identity provider."""

    id: str
    domain_id: str
    enabled: bool
    description: str | None
    authorization_ttl: int | None


identity_provider_remote_ids = Table(
    "identity_provider_remote_ids",
    metadata,
    Column("remote_id", String(255), primary_key=True),
    Column("idp_id", String(64), nullable=False, index=True),
)


federation_protocols = Table(
    "identity_federation_protocols",
    metadata,
    Column("idp_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("mapping_id", String(64), nullable=False),
    Column("remote_id_attribute", String(64)),
)


class FederationProtocolRow(TypedRow, table=federation_protocols):
    """A federation protocol."""

    idp_id: str
    id: str
    mapping_id: str
    remote_id_attribute: str | None


mappings = Table(
    "identity_mappings",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("rules", JSON, nullable=False),
    Column("schema_version", String(5), nullable=False),
)


class MappingRow(TypedRow, table=mappings):
    """A mapping."""

    id: str
    rules: Any
    schema_version: str


service_providers = Table(
    "identity_service_providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("enabled", Boolean, nullable=False, default=False),
    Column("description", Text),
    Column("auth_url", String(256), nullable=False),
    Column("sp_url", String(256), nullable=False),
    Column("relay_state_prefix", String(256)),
)


class ServiceProviderRow(TypedRow, table=service_providers):
    """A service provider."""

    id: str
    enabled: bool
    description: str | None
    auth_url: str
    sp_url: str
    relay_state_prefix: str | None


federated_users = Table(  # who a user is at an identity provider
    "identity_federated_users",
    metadata,
    Column("idp_id", String(64), primary_key=True),
    Column("protocol_id", String(64), primary_key=True),
    Column("unique_id", String(255), primary_key=True),
    Column("user_id", String(64), nullable=False, index=True),
)


class FederatedUserRow(TypedRow, table=federated_users):
    """A federated user."""

    idp_id: str
    protocol_id: str
    unique_id: str
    user_id: str
