"""Addresses and interfaces of servers."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, Record, under
from cumulet.http.faults import NotFound
from cumulet.services.compute.api.server_lookup import SERVER
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import server_addresses as wire
from cumulet.services.network import door as network


def _by_network(call: Call, server_id: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for address in network.addresses(call.tx, [server_id]).get(server_id, ()):
        found.setdefault(address.network_name, []).append({"version": address.version, "addr": address.ip})
    return found


@service.get(
    "/v2.1/servers/{server_id}/ips",
    target=SERVER,
    policy="os_compute_api:ips:index",
    response=under("addresses", {str: [wire.ADDRESS]}),
)
def index(call: Call, server: Server) -> dict[str, Any]:
    """List a server's addresses by network."""
    return {"addresses": _by_network(call, server.id)}


@service.get(
    "/v2.1/servers/{server_id}/ips/{label}",
    target=SERVER,
    policy="os_compute_api:ips:show",
    response=Record("", {}, others=[wire.ADDRESS]),
)
def show(call: Call, server: Server, label: str) -> dict[str, Any]:
    """List a server's addresses on one network."""
    found = _by_network(call, server.id)
    if label not in found:
        raise NotFound("Instance is not a member of specified network")
    return {label: found[label]}


def _interface(call: Call, interface: Any, active: bool) -> dict[str, Any]:
    body = {
        "port_state": "ACTIVE" if active else "DOWN",
        "fixed_ips": [{"subnet_id": a.subnet_id, "ip_address": a.ip} for a in interface.addresses],
        "port_id": interface.port_id,
        "net_id": interface.network_id,
        "mac_addr": interface.mac,
    }
    if call.version >= (2, 70):
        body["tag"] = None
    return body


@service.get(
    "/v2.1/servers/{server_id}/os-interface",
    target=SERVER,
    policy="os_compute_api:os-attach-interfaces:list",
    response=under("interfaceAttachments", [wire.INTERFACE]),
    query=Query({}),
)
def interfaces(call: Call, server: Server) -> dict[str, Any]:
    """List a server's interfaces."""
    found = network.interfaces(call.tx, [server.id]).get(server.id, [])
    active = server.vm_state != "building"
    return {"interfaceAttachments": [_interface(call, interface, active) for interface in found]}


@service.get(
    "/v2.1/servers/{server_id}/os-interface/{port_id}",
    target=SERVER,
    policy="os_compute_api:os-attach-interfaces:show",
    response=under("interfaceAttachment", wire.INTERFACE),
)
def interface(call: Call, server: Server, port_id: str) -> dict[str, Any]:
    """Show one interface of a server."""
    for found in network.interfaces(call.tx, [server.id]).get(server.id, []):
        if found.port_id == port_id:
            return {"interfaceAttachment": _interface(call, found, server.vm_state != "building")}
    raise NotFound(f"Instance {server.id} does not have a port with id {port_id}")


@service.get(
    "/v2.1/servers/{server_id}/os-security-groups",
    target=SERVER,
    policy="os_compute_api:os-security-groups:list",
    response=under("security_groups", [wire.SECURITY_GROUP]),
    query=Query({}),
)
def security_groups(call: Call, server: Server) -> dict[str, Any]:
    """List the security groups of a server's ports."""
    names = network.security_group_names(call.tx, [server.id]).get(server.id, [])
    groups = [
        {"id": name, "name": name, "tenant_id": server.project_id, "description": "", "rules": []} for name in names
    ]
    return {"security_groups": groups}
