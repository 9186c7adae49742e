"""All tables of identity. Times are microseconds since the epoch. Only this service reads or writes them.

A domain is a row of `projects` with `is_domain`; its own `domain_id` is `ROOT`. `epoch` rises when every token of a
user, or for a project, has to die: tokens carry the epoch they were issued at.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from cumulet.store import metadata

ROOT = "<<keystone.domain.root>>"

generation = Table(
    "identity_generation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

projects = Table(
    "identity_projects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("parent_id", String(64), index=True),
    Column("is_domain", Boolean, nullable=False, default=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("description", Text, nullable=False, default=""),
    Column("epoch", Integer, nullable=False, default=0),
    Column("options", JSON, nullable=False, default=dict),
    Column("extra", JSON, nullable=False, default=dict),
    UniqueConstraint("domain_id", "name", name="uq_identity_projects_domain_name"),
)

project_tags = Table(
    "identity_project_tags",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
)

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
    Column("created_at", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("options", JSON, nullable=False, default=dict),
    Column("extra", JSON, nullable=False, default=dict),
    UniqueConstraint("domain_id", "name", name="uq_identity_users_domain_name"),
)

groups = Table(
    "identity_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("extra", JSON, nullable=False, default=dict),
    UniqueConstraint("domain_id", "name", name="uq_identity_groups_domain_name"),
)

memberships = Table(
    "identity_memberships",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("group_id", String(64), primary_key=True, index=True),
)

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
)

implied_roles = Table(
    "identity_implied_roles",
    metadata,
    Column("prior_id", String(64), primary_key=True),
    Column("implied_id", String(64), primary_key=True, index=True),
)

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

regions = Table(
    "identity_regions",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("description", Text, nullable=False, default=""),
    Column("parent_region_id", String(255), index=True),
    Column("extra", JSON, nullable=False, default=dict),
)

services = Table(
    "identity_services",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("name", String(255)),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("extra", JSON, nullable=False, default=dict),
)

endpoints = Table(
    "identity_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("service_id", String(64), nullable=False, index=True),
    Column("region_id", String(255), index=True),
    Column("interface", String(8), nullable=False),
    Column("url", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("extra", JSON, nullable=False, default=dict),
)

registered_limits = Table(
    "identity_registered_limits",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("service_id", String(64), nullable=False),
    Column("region_id", String(255), nullable=False, default=""),  # empty: of no region, so that it is unique
    Column("resource_name", String(255), nullable=False),
    Column("default_limit", Integer, nullable=False),
    Column("description", Text),
    UniqueConstraint("service_id", "region_id", "resource_name", name="uq_identity_registered_limits"),
)

limits = Table(
    "identity_limits",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("registered_limit_id", String(64), nullable=False),
    Column("project_id", String(64), index=True),  # one of both; a domain is a project, but says so
    Column("domain_id", String(64), index=True),
    Column("resource_limit", Integer, nullable=False),
    Column("description", Text),
    UniqueConstraint("registered_limit_id", "project_id", name="uq_identity_limits_project"),
    UniqueConstraint("registered_limit_id", "domain_id", name="uq_identity_limits_domain"),
)

revocations = Table(
    "identity_revocations",
    metadata,
    Column("audit_id", String(32), primary_key=True),
    Column("forget_at", BigInteger, nullable=False, index=True),
)
