"""Addresses of ports.

Each is kept twice: as text for people, and as `number`, hex digits of fixed width (8 or 32), so that ranges of either
family are ranges of an index."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from cumulet.db import TypedRow, metadata

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


class AddressRow(TypedRow, table=addresses):
    """An address."""

    subnet_id: str
    number: str
    port_id: str
    network_id: str
    ip_address: str
    position: int
