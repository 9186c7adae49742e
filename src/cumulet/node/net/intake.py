"""What this node takes of desired state: everything that it can read, and a list of what it leaves out.

What was refused at the API does not come here; what comes nevertheless (rows of an older controller, a controller that
was taken over) hurts only the thing it belongs to: a DHCP option and not its network, a rule and not its group's ports,
a route and not its router. ValueError only when the item itself cannot be: its id or a MAC address it lives by.
Pure functions; must never change what they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from cumulet.desired import texts
from cumulet.desired.addresses import Address, Route
from cumulet.desired.guest import Guest
from cumulet.desired.network import Dhcp, DhcpHost, Network, Subnet
from cumulet.desired.port import AddressPair, Interface, Plug, Port
from cumulet.desired.router import FloatingIp, Router, RouterPort
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.node.net import leases, rules

T = TypeVar("T")
_ROUTE_BYTES = leases.LINE_BYTES - 200


@dataclass(frozen=True)
class Taken(Generic[T]):
    """What is taken of an item, and in words what is left out of it."""

    spec: T
    left_out: list[str] = field(default_factory=list)


def network(spec: Network) -> Taken[Network]:
    """A network with the subnets, name servers, routes, DHCP answers and peers that can be served."""
    texts.uuid(spec.id)
    out: list[str] = []
    subnets = [_subnet(each, out) for each in _kept(spec.subnets, _check_subnet, "subnet", out)]
    peers = _kept(spec.peers, texts.address, "peer", out)
    dhcp = next(iter(_kept([spec.dhcp] if spec.dhcp else [], _check_dhcp, "DHCP server", out)), None)
    dhcp = None if dhcp is None else _dhcp(dhcp, out)
    return Taken(replace(spec, subnets=subnets, peers=peers, dhcp=dhcp), out)


def router(spec: Router) -> Taken[Router]:
    """A router with the legs, addresses, floating IPs and routes that can be made."""
    texts.uuid(spec.id)
    out: list[str] = []
    ports = [_leg(each, out) for each in _kept(spec.ports, _check_leg, "port", out)]
    gateway = next(iter(_kept([spec.gateway] if spec.gateway else [], _check_leg, "gateway", out)), None)
    gateway_ip = next(iter(_kept([spec.gateway_ip] if spec.gateway_ip else [], _check_ipv4, "gateway_ip", out)), None)
    found = replace(
        spec,
        ports=ports,
        gateway=None if gateway is None else _leg(gateway, out),
        gateway_ip=gateway_ip,
        floating_ips=_kept(spec.floating_ips, _check_floating, "floating IP", out),
        routes=_kept(spec.routes, _check_route, "route", out),
    )
    return Taken(found, out)


def group(spec: SecurityGroup) -> Taken[SecurityGroup]:
    """A security group with the rules and members that a firewall can express."""
    out: list[str] = []
    found = _kept(spec.rules, _check_rule, "rule", out)
    return Taken(replace(spec, rules=found, members=_kept(spec.members, texts.network, "member", out)), out)


def guest(spec: Guest) -> Taken[Guest]:
    """A guest with the ports that a machine can have: a group's MAC address, which the API takes, is none."""
    out: list[str] = []
    kept = _kept(spec.ports, _check_card, "port", out)
    return Taken(spec if not out else replace(spec, ports=kept), out)


def card(port: Port) -> list[str]:
    """Why a machine cannot have this port, or nothing."""
    out: list[str] = []
    _kept([Plug(port_id=port.id, network_id=port.network_id, mac=port.mac)], _check_card, "port", out)
    return out


def _check_card(port: Plug) -> None:
    try:
        texts.mac(port.mac)
    except ValueError as error:
        raise ValueError(f"{port.port_id}: {error}") from None


def interface(spec: Interface) -> Taken[Interface]:
    """A guest's port with the addresses that it may send from."""
    texts.uuid(spec.port_id)
    texts.uuid(spec.network_id)
    texts.mac(spec.mac)
    out: list[str] = []
    own = _kept(spec.addresses, _check_address, "address", out)
    pairs = _kept(spec.allowed_address_pairs, _check_pair, "allowed address pair", out)
    return Taken(replace(spec, addresses=own, allowed_address_pairs=pairs), out)


class Groups(Mapping[str, SecurityGroup]):
    """Security groups with the rules that are taken, each looked at when it is first asked for. Members are many, and
    what makes sets of them leaves out by itself what is none."""

    def __init__(self, groups: Mapping[str, SecurityGroup]) -> None:
        self._groups = groups
        self._taken: dict[str, SecurityGroup] = {}

    def __getitem__(self, group_id: str) -> SecurityGroup:
        if group_id not in self._taken:
            spec = self._groups[group_id]
            self._taken[group_id] = replace(spec, rules=_kept(spec.rules, _check_rule, "rule", []))
        return self._taken[group_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)


