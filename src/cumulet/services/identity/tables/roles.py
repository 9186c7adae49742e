"""Roles, what they imply, and who has them on what."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Column, Index, String, Table, Text, UniqueConstraint

from cumulet.db import TypedRow, metadata
from cumulet.services.identity.tables.names import found_by_name

roles = Table(
    "identity_roles",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("domain_id", String(64), nullable=False, default=""),  # empty: a role of no domain, so that it is unique
    Column("description", Text),
    Column("options", JSON, nullable=False, default=dict),
    Column("extra", JSON, nullable=False, default=dict),
    UniqueConstraint("domain_id", "name", name="uq_identity_roles_domain_name"),
    *found_by_name("roles"),
)


class RoleRow(TypedRow, table=roles):
    """A role."""

    id: str
    name: str
    domain_id: str
    description: str | None
    options: dict[str, Any]
    extra: dict[str, Any]
    name_key: str
    namesake: str


implied_roles = Table(
    "identity_implied_roles",
    metadata,
    Column("prior_id", String(64), primary_key=True),
    Column("implied_id", String(64), primary_key=True, index=True),
)


class ImpliedRoleRow(TypedRow, table=implied_roles):
    """An implied role."""

    prior_id: str
    implied_id: str


assignments = Table(
    "identity_assignments",
    metadata,
    Column("actor_id", String(64), primary_key=True),
    Column("target_type", String(8), primary_key=True),  # project, domain, system
    Column("target_id", String(64), primary_key=True),
    Column("role_id", String(64), primary_key=True),
    Column("inherited", Boolean, primary_key=True),
    Column("actor_type", String(8), nullable=False),  # user, group
    Index("ix_identity_assignments_target", "target_id"),
    Index("ix_identity_assignments_role", "role_id"),
)


class AssignmentRow(TypedRow, table=assignments):
    """An assignment."""

    actor_id: str
    target_type: str
    target_id: str
    role_id: str
    inherited: bool
    actor_type: str
