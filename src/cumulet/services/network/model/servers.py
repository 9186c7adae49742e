"""Ports of servers: the compute service plugs, unplugs and moves servers here, in its own transactions.

Errors are worded as Nova words them, because a caller of compute reads them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field
from sqlalchemy import and_, bindparam, exists, or_, select, update

from cumulet.auth import Caller
from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.desired import texts
from cumulet.fleet import door as fleet
from cumulet.http.faults import BadRequest, Conflict, Fault, NotAllowed
from cumulet.services.network.extensions.binding import Binding
from cumulet.services.network.model import addresses, port_bindings, port_groups, ports, propagation, quotas
from cumulet.services.network.model.standard_attributes import change
from cumulet.services.network.tables import NetworkRow, PortRow, networks, subnets
from cumulet.services.network.tables import ports as port_table

_SERVED = exists().where(subnets.c.network_id == networks.c.id).label("served")


class _Network(NetworkRow):
    """A network, and whether it has a subnet."""

    served: bool


_NETWORKS = Prepared(select_as(_Network, networks, _SERVED).where(in_bound_list(networks.c.id, "ids")))
_LAST_POSITION = Prepared(
    select(port_table.c.position)
    .where(port_table.c.device_id == bindparam("server"), port_table.c.plugged)
    .order_by(port_table.c.position.desc())
    .limit(1)
)
_OF_SERVERS = ports.of_servers("ids")
_PORTS = Prepared(
    select_as(PortRow).where(_OF_SERVERS).order_by(port_table.c.position, port_table.c.created_at, port_table.c.id)
)
_SET_STATUS = Prepared(
    update(port_table)
    .where(_OF_SERVERS, port_table.c.status != bindparam("new"))
    .values(status=bindparam("new"), updated_at=bindparam("now"), revision_number=port_table.c.revision_number + 1)
)


_REBIND = Prepared(
    update(port_table)
    .where(_OF_SERVERS)
    .values(host=bindparam("to_host"), link_id=bindparam("to_link"), status="DOWN", updated_at=bindparam("now"))
)


class NetworkRequest(Struct, frozen=True):
    """One network interface that a server shall have: a port that exists, or a network and perhaps an address."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class PluggedPort(Struct, frozen=True):
    """A port that a server has now."""

    port_id: str
    network_id: str
    mac: str
    addresses: list[str] = field(default_factory=list)


class Server(Struct, frozen=True):
    """The server that ports are plugged into, and where it runs."""

    server_id: str
    host: str
    link_id: str
    availability_zone: str
    hostname: str


Networks = Sequence[NetworkRequest] | Literal["auto", "none"]


def plug(
    tx: Transaction, caller: Caller, server: Server, wanted: Networks, group_names: Sequence[str]
) -> list[PluggedPort]:
    """Create or bind the ports of a server. Raises what Nova answers for networks, ports and groups."""
    if wanted == "none":
        return []
    requests: Sequence[NetworkRequest] = _automatic(tx, caller) if wanted == "auto" else wanted
    project_id = caller.project_id or ""
    brought = _brought(tx, caller, [r.port_id for r in requests if r.port_id])
    nets = _wished(tx, caller, requests)
    fresh = [r for r in requests if not r.port_id]
    if fresh:
        try:
            quotas.reserve(tx, project_id, {"port": len(fresh)})
        except Fault:
            raise NotAllowed("Maximum number of ports exceeded") from None
    groups = None
    if fresh and not set(group_names) <= {"default"}:
        groups = port_groups.by_names(tx, project_id, group_names)
    base = _next_position(tx, server.server_id)
    found = []
    for index, request in enumerate(requests):
        if request.port_id:
            found.append(_bind(tx, brought[request.port_id], server, request.tag, base + index))
        else:
            assert request.network_id is not None
            creation = (nets[request.network_id], request, groups)
            found.append(_create(tx, caller, server, creation, base + index))
    return found


def check(tx: Transaction, caller: Caller, wanted: Networks, group_names: Sequence[str]) -> None:
    """Raise what `plug` would raise for networks, ports and groups, for a server that will have none."""
    if wanted == "none":
        return
    requests: Sequence[NetworkRequest] = _automatic(tx, caller) if wanted == "auto" else wanted
    _brought(tx, caller, [r.port_id for r in requests if r.port_id])
    _wished(tx, caller, requests)
    if not set(group_names) <= {"default"}:
        port_groups.by_names(tx, caller.project_id or "", group_names)


def _next_position(tx: Transaction, server_id: str) -> int:
    found = tx.scalar(_LAST_POSITION, {"server": server_id})
    return 0 if found is None else int(found) + 1


