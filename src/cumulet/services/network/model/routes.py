"""What a router may be connected to, and where its extra routes may lead.

A router's subnets do not overlap, and no route leads into one of them: who is on a network with a router's leg is
reached there and nowhere else, also when a tenant's router has its leg on a network that others share.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence

from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest
from cumulet.services.network import faults
from cumulet.services.network.model import addresses, router_ports
from cumulet.services.network.tables import RouterRow, SubnetRow, routers, subnets

MOST_ROUTES = 30


def subnets_of_legs(tx: Transaction, router_id: str, *, but: str | None = None) -> list[SubnetRow]:
    """Subnets that the router is connected to by its ports, its gateway among them, `but` this one. Three queries."""
    own = [port for port in router_ports.router_ports_of(tx, [router_id]) if port.id != but]
    fixed = addresses.of_ports(tx, [port.id for port in own])
    ids = {address.subnet_id for rows in fixed.values() for address in rows}
    return list(tx.rows(select_as(SubnetRow).where(subnets.c.id.in_(ids))))


def check_disjoint(subnet: SubnetRow, others: Sequence[SubnetRow]) -> None:
    """The subnet shares no address with the others. Raises 400."""
    net = ipaddress.ip_network(subnet.cidr)
    for other in others:
        if net.overlaps(ipaddress.ip_network(other.cidr)):
            raise faults.malformed(
                "router",
                f"Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {other.cidr} of subnet {other.id}",
            )


def check_new(subnet: SubnetRow, others: Sequence[SubnetRow], row: RouterRow) -> None:
    """The router `row`, which is connected to `others`, may have a leg on the subnet. Raises 400."""
    if any(other.id == subnet.id for other in others):
        raise faults.malformed("router", f"Router already has a port on subnet {subnet.id}")
    check_disjoint(subnet, others)
    check_unrouted(subnet, row)


def check_unrouted(subnet: SubnetRow, row: RouterRow) -> None:
    """None of the router's routes leads into the subnet: its neighbours there are reached on the wire. Raises 400."""
    net = ipaddress.ip_network(subnet.cidr)
    for route in row.routes:
        if _leads_into(route, net):
            raise faults.malformed(
                "router",
                f"Cidr {subnet.cidr} of subnet {subnet.id} covers the destination {route['destination']} of a route of "
                "the router",
            )


def _leads_into(route: Mapping[str, str], net: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether the route takes packets for the connected network, or for a part of it, somewhere else. The whole network
    by one of its own addresses is what clients of Neutron may write; it says nothing new, and nodes leave it out."""
    inner = ipaddress.ip_network(route["destination"])
    if inner == net:
        return ipaddress.ip_address(route["nexthop"]) not in net
    return inner.version == net.version and inner.subnet_of(net)  # type: ignore[arg-type]


def check_routes(tx: Transaction, row: RouterRow, routes: Sequence[Mapping[str, str]]) -> None:
    """The router may have these routes, all of them. Raises 400."""
    if len(routes) > MOST_ROUTES:
        raise BadRequest(
            f"Unable to complete operation for {row.id}. The number of routes exceeds the maximum {MOST_ROUTES}.",
            code="RoutesExhausted",
        )
    own = router_ports.router_ports_of(tx, [row.id])
    fixed = addresses.of_ports(tx, [port.id for port in own])
    taken = {address.ip_address for rows in fixed.values() for address in rows}
    nets = [ipaddress.ip_network(subnet.cidr) for subnet in subnets_of_legs(tx, row.id)]
    for route in routes:
        reason = ""
        if all(ipaddress.ip_address(route["nexthop"]) not in net for net in nets):
            reason = "the nexthop is not connected with router"
        elif route["nexthop"] in taken:
            reason = "the nexthop is used by router"
        elif any(_leads_into(route, net) for net in nets):
            reason = "the destination is connected with router"
        if reason:
            raise BadRequest(f"Invalid format for routes: {list(routes)}, {reason}", code="InvalidRoutes")


def check_moved(tx: Transaction, router_id: str) -> None:
    """A leg of the router got other addresses: subnets and routes are still what they may be. Raises 400."""
    row = tx.row(select_as(RouterRow).where(routers.c.id == router_id))
    if row is None:
        return
    nets = subnets_of_legs(tx, router_id)
    for one, other in itertools.combinations(nets, 2):
        check_disjoint(one, [other])
    check_routes(tx, row, row.routes)
