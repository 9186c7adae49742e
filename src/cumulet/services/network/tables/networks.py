"""Networks, and the sequences that their segments are numbered from."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, String, Table, text

from cumulet.db import metadata
from cumulet.db.partial import only
from cumulet.services.network.tables.standard import StandardRow, standard

networks = Table(
    "network_networks",
    metadata,
    Column("id", String(36), primary_key=True),
    *standard(),
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


class NetworkRow(StandardRow, table=networks):
    """A network."""

    name: str
    admin_state_up: bool
    shared: bool
    external: bool
    is_default: bool
    mtu: int
    kind: Literal["vxlan", "flat", "local"]
    physical_network: str | None
    segmentation_id: int | None
    port_security_enabled: bool
    dns_domain: str
    availability_zone_hints: list[str]


sequences = Table(
    "network_sequences",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
