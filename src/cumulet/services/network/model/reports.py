"""What nodes report of networks and routers, as statuses of their ports and floating ips; and hosts that joined."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, select, update

from cumulet.db import Transaction
from cumulet.desired.items import Report
from cumulet.fleet import door as fleet
from cumulet.services.network.model import dhcp, port_bindings, propagation
from cumulet.services.network.model.router_ports import GATEWAY, INTERFACE, place_router
from cumulet.services.network.tables import floatingips, networks, ports, routers

_STATUS = {"ready": "ACTIVE", "failed": "DOWN", "absent": "DOWN"}


def network_reports(tx: Transaction, reports: Sequence[Report]) -> None:
    """A network's DHCP server runs, or does not."""
    for state, status in _STATUS.items():
        ids = [report.ref for report in reports if report.state == state]
        if ids:
            own = and_(
                ports.c.network_id.in_(ids), ports.c.device_owner == propagation.DHCP, ports.c.link_id.is_not(None)
            )
            tx.update(ports, and_(own, ports.c.status != status), status=status)


def router_reports(tx: Transaction, reports: Sequence[Report]) -> None:
    """A router's legs and floating ips work, or do not."""
    for state, status in _STATUS.items():
        ids = [report.ref for report in reports if report.state == state]
        if not ids:
            continue
        legs = and_(ports.c.device_id.in_(ids), ports.c.device_owner.in_([INTERFACE, GATEWAY]))
        tx.update(ports, and_(legs, ports.c.status != status), status=status)
        bound = and_(floatingips.c.router_id.in_(ids), floatingips.c.port_id.is_not(None))
        floating = "ACTIVE" if status == "ACTIVE" else "ERROR"
        tx.update(floatingips, and_(bound, floatingips.c.status != floating), status=floating)


def port_reports(_tx: Transaction, _reports: Sequence[Report]) -> None:
    """Compute says when ports of servers work: with the guest."""


def security_group_reports(_tx: Transaction, _reports: Sequence[Report]) -> None:
    """Nothing of the API depends on where a group's rules are in force already."""


def hosts_changed(tx: Transaction, names: Sequence[str]) -> None:
    """Hosts joined or changed: DHCP servers and routers that waited for a network host go there, and peers of
    the hosts' networks learn their tunnel addresses."""
    link = fleet.network_link(tx)
    if link is not None:
        _place(tx, link)
    query = select(ports.c.network_id).where(ports.c.host.in_(names), ports.c.link_id.is_not(None)).distinct()
    for network_id in tx.execute(query).scalars().all():
        propagation.network_changed(tx, network_id)


def link_gone(tx: Transaction, link_id: str) -> None:
    """A node was forgotten: DHCP servers and routers that it had go to the network host there is, or wait for one."""
    own = and_(ports.c.link_id == link_id, ports.c.device_owner == propagation.DHCP)
    tx.update(ports, own, link_id=None, status="DOWN")
    tx.update(ports, ports.c.link_id == link_id, link_id=None)
    tx.update(routers, routers.c.link_id == link_id, link_id=None)
    link = fleet.network_link(tx)
    if link is not None:
        _place(tx, link)


def _place(tx: Transaction, link: tuple[str, str]) -> None:
    link_id, host = link
    homeless = and_(ports.c.device_owner == propagation.DHCP, ports.c.link_id.is_(None))
    for row in tx.rows(select(ports.c.id, ports.c.network_id).where(homeless)):
        dhcp.bind(tx, row.id, row.network_id, link)
    for row in tx.rows(select(routers.c.id).where(routers.c.link_id.is_(None))):
        place_router(tx, row.id, link)
    named = and_(ports.c.host == host, ports.c.link_id.is_(None))
    known = select(networks.c.id)
    columns = (ports.c.id, ports.c.network_id, ports.c.plugged)
    rows = tx.rows(select(*columns).where(named, ports.c.network_id.in_(known)))
    for row in rows:
        tx.execute(update(ports).where(ports.c.id == row.id).values(link_id=link_id))
        port_bindings.move(tx, [row.id], host, link_id)
        if row.plugged:
            fleet.publish(tx, link_id=link_id, kind="port", ref=row.id, host=host)
        propagation.plugged(tx, row.network_id, link_id)
