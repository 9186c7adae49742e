"""Filters of port lists that look at addresses."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select

from cumulet.services.network import faults
from cumulet.services.network.tables import addresses, ports


def by_fixed_ips(values: Sequence[str]) -> ColumnElement[bool]:
    """``subnet_id=…``, ``ip_address=…`` and ``ip_address_substr=…``: one of the given of each kind, on one port."""
    asked: dict[str, list[str]] = {"subnet_id": [], "ip_address": [], "ip_address_substr": []}
    for value in values:
        name, found, wanted = value.partition("=")
        if not found or name not in asked:
            raise faults.bad_request(f"Invalid input for fixed_ips. Reason: '{value}' is not a valid filter.")
        asked[name].append(wanted)
    query = select(addresses.c.port_id)
    if asked["subnet_id"]:
        query = query.where(addresses.c.subnet_id.in_(asked["subnet_id"]))
    if asked["ip_address"]:
        query = query.where(addresses.c.ip_address.in_(asked["ip_address"]))
    if asked["ip_address_substr"]:
        parts = [addresses.c.ip_address.contains(part, autoescape=True) for part in asked["ip_address_substr"]]
        query = query.where(or_(*parts))
    return ports.c.id.in_(query)


def by_name_or_address(values: Sequence[str]) -> ColumnElement[bool]:
    """Ports on one of these addresses."""
    return ports.c.id.in_(select(addresses.c.port_id).where(addresses.c.ip_address.in_(values)))


FILTERS = {"fixed_ips": by_fixed_ips, "ip_address": by_name_or_address}
