"""Routers: their gateways, legs and routes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.engine import timeline
from cumulet.fleet import door as fleet
from cumulet.http.faults import BadRequest, Conflict, Fault, NotFound
from cumulet.services.network import faults
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import Body
from cumulet.services.network.extensions import finish, settle
from cumulet.services.network.extensions.router import ROUTER
from cumulet.services.network.model import addresses, networks, ports, router_ports, routes, tags
from cumulet.services.network.model.nouns import Noun, written
from cumulet.services.network.model.standard_attributes import change, fresh
from cumulet.services.network.tables import AddressRow, PortRow, RouterRow, SubnetRow, floatingips, routers, subnets
from cumulet.services.network.tables import addresses as address_table
from cumulet.services.network.tables import ports as port_table


def visible(caller: Caller) -> ColumnElement[bool]:
    """Routers that the caller sees: their project's."""
    return true() if caller.is_admin else routers.c.project_id == caller.project_id


def by_id(tx: Transaction, id: str) -> RouterRow:
    """The router as it is now. Raises 404."""
    row = tx.row(select_as(RouterRow).where(routers.c.id == id))
    if row is None:
        raise faults.not_found("router", id)
    return row


def create(
    tx: Transaction, caller: Caller, project_id: str, values: Mapping[str, Any], _parent: RouterRow | None = None
) -> str:
    """A new router; quota has been reserved."""
    draft: Draft[RouterRow] = Draft(caller, project_id, values, {**fresh(tx, project_id), **written(NOUN, values)})
    row = draft.columns
    row.update(enable_snat=True, routes=[])
    settle(tx, "router", draft)
    tx.insert(routers, row)
    finish(tx, "router", draft)
    timeline.record(tx, str(row["id"]), "created", "The router was created.")
    if values["external_gateway_info"]:
        set_gateway(tx, caller, by_id(tx, row["id"]), values["external_gateway_info"])
    return str(row["id"])


def update(tx: Transaction, caller: Caller, row: RouterRow, values: Mapping[str, Any]) -> None:
    """Change a router."""
    draft = Draft(caller, row.project_id, values, written(NOUN, values), row)
    settle(tx, "router", draft)
    if "external_gateway_info" in values:
        set_gateway(tx, caller, row, values["external_gateway_info"])
    if "routes" in values:
        routes.check_routes(tx, row, values["routes"])
    change(tx, routers, row.id, **draft.columns)
    finish(tx, "router", draft)
    router_ports.settle(tx, row.id)


def delete(tx: Transaction, _caller: Caller, row: RouterRow) -> None:
    """Delete a router without interfaces; its gateway goes with it."""
    own = router_ports.router_ports_of(tx, [row.id])
    if any(port.device_owner == router_ports.INTERFACE for port in own):
        raise faults.router_in_use(row.id)
    ports.erase(tx, own)
    tags.forget(tx, [row.id])
    tx.delete(routers, routers.c.id == row.id)
    timeline.record(tx, row.id, timeline.DELETED, "The router is deleted.", {"name": row.name})
    if row.link_id:
        fleet.withdraw(tx, link_id=row.link_id, kind="router", ref=row.id)


# ---- gateway


def set_gateway(tx: Transaction, caller: Caller, row: RouterRow, info: Mapping[str, Any] | None) -> None:
    """Give the router this gateway, or none."""
    wanted = info.get("network_id") if info else None
    snat = info.get("enable_snat", row.enable_snat) if info else True
    if info and wanted is None:
        raise faults.invalid("external_gateway_info", "'network_id' is required")
    fixed = info.get("external_fixed_ips") if info else None
    if wanted == row.gateway_network_id and not fixed:
        tx.update(routers, routers.c.id == row.id, enable_snat=snat)
        return
    if row.gateway_port_id:
        _check_not_needed(tx, row)
    if wanted is not None:
        network = networks.find(tx, caller, wanted)
        if not network.external:
            raise faults.malformed("router", f"Network {wanted} is not an external network")
        _check_outside(tx, row, wanted)
    if row.gateway_port_id:
        ports.erase(tx, [port for port in router_ports.router_ports_of(tx, [row.id]) if port.id == row.gateway_port_id])
    port_id = router_ports.make(tx, row, wanted, router_ports.GATEWAY, fixed) if wanted else None
    if port_id and not addresses.of_ports(tx, [port_id])[port_id]:
        raise faults.malformed("router", f"No IPs available for external network {wanted}")
    tx.update(routers, routers.c.id == row.id, gateway_port_id=port_id, gateway_network_id=wanted, enable_snat=snat)
    router_ports.settle(tx, row.id)
    event = "The router has a gateway." if wanted else "The router has no gateway any more."
    timeline.record(tx, row.id, "gateway_changed", event, {"network_id": wanted, "enable_snat": snat})


