"""The network service's door: ports of servers, desired state, and what a process needs to run the service.

Errors of `plug_server` are worded as Nova words them. Nothing here opens a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypedDict, Unpack

from msgspec import Struct
from sqlalchemy import bindparam, exists, or_, select

from cumulet.auth import Caller
from cumulet.db import Prepared, Transaction
from cumulet.desired.kinds import Kind
from cumulet.desired.port import Interface, Plug, Port
from cumulet.fleet import door as fleet
from cumulet.services.network.context import NetworkContext
from cumulet.services.network.model import (
    adoption,
    default_groups,
    desired,
    reports,
    server_floating,
    server_groups,
    servers,
)
from cumulet.services.network.model.explain import find
from cumulet.services.network.model.ports import of_servers
from cumulet.services.network.model.propagation import DHCP
from cumulet.services.network.model.router_ports import INTERFACE
from cumulet.services.network.model.servers import NetworkRequest, Networks, PluggedPort
from cumulet.services.network.tables import addresses as address_table
from cumulet.services.network.tables import floatingips, networks, port_groups, ports
from cumulet.services.network.tables import security_groups as group_table

__all__ = [
    "RENDERERS",
    "REPORTS",
    "NetworkContext",
    "NetworkRequest",
    "Networks",
    "PluggedPort",
    "PortOwner",
    "ServerAddress",
    "ServerPlug",
    "add_floating_ip",
    "add_security_group",
    "addresses",
    "adopt",
    "check_server",
    "ensure_default_group",
    "find",
    "follow",
    "hosts_changed",
    "interfaces",
    "link_gone",
    "names",
    "plug_server",
    "plugs",
    "port_by_address",
    "rebind_server",
    "remove_floating_ip",
    "remove_security_group",
    "security_group_names",
    "server_active",
    "set_ports_status",
    "unplug_server",
    "whole_ports",
]

RENDERERS: dict[Kind, fleet.Renderer] = {
    "network": desired.render_networks,
    "router": desired.render_routers,
    "port": desired.render_ports,
    "security_group": desired.render_security_groups,
}
REPORTS: dict[Kind, fleet.ReportHandler] = {
    "network": reports.network_reports,
    "router": reports.router_reports,
    "port": reports.port_reports,
    "security_group": reports.security_group_reports,
}


class ServerAddress(NamedTuple):
    """An address of a server. `type` is that of ``OS-EXT-IPS:type``; `version` 4 or 6."""

    network_name: str
    ip: str
    version: int
    mac: str
    type: Literal["fixed", "floating"]


class PortOwner(Struct, frozen=True):
    """Whose an address is. `device_id` is the server's id, for ports of servers."""

    device_id: str
    project_id: str
    port_id: str


class ServerPlug(TypedDict):
    """The server that gets ports, and what was asked for it. `networks`: 'auto' is the project's only network (none
    when it has none), 'none' is none. `security_groups`: names or ids; none of them is the default group."""

    server_id: str
    host: str
    link_id: str
    availability_zone: str
    hostname: str
    networks: Networks
    security_groups: Sequence[str]


def plug_server(tx: Transaction, caller: Caller, **server: Unpack[ServerPlug]) -> list[PluggedPort]:
    """Create and bind the ports of a server. Raises Nova's 400, 403 and 409 faults; the transaction then holds
    halves and must be rolled back."""
    wanted, groups = server["networks"], server["security_groups"]
    plug = servers.Server(
        server["server_id"], server["host"], server["link_id"], server["availability_zone"], server["hostname"]
    )
    return servers.plug(tx, caller, plug, wanted, groups)


def check_server(tx: Transaction, caller: Caller, networks: Networks, security_groups: Sequence[str]) -> None:
    """Raise what `plug_server` would raise for these wishes, without making anything."""
    servers.check(tx, caller, networks, security_groups)


def unplug_server(tx: Transaction, server_id: str, port_id: str | None = None) -> None:
    """Delete the ports that were made for the server and unbind those that the user brought (only `port_id` when
    given). Floating ips let go. Safe to call again."""
    rows = servers.rows_of(tx, [server_id])
    servers.unplug(tx, [row for row in rows if port_id is None or row.id == port_id])


def rebind_server(tx: Transaction, server_id: str, host: str, link_id: str) -> None:
    """The server runs on another host now."""
    servers.rebind(tx, server_id, host, link_id)


def whole_ports(tx: Transaction, link_id: str, port_ids: Sequence[str]) -> Mapping[str, Port]:
    """Ports on the link as nodes get them, by id. Three queries."""
    return desired.render_ports(tx, link_id, port_ids)


def plugs(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[Plug]]:
    """What servers have of their ports, as nodes get it with the guests. One query, however many servers."""
    return desired.plugs(tx, server_ids)


def interfaces(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[Interface]]:
    """All about servers' ports. Three queries, however many servers."""
    return desired.interfaces(tx, server_ids)


