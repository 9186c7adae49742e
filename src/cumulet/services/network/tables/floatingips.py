"""Floating IPs."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from cumulet.db import metadata
from cumulet.services.network.tables.standard import StandardRow, standard

floatingips = Table(
    "network_floatingips",
    metadata,
    Column("id", String(36), primary_key=True),
    *standard(),
    Column("floating_network_id", String(36), nullable=False),
    Column("floating_ip_address", String(64), nullable=False),
    Column("floating_port_id", String(36), nullable=False),
    Column("port_id", String(36)),
    Column("fixed_ip_address", String(64)),
    Column("router_id", String(36)),
    Column("status", String(16), nullable=False),
    Column("dns_name", String(255), nullable=False, default=""),
    Column("dns_domain", String(255), nullable=False, default=""),
    Index("ix_network_floatingips_project_id", "project_id"),
    Index("ix_network_floatingips_router_id", "router_id"),
    Index("ix_network_floatingips_floating_port_id", "floating_port_id"),
    Index("uq_network_floatingips_fixed", "port_id", "fixed_ip_address", "floating_network_id", unique=True),
)


class FloatingIpRow(StandardRow, table=floatingips):
    """A floating ip."""

    floating_network_id: str
    floating_ip_address: str
    floating_port_id: str
    port_id: str | None
    fixed_ip_address: str | None
    router_id: str | None
    status: str
    dns_name: str
    dns_domain: str
