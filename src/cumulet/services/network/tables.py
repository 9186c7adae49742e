"""All tables of the network service.

An address is kept twice: as text for people, and as `number`, hex digits of fixed width (8 or 32), so that ranges of
either family are ranges of an index. `link_id` of a port is set while it is bound to a host of that link: a network
is wanted on exactly the links on which it has a port.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, text

from cumulet.db import metadata
from cumulet.db.partial import only


def _standard() -> list[Column[Any]]:
    """What every resource of this API has."""
    return [
        Column("project_id", String(255), nullable=False, default=""),
        Column("description", String(255), nullable=False, default=""),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        Column("revision_number", Integer, nullable=False, default=0),
    ]


_DEFAULT_ONLY = text("is_default")

networks = Table(
    "network_networks",
    metadata,
    Column("id", String(36), primary_key=True),
    *_standard(),
    Column("name", String(255), nullable=False, default=""),
    Column("admin_state_up", Boolean, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("external", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("mtu", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("physical_network", String(64)),
    Column("segmentation_id", Integer),
    Column("port_security_enabled", Boolean, nullable=False),
    Column("dns_domain", String(255), nullable=False, default=""),
    Column("availability_zone_hints", JSON, nullable=False),
    Index("ix_network_networks_project_id", "project_id"),
    Index("uq_network_networks_segment", "kind", "physical_network", "segmentation_id", unique=True),
    Index(
        "uq_network_networks_vni",
        "segmentation_id",
        unique=True,
        **only(text("kind = 'vxlan'")),
    ),
    Index(
        "uq_network_networks_flat",
        "physical_network",
        unique=True,
        **only(text("kind = 'flat'")),
    ),
)

sequences = Table(
    "network_sequences",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

subnets = Table(
    "network_subnets",
    metadata,
    Column("id", String(36), primary_key=True),
    *_standard(),
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

ports = Table(
    "network_ports",
    metadata,
    Column("id", String(36), primary_key=True),
    *_standard(),
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

addresses = Table(
    "network_addresses",
    metadata,
    Column("subnet_id", ForeignKey("network_subnets.id"), primary_key=True),
    Column("number", String(32), primary_key=True),
    Column("port_id", ForeignKey("network_ports.id"), nullable=False),
    Column("network_id", String(36), nullable=False),
    Column("ip_address", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Index("ix_network_addresses_port_id", "port_id"),
    Index("ix_network_addresses_ip", "ip_address", "network_id"),
)

port_groups = Table(
    "network_port_groups",
    metadata,
    Column("port_id", ForeignKey("network_ports.id"), primary_key=True),
    Column("group_id", ForeignKey("network_security_groups.id"), primary_key=True),
    Index("ix_network_port_groups_group_id", "group_id"),
)

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

routers = Table(
    "network_routers",
    metadata,
    Column("id", String(36), primary_key=True),
    *_standard(),
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

floatingips = Table(
    "network_floatingips",
    metadata,
    Column("id", String(36), primary_key=True),
    *_standard(),
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

security_groups = Table(
    "network_security_groups",
    metadata,
    Column("id", String(36), primary_key=True),
    *_standard(),
    Column("name", String(255), nullable=False, default=""),
    Column("is_default", Boolean, nullable=False),
    Column("stateful", Boolean, nullable=False),
    Index("ix_network_security_groups_project_id", "project_id"),
    Index(
        "uq_network_security_groups_default",
        "project_id",
        unique=True,
        **only(_DEFAULT_ONLY),
    ),
)

security_group_rules = Table(
    "network_security_group_rules",
    metadata,
    Column("id", String(36), primary_key=True),
    *_standard(),
    Column("security_group_id", ForeignKey("network_security_groups.id"), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("ethertype", String(8), nullable=False),
    Column("protocol", String(40)),
    Column("port_range_min", Integer),
    Column("port_range_max", Integer),
    Column("remote_ip_prefix", String(64)),
    Column("remote_group_id", String(36)),
    Column("meaning", String(255), nullable=False),
    Index("uq_network_security_group_rules_meaning", "security_group_id", "meaning", unique=True),
    Index("ix_network_security_group_rules_project_id", "project_id"),
    Index("ix_network_security_group_rules_remote", "remote_group_id"),
)

tags = Table(
    "network_tags",
    metadata,
    Column("resource_id", String(36), primary_key=True),
    Column("tag", String(255), primary_key=True),
    Index("ix_network_tags_tag", "tag"),
)

quotas = Table(
    "network_quotas",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("limit", Integer, nullable=False),
)
