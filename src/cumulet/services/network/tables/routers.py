"""Routers."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, String, Table

from cumulet.db import metadata
from cumulet.services.network.tables.standard import StandardRow, standard

routers = Table(
    "network_routers",
    metadata,
    Column("id", String(36), primary_key=True),
    *standard(),
    Column("name", String(255), nullable=False, default=""),
    Column("admin_state_up", Boolean, nullable=False),
    Column("gateway_port_id", String(36)),
    Column("gateway_network_id", String(36)),
    Column("enable_snat", Boolean, nullable=False),
    Column("routes", JSON, nullable=False),
    Column("availability_zone_hints", JSON, nullable=False),
    Column("link_id", String(36)),
    Index("ix_network_routers_project_id", "project_id"),
    Index("ix_network_routers_gateway_network_id", "gateway_network_id"),
)


class RouterRow(StandardRow, table=routers):
    """A router."""

    name: str
    admin_state_up: bool
    gateway_port_id: str | None
    gateway_network_id: str | None
    enable_snat: bool
    routes: list[dict[str, str]]
    availability_zone_hints: list[str]
    link_id: str | None
