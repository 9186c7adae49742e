"""Security groups and their rules."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, text

from cumulet.db import metadata
from cumulet.db.partial import only
from cumulet.services.network.tables.standard import StandardRow, standard

_DEFAULT_ONLY = text("is_default")

security_groups = Table(
    "network_security_groups",
    metadata,
    Column("id", String(36), primary_key=True),
    *standard(),
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


class SecurityGroupRow(StandardRow, table=security_groups):
    """A security group."""

    name: str
    is_default: bool
    stateful: bool


security_group_rules = Table(
    "network_security_group_rules",
    metadata,
    Column("id", String(36), primary_key=True),
    *standard(),
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


class SecurityGroupRuleRow(StandardRow, table=security_group_rules):
    """A security group rule."""

    security_group_id: str
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"]
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    meaning: str
