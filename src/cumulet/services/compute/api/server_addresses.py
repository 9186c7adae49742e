"""Addresses and interfaces of servers."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.faults import NotFound
from cumulet.services.compute.api.subjects import server
from cumulet.services.compute.service import service
from cumulet.services.network import door as network


def _by_network(call: Call, server_id: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for address in network.addresses(call.tx, [server_id]).get(server_id, ()):
        found.setdefault(address.network_name, []).append({"version": address.version, "addr": address.ip})
    return found


@service.get("/v2.1/servers/{server_id}/ips", policy_in_handler="os_compute_api:ips:index")
def index(call: Call, server_id: str) -> dict[str, Any]:
    """List a server's addresses by network."""
    server(call, server_id, "ips:index")
    return {"addresses": _by_network(call, server_id)}


@service.get("/v2.1/servers/{server_id}/ips/{label}", policy_in_handler="os_compute_api:ips:show")
def show(call: Call, server_id: str, label: str) -> dict[str, Any]:
    """List a server's addresses on one network."""
    server(call, server_id, "ips:show")
    found = _by_network(call, server_id)
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


@service.get("/v2.1/servers/{server_id}/os-interface", policy_in_handler="os_compute_api:os-attach-interfaces:list")
def interfaces(call: Call, server_id: str) -> dict[str, Any]:
    """List a server's interfaces."""
    row = server(call, server_id, "os-attach-interfaces:list")
    found = network.interfaces(call.tx, [row.id]).get(row.id, [])
    active = row.vm_state != "building"
    return {"interfaceAttachments": [_interface(call, interface, active) for interface in found]}


@service.get(
    "/v2.1/servers/{server_id}/os-interface/{port_id}",
    policy_in_handler="os_compute_api:os-attach-interfaces:show",
)
def interface(call: Call, server_id: str, port_id: str) -> dict[str, Any]:
    """Show one interface of a server."""
    row = server(call, server_id, "os-attach-interfaces:show")
    for found in network.interfaces(call.tx, [row.id]).get(row.id, []):
        if found.port_id == port_id:
            return {"interfaceAttachment": _interface(call, found, row.vm_state != "building")}
    raise NotFound(f"Instance {server_id} does not have a port with id {port_id}")


@service.get(
    "/v2.1/servers/{server_id}/os-security-groups",
    policy_in_handler="os_compute_api:os-security-groups:list",
)
def security_groups(call: Call, server_id: str) -> dict[str, Any]:
    """List the security groups of a server's ports."""
    row = server(call, server_id, "os-security-groups:list")
    names = network.security_group_names(call.tx, [row.id]).get(row.id, [])
    groups = [{"id": name, "name": name, "tenant_id": row.project_id, "description": "", "rules": []} for name in names]
    return {"security_groups": groups}
