"""The files dnsmasq reads for a network, as text: pure functions.

Whatever a tenant chose (names, option values) is parsed before it reaches a line: a newline in a value would be another
line of configuration, and so would be what stands behind the first kilobyte of a line. ValueError says what is wrong;
`intake` has left such things out before.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from cumulet.desired import texts
from cumulet.desired.addresses import Route
from cumulet.desired.network import DhcpHost, Network, Subnet
from cumulet.node.net import names

LINE_BYTES = 1000
"""dnsmasq reads lines in pieces of 1024 bytes and takes each piece for a line."""

Leg = tuple[str, str]
"""A router's leg on a subnet: the subnet's id, and the leg's address."""


def served(network: Network) -> list[Subnet]:
    """The subnets dnsmasq hands addresses out from: IPv4 with DHCP on."""
    return [each for each in network.subnets if each.enable_dhcp and each.ip_version == 4]


def domain(network: Network) -> str:
    """The domain; ValueError when it is none."""
    found = network.dhcp.domain if network.dhcp else ""
    return texts.domain(found) if found else ""


def hosts(network: Network) -> str:
    """``--dhcp-hostsfile``: one line per address of a port."""
    lines = []
    subnets = {each.id for each in served(network)}
    for host in network.dhcp.hosts if network.dhcp else []:
        tag = f"set:port-{names.checked(host.port_id)}," if host.extra_opts else ""
        for address in host.addresses:
            if address.subnet_id in subnets:
                ip = texts.of_version(address.ip, 4)
                lines.append(f"{texts.mac(host.mac)},{tag}{_full_name(host, str(ip), network)},{ip}")
    return _file(lines)


def additional_hosts(network: Network) -> str:
    """``--addn-hosts``: names that dnsmasq answers for."""
    lines = []
    for host in network.dhcp.hosts if network.dhcp else []:
        for address in host.addresses:
            ip = str(texts.address(address.ip))
            full = _full_name(host, ip, network)
            lines.append(f"{ip} {full} {full.split('.')[0]}")
    return _file(lines)


def _full_name(host: DhcpHost, ip: str, network: Network) -> str:
    try:
        name = texts.domain(host.hostname).removesuffix(".")
    except ValueError:
        name = "host-" + ip.replace(".", "-").replace(":", "-")
    suffix = domain(network)
    return name if not suffix or name.endswith("." + suffix) else f"{name}.{suffix}"


def gateways(network: Network) -> set[Leg]:
    """The legs that are gateways of the network's subnets, whether or not there are such legs."""
    return {(each.id, each.gateway_ip) for each in network.subnets if each.gateway_ip}


def options(network: Network, routed: Set[Leg]) -> str:
    """``--dhcp-optsfile``: routes, name servers and gateway per subnet, extra options per port.

    Subnets whose gateway is one of `routed` (legs of routers here) reach metadata through it; all others through the
    DHCP port. Another leg on the subnet, such as a tenant's on a shared network, changes nothing for its guests.
    """
    lines: list[str] = []
    for subnet in served(network):
        lines += _subnet_options(network, subnet, (subnet.id, subnet.gateway_ip) not in routed)
    for host in network.dhcp.hosts if network.dhcp else []:
        lines += [option_line(host, option, value) for option, value in host.extra_opts]
    return _file(lines)


def option_line(host: DhcpHost, option: str, value: str) -> str:
    """One extra option of a port. ValueError when its name or its value cannot be told to dnsmasq."""
    name = texts.option_name(option)
    spelled = name if name.isdecimal() else f"option:{name}"
    said = "" if not value and name in texts.MAY_BE_EMPTY else f",{texts.option_value(value)}"
    return f"tag:port-{names.checked(host.port_id)},{spelled}{said}"


def route_text(route: Route) -> str:
    """An IPv4 route as the classless-static-route option lists it."""
    destination = texts.prefix(route.destination)
    if destination.version != 4:
        raise ValueError(f"not an IPv4 prefix: {destination}")
    return f"{destination},{texts.of_version(route.nexthop, 4)}"


def _subnet_options(network: Network, subnet: Subnet, isolated: bool) -> list[str]:
    tag = f"tag:subnet-{names.checked(subnet.id)}"
    dhcp = network.dhcp.addresses if network.dhcp else []
    own = [str(texts.of_version(each.ip, 4)) for each in dhcp if each.subnet_id == subnet.id]
    servers = [str(texts.of_version(each, 4)) for each in subnet.dns_nameservers] or own
    lines = [f"{tag},option:dns-server,{','.join(servers)}"] if servers else []
    gateway = str(texts.of_version(subnet.gateway_ip, 4)) if subnet.gateway_ip else None
    routes = list(subnet.host_routes)
    if own and isolated:
        routes.insert(0, Route(destination=f"{names.METADATA_ADDRESS}/32", nexthop=own[0]))
    if routes:
        routes.append(Route(destination=subnet.cidr, nexthop="0.0.0.0"))
        if gateway:
            # A client that takes classless routes ignores the router option (RFC 3442).
            routes.append(Route(destination="0.0.0.0/0", nexthop=gateway))
        text = ",".join(map(route_text, routes))
        lines += [f"{tag},option:classless-static-route,{text}", f"{tag},249,{text}"]
    lines.append(f"{tag},option:router" + (f",{gateway}" if gateway else ""))
    return lines


def _file(lines: Iterable[str]) -> str:
    """The lines, each of printable ASCII and short enough for dnsmasq."""
    listed = [texts.line(each) for each in lines]
    for each in listed:
        if len(each) > LINE_BYTES:
            raise ValueError(f"a line that dnsmasq would read as two: {texts.shown(each)}")
    return texts.lines(listed)
