"""The files dnsmasq reads for a network, as text: pure functions.

Whatever a tenant chose (names, option values) is checked before it reaches a line: a newline in a value
would be another line of configuration.
"""

from __future__ import annotations

import re
from collections.abc import Set
from ipaddress import ip_address, ip_network

from cumulet.desired.shapes import DhcpHost, Network, Route, Subnet
from cumulet.node.net import names, rules

_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9-]{1,63})*")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_OPTION = re.compile(r"[0-9]{1,3}|[a-z][a-z0-9-]{0,40}")


def safe_value(text: str) -> str:
    """A value of an option; ValueError when it has a control character or is longer than 255."""
    if len(text) > 255 or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("DHCP option value with control characters, or too long")
    return text


def served(network: Network) -> list[Subnet]:
    """The subnets dnsmasq hands addresses out from: IPv4 with DHCP on."""
    return [each for each in network.subnets if each.enable_dhcp and each.ip_version == 4]


def domain(network: Network) -> str:
    """The domain; ValueError when it is none."""
    found = network.dhcp.domain if network.dhcp else ""
    if found and not _DOMAIN.fullmatch(found):
        raise ValueError(f"not a domain: {found!r}")
    return found


def hosts(network: Network) -> str:
    """``--dhcp-hostsfile``: one line per address of a port."""
    lines = []
    subnets = {each.id for each in served(network)}
    for host in network.dhcp.hosts if network.dhcp else []:
        tag = f"set:port-{names.checked(host.port_id)}," if host.extra_opts else ""
        for address in host.addresses:
            if address.subnet_id in subnets:
                ip = ip_address(address.ip)
                lines.append(f"{rules.mac(host.mac)},{tag}{_full_name(host, str(ip), network)},{ip}\n")
    return "".join(lines)


def additional_hosts(network: Network) -> str:
    """``--addn-hosts``: names that dnsmasq answers for."""
    lines = []
    for host in network.dhcp.hosts if network.dhcp else []:
        for address in host.addresses:
            ip = str(ip_address(address.ip))
            full = _full_name(host, ip, network)
            lines.append(f"{ip}\t{full} {full.split('.')[0]}\n")
    return "".join(lines)


def _full_name(host: DhcpHost, ip: str, network: Network) -> str:
    name = host.hostname if _HOSTNAME.fullmatch(host.hostname) else "host-" + re.sub("[.:]", "-", ip)
    suffix = domain(network)
    return name if not suffix or name.endswith("." + suffix) else f"{name}.{suffix}"


def options(network: Network, routed: Set[str]) -> str:
    """``--dhcp-optsfile``: routes, name servers and gateway per subnet, extra options per port.

    Subnets in `routed` (ids) reach metadata through their router; all others through the DHCP port.
    """
    lines: list[str] = []
    for subnet in served(network):
        lines += _subnet_options(network, subnet, subnet.id not in routed)
    for host in network.dhcp.hosts if network.dhcp else []:
        for option, value in host.extra_opts:
            if not _OPTION.fullmatch(option):
                raise ValueError(f"not a DHCP option: {option!r}")
            spelled = option if option.isdigit() else f"option:{option}"
            lines.append(f"tag:port-{names.checked(host.port_id)},{spelled},{safe_value(value)}")
    return "".join(f"{line}\n" for line in lines)


def _subnet_options(network: Network, subnet: Subnet, isolated: bool) -> list[str]:
    tag = f"tag:subnet-{names.checked(subnet.id)}"
    dhcp = network.dhcp.addresses if network.dhcp else []
    own = [each.ip for each in dhcp if each.subnet_id == subnet.id]
    servers = [str(ip_address(each)) for each in subnet.dns_nameservers] or own
    lines = [f"{tag},option:dns-server,{','.join(servers)}"] if servers else []
    gateway = str(ip_address(subnet.gateway_ip)) if subnet.gateway_ip else None
    routes = list(subnet.host_routes)
    if own and isolated:
        routes.insert(0, Route(destination=f"{names.METADATA_ADDRESS}/32", nexthop=own[0]))
    if routes:
        routes.append(Route(destination=str(ip_network(subnet.cidr)), nexthop="0.0.0.0"))
        if gateway:
            # A client that takes classless routes ignores the router option (RFC 3442).
            routes.append(Route(destination="0.0.0.0/0", nexthop=gateway))
        text = ",".join(f"{ip_network(each.destination)},{ip_address(each.nexthop)}" for each in routes)
        lines += [f"{tag},option:classless-static-route,{text}", f"{tag},249,{text}"]
    lines.append(f"{tag},option:router" + (f",{gateway}" if gateway else ""))
    return lines
