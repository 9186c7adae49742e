"""The DHCP server's port of a network: one per network with a subnet that wants DHCP, on the network host.

The port is made with the subnet, so that the server has the first free address however late the network host joins.
"""

from __future__ import annotations

import uuid

from sqlalchemy import and_, select

from cumulet.db import Transaction, select_as
from cumulet.fleet import door as fleet
from cumulet.services.network.extensions import erase
from cumulet.services.network.model import addresses, macs, propagation
from cumulet.services.network.model.standard_attributes import change, fresh
from cumulet.services.network.tables import NetworkRow, PortRow, ports, routers, subnets
from cumulet.services.network.tables import addresses as address_table

UNHOSTED = "reserved_dhcp_port"


def device(host: str, network_id: str) -> str:
    """What the DHCP server's port on a host says that it belongs to."""
    return f"dhcp{uuid.uuid5(uuid.NAMESPACE_DNS, host)}-{network_id}"


def port_of(tx: Transaction, network_id: str) -> PortRow | None:
    """The DHCP server's port."""
    where = and_(ports.c.network_id == network_id, ports.c.device_owner == propagation.DHCP)
    return tx.row(select_as(PortRow).where(where))


def serve(tx: Transaction, network: NetworkRow) -> None:
    """The network's DHCP server has an address on each subnet that wants it; the port is made when missing."""
    port = port_of(tx, network.id)
    wanted = [row for row in addresses.subnets_of(tx, network.id) if row.enable_dhcp]
    have: set[str] = set()
    if port is not None:
        have = {row.subnet_id for row in addresses.of_ports(tx, [port.id])[port.id]}
    mac = macs.fresh_mac(tx, network.id) if port is None else port.mac_address
    found = []
    for subnet in wanted:
        if subnet.id not in have:
            automatic = subnet.ipv6_address_mode in addresses.AUTOMATIC
            free = addresses.from_mac(tx, subnet, mac) if automatic else addresses.next_free(tx, subnet)
            if free is not None:
                found.append(free)
    if not found:
        return
    port_id = _create(tx, network, mac) if port is None else port.id
    addresses.assign(tx, port_id, network.id, found)
    link = fleet.network_link(tx)
    if port is None and link is not None:
        bind(tx, port_id, network.id, link)
    else:
        propagation.dhcp_changed(tx, network.id)


def _create(tx: Transaction, network: NetworkRow, mac: str) -> str:
    row = {**fresh(tx, network.project_id), "network_id": network.id, "name": "", "mac_address": mac}
    row.update(admin_state_up=True, status="DOWN", device_owner=propagation.DHCP, device_id=UNHOSTED)
    row.update(port_security_enabled=False, profile={}, extra_dhcp_opts=[], allowed_address_pairs=[])
    tx.insert(ports, row)
    return str(row["id"])


def bind(tx: Transaction, port_id: str, network_id: str, link: tuple[str, str]) -> None:
    """Put the DHCP server's port on the network host: (link id, host name)."""
    link_id, host = link
    change(tx, ports, port_id, link_id=link_id, host=host, device_id=device(host, network_id), status="DOWN")
    propagation.plugged(tx, network_id, link_id)


def leave(tx: Transaction, network: NetworkRow, subnet_id: str) -> None:
    """The DHCP server gives up its address on the subnet; its port goes with the last one."""
    port = port_of(tx, network.id)
    if port is None:
        return
    tx.delete(address_table, and_(address_table.c.port_id == port.id, address_table.c.subnet_id == subnet_id))
    if addresses.of_ports(tx, [port.id])[port.id]:
        propagation.dhcp_changed(tx, network.id)
        return
    erase(tx, "port", [port.id])
    tx.delete(ports, ports.c.id == port.id)
    if port.link_id:
        propagation.unplugged(tx, network.id, port.link_id)


def gateway_moved(tx: Transaction, network_id: str) -> None:
    """The gateway of an external subnet changed: routers that go through it learn it."""
    where = and_(routers.c.gateway_network_id == network_id, routers.c.link_id.is_not(None))
    for row in tx.rows(select(routers.c.id, routers.c.link_id).where(where)):
        fleet.publish(tx, link_id=row.link_id, kind="router", ref=row.id)


def serves(tx: Transaction, network_id: str) -> bool:
    """Whether a subnet of the network wants DHCP."""
    where = and_(subnets.c.network_id == network_id, subnets.c.enable_dhcp)
    return tx.row(select(subnets.c.id).where(where).limit(1)) is not None