def _automatic(tx: Transaction, caller: Caller) -> list[NetworkRequest]:
    """The one network that a server gets when none was named."""
    own = or_(networks.c.project_id == caller.project_id, networks.c.shared)
    rows = tx.rows(select(networks.c.id, networks.c.external, networks.c.shared).where(own).limit(2))
    if len(rows) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    return [NetworkRequest(network_id=row.id) for row in rows]


def _wished(tx: Transaction, caller: Caller, requests: Sequence[NetworkRequest]) -> dict[str, _Network]:
    """Networks on which the server gets new ports. Raises 400 or 403.

    An address of one's own choice is for who owns the network, by compute as by network
    (``create_port:fixed_ips:ip_address``): on a shared one it may be the gateway's.
    """
    asked = [request for request in requests if request.network_id and not request.port_id]
    nets = _networks(tx, caller, [request.network_id for request in asked if request.network_id])
    for request in asked:
        network = nets[str(request.network_id)]
        if request.fixed_ip and network.project_id != caller.project_id and not caller.is_admin:
            raise NotAllowed(f"It is not allowed to choose the address of an interface on network {network.id}")
    return nets


def _networks(tx: Transaction, caller: Caller, ids: Sequence[str]) -> dict[str, _Network]:
    """Networks that the caller may plug servers into. Raises 400 or 403."""
    if not ids:
        return {}
    seen = or_(networks.c.project_id == caller.project_id, networks.c.shared, networks.c.external)
    where = and_(networks.c.id.in_(ids), seen)
    rows = (
        tx.rows(_NETWORKS, {"ids": ids})
        if caller.is_admin
        else tx.rows(select_as(_Network, networks, _SERVED).where(where))
    )
    found = {row.id: row for row in rows}
    for id in ids:
        row = found.get(id)
        if row is None:
            raise BadRequest(f"Network {id} could not be found.")
        _check_attachable(caller, row)
        if not row.served:
            raise BadRequest(f"Network {id} requires a subnet in order to boot instances on.")
    return found


def _check_attachable(caller: Caller, network: NetworkRow) -> None:
    """Nova's rule ``network:attach_external_network``: by network and by port alike. Raises 403."""
    if network.external and not network.shared and not caller.is_admin:
        raise NotAllowed(f"It is not allowed to create an interface on external network {network.id}")


def _brought(tx: Transaction, caller: Caller, ids: Sequence[str]) -> dict[str, PortRow]:
    """Ports that the caller brings. Raises 400, 403 or 409."""
    if not ids:
        return {}
    if len(set(ids)) != len(ids):
        raise BadRequest(f"Port id {next(i for i in ids if list(ids).count(i) > 1)} is used more than once.")
    where = and_(port_table.c.id.in_(ids), ports.visible(caller))
    found = {row.id: row for row in tx.rows(select_as(PortRow).where(where))}
    nets = {row.id: row for row in tx.rows(_NETWORKS, {"ids": list({row.network_id for row in found.values()})})}
    fixed = addresses.of_ports(tx, list(found))
    for id in ids:
        row = found.get(id)
        if row is None or (row.project_id != caller.project_id and not caller.is_admin):
            raise BadRequest(f"Port id {id} could not be found.")
        network = nets[row.network_id]
        if not (caller.is_admin or network.project_id == caller.project_id or network.shared or network.external):
            raise BadRequest(f"Network {network.id} could not be found.")
        _check_attachable(caller, network)
        if row.device_id or row.device_owner:
            raise Conflict(f"Port {id} is still in use.")
        if not fixed[id]:
            raise BadRequest(f"Port {id} requires a FixedIP in order to be used.")
    return found


def _bind(tx: Transaction, row: PortRow, server: Server, tag: str | None, position: int) -> PluggedPort:
    """Bind a port that the user brought."""
    values: dict[str, Any] = {"device_id": server.server_id, "host": server.host, "link_id": server.link_id}
    values["plugged"] = True
    values.update(device_owner=f"compute:{server.availability_zone}", tag=tag, position=position, status="DOWN")
    if not row.dns_name:
        values.update(dns_name=_label(server.hostname), named_at=tx.now)
    change(tx, port_table, row.id, **values)
    if row.host:
        port_bindings.unbind(tx, [row.id])
    port_bindings.bind(tx, row.id, server.host, server.link_id, row.profile)
    propagation.plugged(tx, row.network_id, server.link_id)
    propagation.groups_used(tx, server.link_id, port_groups.of_ports(tx, [row.id])[row.id])
    fleet.publish(tx, link_id=server.link_id, kind="port", ref=row.id, host=server.host)
    ips = [address.ip_address for address in addresses.of_ports(tx, [row.id])[row.id]]
    return PluggedPort(row.id, row.network_id, row.mac_address, ips)


