"""Limits of resources: registered for all, and for a project or a domain."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text, UniqueConstraint

from cumulet.db import TypedRow, metadata

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


class RegisteredLimitRow(TypedRow, table=registered_limits):
    """A registered limit."""

    id: str
    service_id: str
    region_id: str
    resource_name: str
    default_limit: int
    description: str | None


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


class LimitRow(TypedRow, table=limits):
    """A limit."""

    id: str
    registered_limit_id: str
    project_id: str | None
    domain_id: str | None
    resource_limit: int
    description: str | None