_OWN = of_servers("ids")
_FLOATING = Prepared(
    select(floatingips.c.port_id, floatingips.c.fixed_ip_address, floatingips.c.floating_ip_address)
    .join(ports, ports.c.id == floatingips.c.port_id)
    .where(_OWN)
)
_FIXED = Prepared(
    select(ports.c.device_id, ports.c.id, ports.c.mac_address, networks.c.name, address_table.c.ip_address)
    .join(networks, networks.c.id == ports.c.network_id)
    .join(address_table, address_table.c.port_id == ports.c.id)
    .where(_OWN)
    .order_by(ports.c.position, ports.c.created_at, ports.c.id, address_table.c.position)
)
_GROUP_NAMES = Prepared(
    select(ports.c.device_id, group_table.c.name)
    .join(port_groups, port_groups.c.port_id == ports.c.id)
    .join(group_table, group_table.c.id == port_groups.c.group_id)
    .where(_OWN)
    .order_by(ports.c.position, group_table.c.name)
)


def addresses(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[ServerAddress]]:
    """Addresses of servers, floating ones behind the fixed ones they lead to. Two queries, however many servers."""
    found: dict[str, list[ServerAddress]] = {id: [] for id in server_ids}
    floating: dict[tuple[str, str], list[str]] = {}
    for row in tx.rows(_FLOATING, {"ids": server_ids}):
        floating.setdefault((row.port_id, row.fixed_ip_address), []).append(row.floating_ip_address)
    for server_id, port_id, mac, name, ip in map(tuple, tx.rows(_FIXED, {"ids": server_ids})):
        mine = found[server_id]
        mine.append(ServerAddress(name, ip, 6 if ":" in ip else 4, mac, "fixed"))
        for outside in floating.get((port_id, ip), ()):
            mine.append(ServerAddress(name, outside, 6 if ":" in outside else 4, mac, "floating"))
    return found


_serving = ports.alias()
_BY_ADDRESS = Prepared(
    select(ports.c.device_id, ports.c.project_id, ports.c.id)
    .join(address_table, address_table.c.port_id == ports.c.id)
    .where(
        address_table.c.ip_address == bindparam("ip"),
        address_table.c.network_id == bindparam("network"),
        ports.c.plugged,
        exists().where(
            _serving.c.network_id == bindparam("network"),
            _serving.c.link_id == bindparam("link"),
            or_(_serving.c.device_owner == DHCP, _serving.c.device_owner == INTERFACE),
        ),
    )
)


def port_by_address(tx: Transaction, *, link_id: str, network_id: str, ip: str) -> PortOwner | None:
    """The server's port that has `ip` on the network, for a node that serves the network: that runs its DHCP server or
    a leg of a router on it. None for all others: they see none of its guests' questions. One query."""
    row = tx.row(_BY_ADDRESS, {"ip": ip, "network": network_id, "link": link_id})
    return None if row is None else PortOwner(row.device_id, row.project_id, row.id)


def security_group_names(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[str]]:
    """Names of the security groups of servers' ports. One query."""
    found: dict[str, list[str]] = {id: [] for id in server_ids}
    for server_id, name in map(tuple, tx.rows(_GROUP_NAMES, {"ids": server_ids})):
        if name not in found[server_id]:
            found[server_id].append(name)
    return found


def add_floating_ip(tx: Transaction, caller: Caller, server_id: str, address: str, fixed: str | None = None) -> None:
    """Let a floating ip lead to the server. Raises Nova's 400, 404 and 409."""
    server_floating.change(tx, caller, server_id, address, fixed, add=True)


def remove_floating_ip(tx: Transaction, caller: Caller, server_id: str, address: str) -> None:
    """The floating ip leads to the server no longer. Raises Nova's 404 and 409."""
    server_floating.change(tx, caller, server_id, address, None, add=False)


def add_security_group(tx: Transaction, caller: Caller, server_id: str, name: str) -> None:
    """Put the server's ports into a group, given by name or id. Raises Nova's 404 and 409."""
    server_groups.change(tx, caller, server_id, name, add=True)


def remove_security_group(tx: Transaction, caller: Caller, server_id: str, name: str) -> None:
    """Take the server's ports out of a group, given by name or id. Raises Nova's 404 and 409."""
    server_groups.change(tx, caller, server_id, name, add=False)


def set_ports_status(tx: Transaction, server_ids: Iterable[str], status: Literal["ACTIVE", "DOWN"]) -> None:
    """Ports of these servers work now, or do not."""
    servers.set_status(tx, list(server_ids), status)


def server_active(tx: Transaction, server_ids: Iterable[str]) -> None:
    """The guests of these servers run."""
    set_ports_status(tx, server_ids, "ACTIVE")


def ensure_default_group(tx: Transaction, project_id: str) -> str:
    """Id of the project's default security group, made when it is missing."""
    return default_groups.ensure_default(tx, project_id)


def link_gone(tx: Transaction, link_id: str) -> None:
    """A node was forgotten: what it served goes to another one, or waits."""
    reports.link_gone(tx, link_id)


def hosts_changed(tx: Transaction, names: Sequence[str]) -> None:
    """Hosts joined, or their facts changed."""
    reports.hosts_changed(tx, names)


def adopt(tx: Transaction, found: fleet.Adoption) -> None:
    """Make rows of the networks, groups, routers and guests' ports that nodes keep."""
    adoption.adopt(tx, found)


def follow(tx: Transaction, found: fleet.Adoption) -> None:
    """What projects have here that have other ids now follows them."""
    adoption.follow(tx, found)


def names(tx: Transaction, ids: Iterable[str]) -> dict[str, str]:
    """Names of networks."""
    query = select(networks.c.id, networks.c.name).where(networks.c.id.in_(list(ids)))
    return {row.id: row.name for row in tx.rows(query)}
