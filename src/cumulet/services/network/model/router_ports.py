"""Legs of routers: their ports on networks, and the host that the router is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, select

from cumulet.db import Transaction, select_as
from cumulet.fleet import door as fleet
from cumulet.services.network.model import addresses, macs, propagation
from cumulet.services.network.model.standard_attributes import fresh
from cumulet.services.network.tables import PortRow, RouterRow, ports, routers

INTERFACE = "network:router_interface"
GATEWAY = "network:router_gateway"


def router_ports_of(tx: Transaction, router_ids: Sequence[str]) -> Sequence[PortRow]:
    """Ports of routers, gateways among them."""
    where = and_(ports.c.device_id.in_(router_ids), ports.c.device_owner.in_([INTERFACE, GATEWAY]))
    return tx.rows(select_as(PortRow).where(where).order_by(ports.c.created_at, ports.c.id))


def make(tx: Transaction, router: RouterRow, network_id: str, owner: str, fixed_ips: Any) -> str:
    """A new leg with `fixed_ips` (None: whatever is free). Gateways belong to no project."""
    mac = macs.fresh_mac(tx, network_id)
    request = addresses.Request(network_id, mac, owner)
    found = addresses.wanted(tx, request, fixed_ips) if fixed_ips else addresses.automatic(tx, request)
    row = {**fresh(tx, "" if owner == GATEWAY else router.project_id), "network_id": network_id, "mac_address": mac}
    row.update(admin_state_up=True, status="DOWN", device_owner=owner, device_id=router.id, name="")
    row.update(port_security_enabled=False, profile={}, extra_dhcp_opts=[], allowed_address_pairs=[])
    tx.insert(ports, row)
    addresses.assign(tx, row["id"], network_id, found)
    return str(row["id"])


def settle(tx: Transaction, router_id: str) -> None:
    """The router's legs changed: it goes to the network host with its first, and away with its last."""
    link = fleet.network_link(tx)
    if link is not None:
        place_router(tx, router_id, link)
    row = tx.row(select(routers.c.link_id).where(routers.c.id == router_id))
    if row is None or row.link_id is None:
        return
    if router_ports_of(tx, [router_id]):
        fleet.publish(tx, link_id=row.link_id, kind="router", ref=router_id)
    else:
        tx.update(routers, routers.c.id == router_id, link_id=None)
        fleet.withdraw(tx, link_id=row.link_id, kind="router", ref=router_id)


def place_router(tx: Transaction, router_id: str, link: tuple[str, str]) -> None:
    """Put the router's legs that are nowhere on the network host: (link id, host name)."""
    link_id, host = link
    own = and_(
        ports.c.device_id == router_id, ports.c.device_owner.in_([INTERFACE, GATEWAY]), ports.c.link_id.is_(None)
    )
    waiting = tx.rows(select(ports.c.network_id).where(own).distinct())
    if not waiting:
        return
    tx.update(ports, own, link_id=link_id, host=host)
    tx.update(routers, routers.c.id == router_id, link_id=link_id)
    for row in waiting:
        propagation.plugged(tx, row.network_id, link_id)
    fleet.publish(tx, link_id=link_id, kind="router", ref=router_id)
