"""Ports: what is plugged into networks, by whom, with which addresses and security groups.

A port that is bound to a host carries that host's link; what the link has to know follows from each change here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, and_, bindparam, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.fleet import door as fleet
from cumulet.http.faults import Conflict
from cumulet.services.network import extensions, faults
from cumulet.services.network.draft import PortDraft
from cumulet.services.network.extension import Body
from cumulet.services.network.extensions.binding import Binding
from cumulet.services.network.model import addresses, dhcp, macs, networks, port_filters, propagation, routes
from cumulet.services.network.model.associations import drop_ports, router_changed
from cumulet.services.network.model.nouns import Noun, written
from cumulet.services.network.model.port_groups import of_ports as groups_of
from cumulet.services.network.model.router_ports import INTERFACE
from cumulet.services.network.model.standard_attributes import change, fresh, given
from cumulet.services.network.tables import NetworkRow, PortRow, ports
from cumulet.services.network.tables import addresses as address_table
from cumulet.services.network.tables import networks as network_table
from cumulet.services.network.wire.ports import PORT

COMPUTE = "compute:"
ROUTER_OWNED = ("network:router_interface", "network:router_gateway", "network:floatingip", "network:ha_router")
RESERVED = (*ROUTER_OWNED, propagation.DHCP)


def visible(caller: Caller) -> ColumnElement[bool]:
    """Ports that the caller sees: their project's and those on networks of their project."""
    if caller.is_admin:
        return true()
    own = select(network_table.c.id).where(network_table.c.project_id == caller.project_id)
    return or_(ports.c.project_id == caller.project_id, ports.c.network_id.in_(own))


def find(tx: Transaction, caller: Caller, id: str) -> PortRow:
    """A port that the caller sees. Raises 404."""
    row = tx.row(select_as(PortRow).where(ports.c.id == id, visible(caller)))
    if row is None:
        raise faults.not_found("port", id)
    return row


class Made(Struct, frozen=True):
    """A port that was just created."""

    id: str
    mac: str
    ips: list[str]


def of_servers(name: str) -> ColumnElement[bool]:
    """The one condition for "ports of servers": those that compute plugged into them. A port that only says so (its
    device is its owner's to write) is nobody's. `name` is the parameter with the servers' ids."""
    return and_(in_bound_list(ports.c.device_id, name), ports.c.plugged)


_PLUGGED_ELSEWHERE = Prepared(
    select(ports.c.id)
    .where(
        ports.c.device_id == bindparam("device"),
        ports.c.plugged,
        ports.c.project_id != bindparam("project"),
    )
    .limit(1)
)


def check_device(tx: Transaction, row: PortRow | None, project_id: str, values: Mapping[str, Any]) -> None:
    """What a port belongs to is not for clients to say where we go by it: legs of routers, DHCP servers and guests
    are found by their ports' device. `row` is the port as it is, None for a new one. Raises 409.

    Without this a port could be slipped into another project's router or server.
    """
    owner = values.get("device_owner", row.device_owner if row is not None else "")
    device = values.get("device_id", row.device_id if row is not None else "")
    if row is not None and (owner, device) == (row.device_owner, row.device_id):
        return
    if row is not None and row.plugged:
        raise faults.port_in_use(row.id, row.network_id, row.device_id)
    foreign = owner in RESERVED or (row is not None and row.device_owner in RESERVED)
    if not foreign and device:
        foreign = tx.row(_PLUGGED_ELSEWHERE, {"device": device, "project": project_id}) is not None
    if foreign:
        raise Conflict(
            f"The following device_id {device} is not owned by your tenant or matches another tenants router.",
            code="DeviceIDNotOwnedByTenant",
        )


def create(
    tx: Transaction, caller: Caller, project_id: str, values: Mapping[str, Any], network: NetworkRow | None
) -> str:
    """A new port on `network`; quota has been reserved."""
    assert network is not None
    check_device(tx, None, project_id, values)
    return make(tx, caller, project_id, values, network).id


def make(
    tx: Transaction,
    caller: Caller,
    project_id: str,
    values: Mapping[str, Any],
    network: NetworkRow,
    binding: Binding | None = None,
) -> Made:
    """As `create`, for who knows what the port belongs to. `binding` goes before the values' host."""
    mac = given(values, "mac_address")
    if mac is None:
        mac = macs.fresh_mac(tx, network.id)
    elif not macs.is_free(tx, network.id, mac):
        raise faults.mac_in_use(network.id, mac)
    row = {**fresh(tx, project_id), **written(NOUN, values), "mac_address": mac, "network_id": network.id}
    row["status"] = "DOWN"
    if binding is not None:
        row.update(structs.asdict(binding), plugged=binding.by_compute)
    draft = PortDraft(caller, project_id, values, row, parent=network, mac=mac)
    extensions.settle(tx, "port", draft)
    request = addresses.Request(network.id, mac, row["device_owner"])
    asked = given(values, "fixed_ips")
    found = addresses.automatic(tx, request) if asked is None else addresses.wanted(tx, request, asked)
    tx.insert(ports, row)
    addresses.assign(tx, row["id"], network.id, found)
    extensions.finish(tx, "port", draft)
    if row["link_id"]:
        propagation.plugged(tx, network.id, row["link_id"])
        propagation.groups_used(tx, row["link_id"], draft.groups)
        if row.get("plugged"):
            fleet.publish(tx, link_id=row["link_id"], kind="port", ref=row["id"], host=row["host"])
    elif found:
        propagation.dhcp_changed(tx, network.id)
        propagation.members_changed(tx, draft.groups)
    return Made(row["id"], mac, [address.ip_address for address in found])