Creation = tuple[NetworkRow, NetworkRequest, list[str] | None]


def _create(tx: Transaction, caller: Caller, server: Server, creation: Creation, position: int) -> PluggedPort:
    """Make a port for the server."""
    network, request, groups = creation
    values: dict[str, Any] = {
        "name": "",
        "description": "",
        "admin_state_up": True,
        "device_id": server.server_id,
        "device_owner": f"compute:{server.availability_zone}",
        "extra_dhcp_opts": [],
        "allowed_address_pairs": [],
        "dns_name": _label(server.hostname),
        "dns_domain": "",
        "binding:host_id": "",
        "binding:profile": {},
        "binding:vnic_type": "normal",
    }
    if groups is not None and network.port_security_enabled:
        values["security_groups"] = groups
    if request.fixed_ip:
        values["fixed_ips"] = [{"ip_address": str(texts.address(request.fixed_ip))}]
    binding = Binding(server.host, server.link_id, True, request.tag, position)
    try:
        made = ports.make(tx, caller, caller.project_id or "", values, network, binding)
    except Fault as fault:
        raise _in_novas_words(fault, network.id, request.fixed_ip) from None
    return PluggedPort(made.id, network.id, made.mac, made.ips)


def _in_novas_words(fault: Fault, network_id: str, fixed_ip: str | None) -> Fault:
    if fault.code == "IpAddressGenerationFailure":
        return BadRequest(f"No fixed IP addresses available for network: {network_id}", code="NoMoreFixedIps")
    if fault.code == "IpAddressAlreadyAllocated":
        return BadRequest(f"Fixed IP address {fixed_ip} is already in use.", code="FixedIpAlreadyInUse")
    if fault.code in ("InvalidIpForNetwork", "InvalidIpForSubnet"):
        return BadRequest(
            f"Invalid input received: Fixed IP {fixed_ip} is not a valid ip address for network {network_id}."
        )
    return fault


_NOT_LABEL = re.compile(r"[^a-z0-9-]+")


def _label(hostname: str) -> str:
    """A host name that DNS takes, of whatever a server is called."""
    return _NOT_LABEL.sub("-", hostname.lower().replace("_", "-"))[:63].strip("-")


def rows_of(tx: Transaction, server_ids: Sequence[str]) -> Sequence[PortRow]:
    """Ports of servers, in the order in which they were plugged."""
    return tx.rows(_PORTS, {"ids": server_ids})


def unplug(tx: Transaction, rows: Sequence[PortRow]) -> None:
    """Delete the ports that were made for a server, unbind those that the user brought."""
    ports.erase(tx, [row for row in rows if row.by_compute])
    for row in rows:
        if row.by_compute:
            continue
        values = {"device_id": "", "device_owner": "", "host": "", "link_id": None, "tag": None, "status": "DOWN"}
        change(tx, port_table, row.id, **values, plugged=False, position=0, dns_name="")
        port_bindings.unbind(tx, [row.id])
        if row.link_id:
            propagation.unplugged(tx, row.network_id, row.link_id)
            propagation.groups_left(tx, row.link_id, port_groups.of_ports(tx, [row.id])[row.id])
            fleet.withdraw(tx, link_id=row.link_id, kind="port", ref=row.id)


def rebind(tx: Transaction, server_id: str, host: str, link_id: str) -> None:
    """Another host was chosen: the server's ports are bound there."""
    rows = rows_of(tx, [server_id])
    groups = port_groups.of_ports(tx, [row.id for row in rows])
    tx.execute_prepared(_REBIND, {"ids": [server_id], "to_host": host, "to_link": link_id, "now": tx.now})
    port_bindings.move(tx, [row.id for row in rows], host, link_id)
    for row in rows:
        fleet.publish(tx, link_id=link_id, kind="port", ref=row.id, host=host)
        if row.link_id == link_id:
            continue
        if row.link_id:
            fleet.withdraw(tx, link_id=row.link_id, kind="port", ref=row.id)
            propagation.unplugged(tx, row.network_id, row.link_id)
            propagation.groups_left(tx, row.link_id, groups[row.id])
        propagation.plugged(tx, row.network_id, link_id)
        propagation.groups_used(tx, link_id, groups[row.id])


def set_status(tx: Transaction, server_ids: Sequence[str], status: str) -> None:
    """The ports of these servers are ACTIVE or DOWN now."""
    tx.execute_prepared(_SET_STATUS, {"ids": server_ids, "new": status, "now": tx.now})
