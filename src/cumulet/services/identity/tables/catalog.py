"""The catalog: regions, services, endpoints, and which of them a project sees."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Column, String, Table, Text

from cumulet.db import TypedRow, metadata

regions = Table(
    "identity_regions",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("description", Text, nullable=False, default=""),
    Column("parent_region_id", String(255), index=True),
    Column("extra", JSON, nullable=False, default=dict),
)


class RegionRow(TypedRow, table=regions):
    """A region."""

    id: str
    description: str
    parent_region_id: str | None
    extra: dict[str, Any]


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


class ServiceRow(TypedRow, table=services):
    """A service."""

    id: str
    type: str
    name: str | None
    description: str | None
    enabled: bool
    extra: dict[str, Any]


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
    Column("follows", Boolean),  # the URL is Cumulet's and follows its options; NULL: of before anybody asked
)


class EndpointRow(TypedRow, table=endpoints):
    """An endpoint."""

    id: str
    service_id: str
    region_id: str | None
    interface: str
    url: str
    enabled: bool
    extra: dict[str, Any]
    follows: bool | None


project_endpoints = Table(  # which endpoints a project sees, when it is not to see all
    "identity_project_endpoints",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("endpoint_id", String(64), primary_key=True, index=True),
)


class ProjectEndpointRow(TypedRow, table=project_endpoints):
    """A project endpoint."""

    project_id: str
    endpoint_id: str


endpoint_groups = Table(
    "identity_endpoint_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("description", Text),
    Column("filters", JSON, nullable=False),
)


class EndpointGroupRow(TypedRow, table=endpoint_groups):
    """An endpoint group."""

    id: str
    name: str
    description: str | None
    filters: Any


project_endpoint_groups = Table(
    "identity_project_endpoint_groups",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("endpoint_group_id", String(64), primary_key=True, index=True),
)
