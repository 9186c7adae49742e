"""Floating ips: addresses of external networks, and the ports that they lead to through a router."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.engine import timeline
from cumulet.http.faults import BadRequest, Conflict
from cumulet.services.network import faults
from cumulet.services.network.draft import Draft
from cumulet.services.network.extensions import finish, settle
from cumulet.services.network.extensions.router import FLOATINGIP
from cumulet.services.network.model import addresses, macs, networks, ports, router_ports, tags
from cumulet.services.network.model.associations import router_changed
from cumulet.services.network.model.nouns import Noun, written
from cumulet.services.network.model.standard_attributes import change, fresh
from cumulet.services.network.tables import AddressRow, FloatingIpRow, PortRow, floatingips, routers, subnets
from cumulet.services.network.tables import addresses as address_table
from cumulet.services.network.tables import networks as networks_table
from cumulet.services.network.tables import ports as port_table

OWNER = "network:floatingip"


def visible(caller: Caller) -> ColumnElement[bool]:
    """Floating ips that the caller sees: their project's."""
    return true() if caller.is_admin else floatingips.c.project_id == caller.project_id


class End(Struct, frozen=True):
    """Where a floating ip leads: the port, its address, and the router that translates."""

    port_id: str
    fixed_ip_address: str
    router_id: str


def create(
    tx: Transaction, caller: Caller, project_id: str, values: Mapping[str, Any], _parent: FloatingIpRow | None = None
) -> str:
    """A new floating ip; quota has been reserved."""
    network = networks.find(tx, caller, values["floating_network_id"])
    if not network.external:
        raise faults.malformed("floatingip", f"Network {network.id} is not a valid external network")
    ends = {"port_id": None, "fixed_ip_address": None, "status": "DOWN"}
    row = {**fresh(tx, project_id), **written(NOUN, values), **ends}
    port_id, ip = _outside(tx, row["id"], network.id, values)
    row.update(floating_port_id=port_id, floating_ip_address=ip)
    draft: Draft[FloatingIpRow] = Draft(caller, project_id, values, row, parent=network)
    settle(tx, "floatingip", draft)
    tx.insert(floatingips, row)
    finish(tx, "floatingip", draft)
    if values["port_id"]:
        stored = tx.row(select_as(FloatingIpRow).where(floatingips.c.id == row["id"]))
        assert stored is not None
        update(tx, caller, stored, {"port_id": values["port_id"], "fixed_ip_address": values["fixed_ip_address"]})
    elif values["fixed_ip_address"]:
        raise faults.malformed("floatingip", "fixed_ip_address cannot be specified without a port_id")
    return str(row["id"])


