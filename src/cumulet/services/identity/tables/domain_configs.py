"""How domains are configured, and who the entries of their directories are here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, String, Table, Text, UniqueConstraint

from cumulet.db import TypedRow, metadata

id_mappings = Table(  # which entry of a directory a user or group of ours stands for
    "identity_id_mappings",
    metadata,
    Column("public_id", String(64), primary_key=True),
    Column("domain_id", String(64), nullable=False),
    Column("local_id", String(255), nullable=False),
    Column("entity_type", String(5), nullable=False),  # user, group
    UniqueConstraint("domain_id", "local_id", "entity_type", name="uq_identity_id_mappings_entry"),
)


class IdMappingRow(TypedRow, table=id_mappings):
    """An id mapping."""

    public_id: str
    domain_id: str
    local_id: str
    entity_type: str


domain_options = Table(  # how a domain is configured, as far as everybody who may look may see it
    "identity_domain_options",
    metadata,
    Column("domain_id", String(64), primary_key=True),
    Column("section", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)


class DomainOptionRow(TypedRow, table=domain_options):
    """A domain option."""

    domain_id: str
    section: str
    name: str
    value: Any


domain_secrets = Table(  # and what nobody sees
    "identity_domain_secrets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain_id", String(64), nullable=False),
    Column("section", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    UniqueConstraint("domain_id", "section", "name", name="uq_identity_domain_secrets"),
)


class DomainSecretRow(TypedRow, table=domain_secrets):
    """A domain secret."""

    id: str
    domain_id: str
    section: str
    name: str
    sealed: str
    key_hash: str
