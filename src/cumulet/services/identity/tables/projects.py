"""Projects, and domains, which are projects: a domain is a row with `is_domain` whose own `domain_id` is `ROOT`.

`epoch` rises when every token for a project has to die: tokens carry the epoch they were issued at."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Column, Integer, String, Table, Text, UniqueConstraint

from cumulet.db import TypedRow, metadata
from cumulet.services.identity.tables.names import found_by_name

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
    *found_by_name("projects"),
)


class ProjectRow(TypedRow, table=projects):
    """A project, or a domain."""

    id: str
    name: str
    domain_id: str
    parent_id: str | None
    is_domain: bool
    enabled: bool
    description: str
    epoch: int
    options: dict[str, Any]
    extra: dict[str, Any]
    name_key: str
    namesake: str


project_tags = Table(
    "identity_project_tags",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
)


class ProjectTagRow(TypedRow, table=project_tags):
    """A project tag."""

    project_id: str
    name: str


class DomainRow(ProjectRow):
    """A project that is a domain."""