def update(tx: Transaction, caller: Caller, row: PortRow, values: Mapping[str, Any]) -> None:
    """Change a port."""
    check_device(tx, row, row.project_id, values)
    mac = values.get("mac_address", row.mac_address)
    if mac != row.mac_address:
        _check_mac(tx, row, mac)
    draft = PortDraft(caller, row.project_id, values, written(NOUN, values), row, mac=mac)
    extensions.settle(tx, "port", draft)
    change(tx, ports, row.id, **draft.columns)
    moved = _readdress(tx, row, mac, values)
    if moved and row.device_owner == INTERFACE:
        routes.check_moved(tx, row.device_id)
    extensions.finish(tx, "port", draft)
    _tell(tx, row, draft, moved=moved or draft.groups != draft.groups_before)


def _check_mac(tx: Transaction, row: PortRow, mac: str) -> None:
    if row.plugged or (row.host and row.device_owner.startswith(COMPUTE)):
        raise Conflict(
            f"Unable to complete operation on port {row.id}, port is already bound, port type: bridge, "
            f"old_mac {row.mac_address}, new_mac {mac}.",
            code="PortBound",
        )
    if not macs.is_free(tx, row.network_id, mac):
        raise faults.mac_in_use(row.network_id, mac)


def _readdress(tx: Transaction, row: PortRow, mac: str, values: Mapping[str, Any]) -> bool:
    """Give the port the `fixed_ips` of the update; whether its addresses changed."""
    if "fixed_ips" not in values:
        return False
    before = addresses.of_ports(tx, [row.id])[row.id]
    request = addresses.Request(row.network_id, mac, row.device_owner, row.id)
    after = addresses.wanted(tx, request, values["fixed_ips"])
    if [(a.subnet_id, a.number) for a in before] == [(a.subnet_id, a.number) for a in after]:
        return False
    gone = {a.ip_address for a in before} - {a.ip_address for a in after}
    if gone:
        drop_ports(tx, [row.id], gone)
    addresses.release(tx, [row.id])
    addresses.assign(tx, row.id, row.network_id, after)
    return True


def _tell(tx: Transaction, row: PortRow, draft: PortDraft, *, moved: bool) -> None:
    """Links learn that the port `row` (as it was) changed."""
    before, after, link_id = draft.groups_before, draft.groups, draft.after("link_id")
    if row.link_id and link_id != row.link_id:
        propagation.unplugged(tx, row.network_id, row.link_id)
        propagation.groups_left(tx, row.link_id, before)
    if link_id:
        propagation.plugged(tx, row.network_id, link_id)
        if moved or link_id != row.link_id:
            propagation.groups_used(tx, link_id, after)
        if link_id == row.link_id and (left := set(before) - set(after)):
            propagation.groups_left(tx, link_id, left)
    else:
        propagation.dhcp_changed(tx, row.network_id)
        if moved:
            propagation.members_changed(tx, {*before, *after})
    if row.plugged:
        fleet.republish(tx, "port", row.id)
    elif row.device_owner in ROUTER_OWNED:
        router_changed(tx, [row.device_id])


def delete(tx: Transaction, _caller: Caller, row: PortRow) -> None:
    """Delete a port through the API. Raises 409 for ports that belong to a router or a floating ip."""
    if row.device_owner in ROUTER_OWNED:
        raise faults.service_port_in_use(row.id, f"has device owner {row.device_owner}")
    erase(tx, [row])
    if row.device_owner == propagation.DHCP:
        network = tx.row(select_as(NetworkRow).where(network_table.c.id == row.network_id))
        if network is not None:
            dhcp.serve(tx, network)


def erase(tx: Transaction, rows: Sequence[PortRow]) -> None:
    """Take ports out of the world, whatever they are: addresses, groups, floating ips' ends, desired state."""
    ids = [row.id for row in rows]
    if not ids:
        return
    groups = groups_of(tx, ids)
    drop_ports(tx, ids)
    addresses.release(tx, ids)
    extensions.erase(tx, "port", ids)
    tx.delete(ports, ports.c.id.in_(ids))
    for row in rows:
        if row.link_id:
            propagation.unplugged(tx, row.network_id, row.link_id)
            propagation.groups_left(tx, row.link_id, groups[row.id])
        else:
            propagation.dhcp_changed(tx, row.network_id)
            propagation.members_changed(tx, groups[row.id])
        if row.plugged:
            if row.link_id:
                fleet.withdraw(tx, link_id=row.link_id, kind="port", ref=row.id)
            fleet.republish(tx, "guest", row.device_id)


def show(tx: Transaction, rows: Sequence[PortRow], found: list[Body]) -> None:
    """The addresses of ports. One query."""
    fixed = addresses.of_ports(tx, [row.id for row in rows])
    for body in found:
        own = fixed[body["id"]]
        body["fixed_ips"] = [{"subnet_id": address[_SUBNET], "ip_address": address[_IP]} for address in own]


_SUBNET = address_table.c.keys().index("subnet_id")
_IP = address_table.c.keys().index("ip_address")

NOUN = Noun(
    PORT,
    PortRow,
    visible,
    ("port", "ports"),
    show=show,
    own_filters=port_filters.FILTERS,
    hangs_on=("network_id", networks.NOUN),
    parents=networks.parents,
)