def _outside(tx: Transaction, id: str, network_id: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """The port on the external network that holds the floating address: (port id, address)."""
    asked: dict[str, str] = {}
    if values["subnet_id"]:
        asked["subnet_id"] = values["subnet_id"]
    if values["floating_ip_address"]:
        asked["ip_address"] = values["floating_ip_address"]
    mac = macs.fresh_mac(tx, network_id)
    if asked:
        found = addresses.wanted(tx, addresses.Request(network_id, mac, OWNER), [asked])
    else:
        found = _free(tx, network_id)
    row = {**fresh(tx, ""), "network_id": network_id, "mac_address": mac, "name": "", "status": "N/A"}
    row.update(admin_state_up=True, device_owner=OWNER, device_id=id)
    row.update(port_security_enabled=False, profile={}, extra_dhcp_opts=[], allowed_address_pairs=[])
    tx.insert(port_table, row)
    addresses.assign(tx, row["id"], network_id, found)
    return str(row["id"]), found[0].ip_address


def _free(tx: Transaction, network_id: str) -> list[addresses.Allocation]:
    nets = [row for row in addresses.subnets_of(tx, network_id) if row.ip_version == 4]
    if not nets:
        raise BadRequest(
            f"Unable to find any IP address on external network {network_id}.", code="ExternalIpAddressExhausted"
        )
    for subnet in nets:
        if (found := addresses.next_free(tx, subnet)) is not None:
            return [found]
    raise faults.no_more_addresses(network_id)


def update(tx: Transaction, caller: Caller, row: FloatingIpRow, values: Mapping[str, Any]) -> None:
    """Describe a floating ip, or make it lead to another port, or to none."""
    ends = ("port_id", "fixed_ip_address")
    columns = {name: value for name, value in written(NOUN, values).items() if name not in ends}
    draft = Draft(caller, row.project_id, values, columns, row)
    settle(tx, "floatingip", draft)
    if "port_id" in values or "fixed_ip_address" in values:
        end = None
        port_id = values.get("port_id", row.port_id)
        if port_id:
            end = _end(tx, caller, row, port_id, values.get("fixed_ip_address"))
        elif values.get("fixed_ip_address"):
            raise faults.malformed("floatingip", "fixed_ip_address cannot be specified without a port_id")
        columns["port_id"] = end.port_id if end else None
        columns["fixed_ip_address"] = end.fixed_ip_address if end else None
        columns["router_id"] = end.router_id if end else None
        columns["status"] = "DOWN"
        change(tx, floatingips, row.id, **columns)
        router_changed(tx, [row.router_id, columns["router_id"]])
        _tell(tx, row, end)
    elif columns:
        change(tx, floatingips, row.id, **columns)
    finish(tx, "floatingip", draft)


def _tell(tx: Transaction, row: FloatingIpRow, end: End | None) -> None:
    if end is None:
        timeline.record(tx, row.id, "disassociated", "The floating IP leads to no port.")
        return
    detail = {"port_id": end.port_id, "router_id": end.router_id}
    timeline.record(tx, row.id, "associated", f"The floating IP leads to {end.fixed_ip_address}.", detail)


def _end(tx: Transaction, caller: Caller, row: FloatingIpRow, port_id: str, fixed_ip: str | None) -> End:
    port = ports.find(tx, caller, port_id)
    if port.project_id != row.project_id and not caller.is_admin:
        raise faults.malformed(
            "floatingip",
            f"Port {port_id} is associated with a different tenant than Floating IP {row.id} and therefore "
            "cannot be bound",
        )
    fixed = [a for a in addresses.of_ports(tx, [port_id])[port_id] if ":" not in a.ip_address]
    if fixed_ip:
        fixed = [address for address in fixed if address.ip_address == fixed_ip]
        if not fixed:
            raise faults.malformed("floatingip", f"Port {port_id} does not have fixed ip {fixed_ip}")
    if not fixed:
        raise faults.malformed(
            "floatingip", f"Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses"
        )
    if len(fixed) > 1:
        raise faults.malformed(
            "floatingip",
            f"Port {port_id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when "
            "assigning a floating IP",
        )
    address = fixed[0]
    _check_free(tx, row, port_id, address.ip_address)
    return End(port_id, address.ip_address, _router(tx, row, port, address))


def _check_free(tx: Transaction, row: FloatingIpRow, port_id: str, fixed_ip: str) -> None:
    column = floatingips.c
    where = and_(
        column.port_id == port_id,
        column.fixed_ip_address == fixed_ip,
        column.floating_network_id == row.floating_network_id,
        column.id != row.id,
    )
    if tx.row(select(column.id).where(where)) is not None:
        raise Conflict(
            f"Cannot associate floating IP {row.floating_ip_address} ({row.id}) with port {port_id} using fixed IP "
            f"{fixed_ip}, as that fixed IP already has a floating IP on external network {row.floating_network_id}.",
            code="FloatingIPPortAlreadyAssociated",
        )


def _router(tx: Transaction, row: FloatingIpRow, port: PortRow, address: AddressRow) -> str:
    """The router that translates: one with a leg on the subnet and its gateway on the external network. First the
    subnet's gateway, then the oldest; never one that another tenant has put on a shared network. Raises 404."""
    query = (
        select(routers.c.id)
        .join(port_table, port_table.c.device_id == routers.c.id)
        .join(address_table, address_table.c.port_id == port_table.c.id)
        .join(subnets, subnets.c.id == address_table.c.subnet_id)
        .join(networks_table, networks_table.c.id == subnets.c.network_id)
        .where(
            routers.c.gateway_network_id == row.floating_network_id,
            port_table.c.device_owner == router_ports.INTERFACE,
            address_table.c.subnet_id == address.subnet_id,
            or_(
                address_table.c.ip_address == subnets.c.gateway_ip,
                routers.c.project_id.in_([row.project_id, networks_table.c.project_id]),
            ),
        )
        .order_by((address_table.c.ip_address == subnets.c.gateway_ip).desc(), port_table.c.created_at)
    )
    found = tx.scalar(query.limit(1))
    if found is None:
        raise faults.gateway_unreachable(row.floating_network_id, address.subnet_id, port.id)
    return str(found)


def delete(tx: Transaction, _caller: Caller, row: FloatingIpRow) -> None:
    """Give a floating ip back."""
    router_changed(tx, [row.router_id])
    tags.forget(tx, [row.id])
    tx.delete(floatingips, floatingips.c.id == row.id)
    timeline.record(tx, row.id, timeline.DELETED, "The floating IP is given back.")
    ports.erase(tx, tx.rows(select_as(PortRow).where(port_table.c.id == row.floating_port_id)))


NOUN = Noun(FLOATINGIP, FloatingIpRow, visible, ("floating ip", "floating ips"), bulk=False)
