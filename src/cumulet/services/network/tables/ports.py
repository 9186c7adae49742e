"""Ports, the security groups that they are in, and the hosts that they are bound to.

`link_id` of a port is set while it is bound to a host of that link: a network is wanted on exactly the links on which
it has a port."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table

from cumulet.db import TypedRow, metadata
from cumulet.services.network.tables.standard import StandardRow, standard

ports = Table(
    "network_ports",
    metadata,
    Column("id", String(36), primary_key=True),
    *standard(),
    Column("network_id", ForeignKey("network_networks.id"), nullable=False),
    Column("name", String(255), nullable=False, default=""),
    Column("mac_address", String(17), nullable=False),
    Column("admin_state_up", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("device_id", String(255), nullable=False, default=""),
    Column("device_owner", String(255), nullable=False, default=""),
    Column("port_security_enabled", Boolean, nullable=False),
    Column("host", String(255), nullable=False, default=""),
    Column("link_id", String(36)),
    Column("vnic_type", String(64), nullable=False, default="normal"),
    Column("profile", JSON, nullable=False),
    Column("extra_dhcp_opts", JSON, nullable=False),
    Column("allowed_address_pairs", JSON, nullable=False),
    Column("dns_name", String(255), nullable=False, default=""),
    Column("dns_domain", String(255), nullable=False, default=""),
    # Since when it asks for its `dns_name`: where tenants share a network, who came first has it.
    Column("named_at", BigInteger, nullable=False, default=0),
    # Compute plugged the port into the server that `device_id` names; what a client says of a port sets it never.
    Column("plugged", Boolean, nullable=False, default=False),
    Column("by_compute", Boolean, nullable=False, default=False),
    Column("tag", String(60)),
    Column("position", Integer, nullable=False, default=0),
    Index("uq_network_ports_mac", "network_id", "mac_address", unique=True),
    Index("ix_network_ports_project_id", "project_id"),
    Index("ix_network_ports_device_id", "device_id"),
    Index("ix_network_ports_owner", "network_id", "device_owner"),
    Index("ix_network_ports_link", "network_id", "link_id"),
)


class PortRow(StandardRow, table=ports):
    """A port."""

    network_id: str
    name: str
    mac_address: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str
    port_security_enabled: bool
    host: str
    link_id: str | None
    vnic_type: str
    profile: dict[str, Any]
    extra_dhcp_opts: list[dict[str, Any]]
    allowed_address_pairs: list[dict[str, str]]
    dns_name: str
    dns_domain: str
    named_at: int
    plugged: bool
    by_compute: bool
    tag: str | None
    position: int


port_groups = Table(
    "network_port_groups",
    metadata,
    Column("port_id", ForeignKey("network_ports.id"), primary_key=True),
    Column("group_id", ForeignKey("network_security_groups.id"), primary_key=True),
    Index("ix_network_port_groups_group_id", "group_id"),
)


class PortGroupRow(TypedRow, table=port_groups):
    """That a port is in a security group."""

    port_id: str
    group_id: str


port_bindings = Table(
    "network_port_bindings",
    metadata,
    Column("port_id", ForeignKey("network_ports.id"), primary_key=True),
    Column("host", String(255), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("vif_type", String(64), nullable=False),
    Column("vif_details", JSON, nullable=False),
    Column("profile", JSON, nullable=False),
    Index("ix_network_port_bindings_host", "host"),
)
