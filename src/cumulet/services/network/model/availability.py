"""How many addresses of networks are there, and how many are taken."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from cumulet.db import Transaction, select_as
from cumulet.services.network.tables import SubnetRow, addresses, networks, subnets


def of(tx: Transaction, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Availability of the networks that match. Three queries."""
    query = select(networks.c.id, networks.c.name, networks.c.project_id).order_by(networks.c.created_at)
    columns = {"network_id": "id", "network_name": "name", "project_id": "project_id", "tenant_id": "project_id"}
    for name, column in columns.items():
        if name in filters:
            query = query.where(networks.c[column].in_(filters[name]))
    rows = tx.rows(query)
    ids = [row.id for row in rows]
    count = select(addresses.c.subnet_id, func.count().label("used")).where(addresses.c.network_id.in_(ids))
    used = {row.subnet_id: row.used for row in tx.rows(count.group_by(addresses.c.subnet_id))}
    versions = [int(value) for value in filters.get("ip_version", ()) if value in ("4", "6")] or [4, 6]
    nets: dict[str, list[dict[str, Any]]] = {id: [] for id in ids}
    where = subnets.c.network_id.in_(ids)
    for row in tx.rows(select_as(SubnetRow).where(where, subnets.c.ip_version.in_(versions))):
        nets[row.network_id].append(_of_subnet(row, used.get(row.id, 0)))
    return [
        {
            "network_id": row.id,
            "network_name": row.name,
            "tenant_id": row.project_id,
            "project_id": row.project_id,
            "subnet_ip_availability": nets[row.id],
            "used_ips": sum(net["used_ips"] for net in nets[row.id]),
            "total_ips": sum(net["total_ips"] for net in nets[row.id]),
        }
        for row in rows
    ]


def _of_subnet(row: Any, used: int) -> dict[str, Any]:
    total = sum(
        int(ipaddress.ip_address(pool["end"])) - int(ipaddress.ip_address(pool["start"])) + 1
        for pool in row.allocation_pools
    )
    return {
        "subnet_id": row.id,
        "subnet_name": row.name,
        "ip_version": row.ip_version,
        "cidr": row.cidr,
        "used_ips": used,
        "total_ips": total,
    }