def _kept(items: Iterable[T], check: Callable[[T], Any], what: str, out: list[str]) -> list[T]:
    """The items that pass the check; why the others do not goes to `out`."""
    kept = []
    for item in items:
        try:
            check(item)
        except ValueError as error:
            out.append(f"{what} left out: {error}")
        else:
            kept.append(item)
    return kept


# ---- parts of a network


def _check_subnet(subnet: Subnet) -> None:
    texts.uuid(subnet.id)
    if texts.prefix(subnet.cidr).version != subnet.ip_version:
        raise ValueError(f"{subnet.cidr} is not IPv{subnet.ip_version}")


def _subnet(subnet: Subnet, out: list[str]) -> Subnet:
    version = subnet.ip_version

    def check(text: str) -> None:
        texts.of_version(text, version)

    def check_route(route: Route) -> None:
        if texts.prefix(route.destination).version != version:
            raise ValueError(f"{route.destination} is not IPv{version}")
        texts.of_version(route.nexthop, version)

    what = f"of subnet {subnet.id}"
    gateway = _kept([subnet.gateway_ip] if subnet.gateway_ip else [], check, f"gateway {what}", out)
    routes = _kept(subnet.host_routes, check_route, f"host route {what}", out)
    return replace(
        subnet,
        gateway_ip=gateway[0] if gateway else None,
        dns_nameservers=_kept(subnet.dns_nameservers, check, f"name server {what}", out),
        host_routes=_fitting(routes, f"host route {what}", out),
    )


def _fitting(routes: list[Route], what: str, out: list[str]) -> list[Route]:
    """As many routes as fit into one line for dnsmasq; the API allows fewer."""
    kept, used = [], 0
    for route in routes:
        used += len(route.destination) + len(route.nexthop) + 2
        if used <= _ROUTE_BYTES:
            kept.append(route)
    if len(kept) < len(routes):
        out.append(f"{what} left out: {len(routes) - len(kept)} too many")
    return kept


def _check_dhcp(dhcp: Dhcp) -> None:
    texts.uuid(dhcp.port_id)
    texts.mac(dhcp.mac)


def _dhcp(dhcp: Dhcp, out: list[str]) -> Dhcp:
    domain = _kept([dhcp.domain] if dhcp.domain else [], texts.domain, "domain", out)
    return replace(
        dhcp,
        mac=texts.mac(dhcp.mac),
        addresses=_kept(dhcp.addresses, _check_address, "address of the DHCP server", out),
        hosts=[_host(each, out) for each in _kept(dhcp.hosts, _check_host, "DHCP host", out)],
        domain=domain[0] if domain else "",
    )


def _check_host(host: DhcpHost) -> None:
    texts.uuid(host.port_id)
    texts.mac(host.mac)


def _host(host: DhcpHost, out: list[str]) -> DhcpHost:
    what = f"of port {host.port_id}"
    own = _kept(host.addresses, _check_address, f"address {what}", out)
    named = _kept([host.hostname] if host.hostname else [], texts.domain, f"host name {what}", out)
    options = host.extra_opts
    if options:
        options = _kept(options, lambda each: leases.option_line(host, *each), f"DHCP option {what}", out)
        if len(options) > texts.MOST_OPTIONS:
            out.append(f"DHCP options {what} left out: {len(options) - texts.MOST_OPTIONS} too many")
            options = options[: texts.MOST_OPTIONS]
    return replace(host, addresses=own, extra_opts=options, hostname=named[0] if named else "")


# ---- parts of routers, groups and ports


def _check_address(address: Address) -> None:
    found = texts.address(address.ip)
    if not 0 <= address.prefix <= found.max_prefixlen:
        raise ValueError(f"{found} has a prefix of {address.prefix} bits")


def _check_ipv4(text: str) -> None:
    texts.of_version(text, 4)


def _check_leg(port: RouterPort) -> None:
    texts.uuid(port.port_id)
    texts.uuid(port.network_id)
    texts.mac(port.mac)


def _leg(port: RouterPort, out: list[str]) -> RouterPort:
    own = _kept(port.addresses, _check_address, f"address of port {port.port_id}", out)
    return replace(port, addresses=own, mac=texts.mac(port.mac))


def _check_floating(floating: FloatingIp) -> None:
    _check_ipv4(floating.floating_ip)
    _check_ipv4(floating.fixed_ip)


def _check_route(route: Route) -> None:
    texts.of_version(route.nexthop, texts.prefix(route.destination).version)


def _check_rule(rule: Rule) -> None:
    rules.rule_line(rule, 4 if rule.ethertype == "IPv4" else 6)


def _check_pair(pair: AddressPair) -> None:
    texts.network(pair.ip)
    if pair.mac:
        texts.mac(pair.mac)
