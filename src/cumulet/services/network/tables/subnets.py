"""Subnets of networks."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table

from cumulet.db import metadata
from cumulet.services.network.tables.standard import StandardRow, standard

subnets = Table(
    "network_subnets",
    metadata,
    Column("id", String(36), primary_key=True),
    *standard(),
    Column("network_id", ForeignKey("network_networks.id"), nullable=False),
    Column("name", String(255), nullable=False, default=""),
    Column("ip_version", Integer, nullable=False),
    Column("cidr", String(64), nullable=False),
    Column("gateway_ip", String(64)),
    Column("enable_dhcp", Boolean, nullable=False),
    Column("ipv6_ra_mode", String(16)),
    Column("ipv6_address_mode", String(16)),
    Column("dns_nameservers", JSON, nullable=False),
    Column("host_routes", JSON, nullable=False),
    Column("allocation_pools", JSON, nullable=False),
    Column("service_types", JSON, nullable=False),
    Column("dns_publish_fixed_ip", Boolean, nullable=False, default=False),
    Column("cursor", String(32), nullable=False, default=""),
    Index("ix_network_subnets_network_id", "network_id"),
    Index("ix_network_subnets_project_id", "project_id"),
)


class SubnetRow(StandardRow, table=subnets):
    """A subnet."""

    network_id: str
    name: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    dns_nameservers: list[str]
    host_routes: list[dict[str, str]]
    allocation_pools: list[dict[str, str]]
    service_types: list[str]
    dns_publish_fixed_ip: bool
    cursor: str
