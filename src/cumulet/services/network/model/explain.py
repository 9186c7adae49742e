"""Finds what ``explain`` may be asked about, by id or name."""

from __future__ import annotations

from sqlalchemy import or_, select

from cumulet.db import Transaction
from cumulet.fleet.service import Subject
from cumulet.services.network.tables import floatingips, networks, ports, routers, security_groups, subnets

_KINDS = {"network": networks, "subnet": subnets, "port": ports, "router": routers, "security group": security_groups}


def find(tx: Transaction, text: str) -> list[Subject]:
    """Networks, subnets, ports, routers and security groups with this id or name, floating ips with this id or address;
    20 of each at most."""
    found = []
    for kind, table in _KINDS.items():
        where = or_(table.c.id == text, table.c.name == text)
        rows = tx.rows(select(table.c.id, table.c.name).where(where).limit(20))
        found += [Subject(kind, row.id, row.name) for row in rows]
    column = floatingips.c
    query = select(column.id, column.floating_ip_address).where(
        or_(column.id == text, column.floating_ip_address == text)
    )
    found += [Subject("floating ip", row.id, row.floating_ip_address) for row in tx.rows(query.limit(20))]
    return found