def _check_not_needed(tx: Transaction, row: RouterRow) -> None:
    where = floatingips.c.router_id == row.id
    if tx.row(select(floatingips.c.id).where(where).limit(1)) is not None:
        raise Conflict(
            f"Gateway cannot be updated for router {row.id}, since a gateway to external network "
            f"{row.gateway_network_id} is required by one or more floating IPs.",
            code="RouterExternalGatewayInUseByFloatingIp",
        )


def _check_outside(tx: Transaction, row: RouterRow, network_id: str) -> None:
    inside = routes.subnets_of_legs(tx, row.id, but=row.gateway_port_id)
    for subnet in addresses.subnets_of(tx, network_id):
        routes.check_disjoint(subnet, inside)
        routes.check_unrouted(subnet, row)


# ---- interfaces


def add_interface(tx: Transaction, caller: Caller, row: RouterRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the router a leg on a subnet, or by a port that exists. The answer is Neutron's."""
    port_id, subnet_id = values.get("port_id"), values.get("subnet_id")
    if port_id and subnet_id:
        raise faults.malformed("router", "Cannot specify both subnet-id and port-id")
    if port_id:
        port_id = _adopt(tx, caller, row, port_id)
    elif subnet_id:
        port_id = _leg_on(tx, caller, row, subnet_id)
    else:
        raise faults.malformed("router", "Either subnet_id or port_id must be specified")
    change(tx, routers, row.id)
    router_ports.settle(tx, row.id)
    answer = _interface(tx, row, port_id)
    timeline.record(tx, row.id, "interface_added", "The router has an interface on a subnet.", answer)
    return answer


def _interface(tx: Transaction, row: RouterRow, port_id: str) -> dict[str, Any]:
    fixed = addresses.of_ports(tx, [port_id])[port_id]
    network_id = tx.scalar(select(port_table.c.network_id).where(port_table.c.id == port_id))
    ids = [address.subnet_id for address in fixed]
    body = {"id": row.id, "tenant_id": row.project_id, "project_id": row.project_id, "port_id": port_id}
    return {**body, "network_id": network_id, "subnet_id": ids[0] if ids else None, "subnet_ids": ids, "tags": []}


def _adopt(tx: Transaction, caller: Caller, row: RouterRow, port_id: str) -> str:
    port = ports.find(tx, caller, port_id)
    if port.project_id != row.project_id and not caller.is_admin:
        raise faults.not_found("port", port_id)
    if port.device_id or port.device_owner:
        raise faults.port_in_use(port.id, port.network_id, port.device_id)
    _check_inside(tx, caller, port)
    fixed = addresses.of_ports(tx, [port_id])[port_id]
    if not fixed:
        raise faults.malformed("router", "Router port must have at least one fixed IP")
    if sum(":" not in address.ip_address for address in fixed) > 1:
        raise faults.malformed("router", "Cannot have multiple IPv4 subnets on router port")
    others = routes.subnets_of_legs(tx, row.id)
    for subnet in tx.rows(select_as(SubnetRow).where(subnets.c.id.in_([a.subnet_id for a in fixed]))):
        routes.check_new(subnet, others, row)
    values: dict[str, Any] = {"security_groups": [], "allowed_address_pairs": [], "port_security_enabled": False}
    ports.update(tx, caller, port, values)
    change(tx, port_table, port_id, device_id=row.id, device_owner=router_ports.INTERFACE)
    return port_id


def _check_inside(tx: Transaction, caller: Caller, port: PortRow) -> None:
    """The way to an external network of others is the gateway, where an administrator says who goes untranslated."""
    network = networks.by_id(tx, port.network_id)
    owned = caller.is_admin or network.project_id == caller.project_id
    if network.external and not network.shared and not owned:
        raise faults.malformed("router", f"Network {network.id} of port {port.id} is external: use it as a gateway")


def _leg_on(tx: Transaction, caller: Caller, row: RouterRow, subnet_id: str) -> str:
    subnet = tx.row(select_as(SubnetRow).where(subnets.c.id == subnet_id))
    if subnet is None or (networks.hidden(tx, caller, subnet.network_id) and subnet.project_id != caller.project_id):
        raise faults.not_found("subnet", subnet_id)
    if subnet.project_id != caller.project_id and not caller.is_admin:
        raise faults.malformed(
            "router",
            f"Cannot add interface to router because subnet {subnet_id} is not owned by project making the request",
        )
    if not subnet.gateway_ip:
        raise faults.malformed("router", "Subnet for router interface must have a gateway IP")
    routes.check_new(subnet, routes.subnets_of_legs(tx, row.id), row)
    fixed = [{"subnet_id": subnet_id, "ip_address": subnet.gateway_ip}]
    return router_ports.make(tx, row, subnet.network_id, router_ports.INTERFACE, fixed)


def remove_interface(tx: Transaction, row: RouterRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """Take a leg from the router, by port or by subnet."""
    port_id, subnet_id = values.get("port_id"), values.get("subnet_id")
    if not port_id and not subnet_id:
        raise faults.malformed("router", "Either subnet_id or port_id must be specified")
    own = [port for port in router_ports.router_ports_of(tx, [row.id]) if port.device_owner == router_ports.INTERFACE]
    fixed = addresses.of_ports(tx, [port.id for port in own])
    if port_id:
        found = [port for port in own if port.id == port_id]
        if not found:
            raise _no_interface("RouterInterfaceNotFound", row.id, f"does not have an interface with id {port_id}")
        if subnet_id and all(a.subnet_id != subnet_id for a in fixed[port_id]):
            raise BadRequest(
                f"Subnet on port {port_id} does not match the requested subnet {subnet_id}.",
                code="SubnetMismatchForPort",
            )
    else:
        found = [port for port in own if any(a.subnet_id == subnet_id for a in fixed[port.id])]
        if not found:
            raise _no_interface("RouterInterfaceNotFoundForSubnet", row.id, f"has no interface on subnet {subnet_id}")
    port = found[0]
    answer = _interface(tx, row, port.id)
    for address in fixed[port.id]:
        _check_unneeded(tx, row, address.subnet_id)
    ports.erase(tx, [port])
    change(tx, routers, row.id)
    router_ports.settle(tx, row.id)
    timeline.record(tx, row.id, "interface_removed", "The router has lost an interface.", answer)
    return answer


def _no_interface(code: str, router_id: str, what: str) -> Fault:
    return NotFound(f"Router {router_id} {what}", code=code)


def _check_unneeded(tx: Transaction, row: RouterRow, subnet_id: str) -> None:
    """Nothing goes through the router's leg on the subnet: no floating ip, no route."""
    where = and_(floatingips.c.router_id == row.id, address_table.c.subnet_id == subnet_id)
    query = select(floatingips.c.id).join(address_table, address_table.c.port_id == floatingips.c.port_id)
    start = f"Router interface for subnet {subnet_id} on router {row.id} cannot be deleted, as it is required by"
    if tx.row(query.where(where).limit(1)) is not None:
        raise Conflict(f"{start} one or more floating IPs.", code="RouterInterfaceInUseByFloatingIP")
    net = ipaddress.ip_network(tx.scalar(select(subnets.c.cidr).where(subnets.c.id == subnet_id)))
    if any(ipaddress.ip_address(route["nexthop"]) in net for route in row.routes):
        raise Conflict(f"{start} one or more routes.", code="RouterInterfaceInUseByRoute")


# ---- routes


def change_routes(tx: Transaction, row: RouterRow, *, add: Sequence[Any] = (), drop: Sequence[Any] = ()) -> None:
    """Add routes and drop others."""
    kept = [route for route in row.routes if route not in drop]
    after = kept + [route for route in add if route not in kept]
    routes.check_routes(tx, row, after)
    change(tx, routers, row.id, routes=after)
    router_ports.settle(tx, row.id)


# ---- answers


def show(tx: Transaction, rows: Sequence[RouterRow], found: list[Body]) -> None:
    """The gateways of routers. One query."""
    fixed = addresses.of_ports(tx, [row.gateway_port_id for row in rows if row.gateway_port_id])
    for row, body in zip(rows, found, strict=True):
        body["external_gateway_info"] = _gateway_info(row, fixed.get(row.gateway_port_id or "", []))


def _gateway_info(row: RouterRow, fixed: Sequence[AddressRow]) -> dict[str, Any] | None:
    if row.gateway_network_id is None:
        return None
    ips = [{"subnet_id": address.subnet_id, "ip_address": address.ip_address} for address in fixed]
    return {"network_id": row.gateway_network_id, "external_fixed_ips": ips, "enable_snat": row.enable_snat}


NOUN = Noun(ROUTER, RouterRow, visible, ("router", "routers"), show=show, bulk=False)
