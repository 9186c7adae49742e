"""What a controller takes of a spec that a node remembers, when it makes rows of it: all of it must make sense.

A node leaves out of a spec what it cannot do and carries on (`node/net/intake.py`); a controller that makes rows of a
node's words takes no such liberty. Every function raises ValueError, which says what is wrong, and touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from cumulet.desired import guests, texts
from cumulet.desired.addresses import Address, Route
from cumulet.desired.guest import Guest
from cumulet.desired.kinds import Kind
from cumulet.desired.network import Network, Subnet
from cumulet.desired.port import PortRecord
from cumulet.desired.records import Owner
from cumulet.desired.router import Router, RouterPort
from cumulet.desired.security_group import Rule, SecurityGroup

MOST_VNI = 16_777_215
_MOST_LETTERS = 255
_MOST_TEXT = 1 << 17
_MODES = (None, "slaac", "dhcpv6-stateful", "dhcpv6-stateless")


def check(kind: Kind, spec: Any) -> None:
    """A spec of this kind, with its record."""
    _CHECKS[kind](spec)
    for text in _texts(msgspec.to_builtins(spec)):
        if len(text) > _MOST_TEXT or not texts.plain(text):
            raise ValueError(f"a text that cannot be kept: {texts.shown(text)}")


def _texts(value: Any) -> Iterable[str]:
    """Every text in a tree of plain data."""
    level = [value]
    while level:
        each = level.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            level += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            level += each


def _named(*names: str | None) -> None:
    for name in names:
        if name is not None and (len(name) > _MOST_LETTERS or "\n" in name):
            raise ValueError(f"not a name: {texts.shown(name)}")


def _owner(owner: Owner) -> None:
    guests.owner(owner.id)
    guests.owner(owner.domain_id)
    _named(owner.name, owner.domain)


# ---- networks


def network(spec: Network) -> None:
    """A network with its subnets and its DHCP server."""
    texts.uuid(spec.id)
    if spec.kind == "vxlan":
        texts.whole(spec.segmentation_id, 1, MOST_VNI)
    elif spec.segmentation_id is not None or (spec.physical_network is None) != (spec.kind == "local"):
        raise ValueError(f"not a segment of kind {spec.kind}")
    texts.whole(spec.mtu, 68, 65_535)
    _named(spec.physical_network)
    for subnet in spec.subnets:
        _subnet(subnet)
    if spec.record is not None:
        _owner(spec.record.owner)
        _named(spec.record.name, spec.record.description, spec.record.dns_domain)
    if spec.dhcp is not None:
        _port(spec.dhcp.port_id, spec.dhcp.mac, spec.dhcp.addresses)
        for host in spec.dhcp.hosts:
            _port(host.port_id, host.mac, host.addresses)
            _named(host.hostname)
            for name, value in host.extra_opts:
                texts.said_option(name, value)
            _port_record(host.record)


def _subnet(spec: Subnet) -> None:
    texts.uuid(spec.id)
    net = texts.prefix(spec.cidr)
    if net.version != spec.ip_version or str(net) != spec.cidr or net.prefixlen == 0:
        raise ValueError(f"not a subnet: {texts.shown(spec.cidr)}")
    for ip in (*([spec.gateway_ip] if spec.gateway_ip else []), *spec.dns_nameservers):
        texts.of_version(ip, net.version)
    _routes(spec.host_routes)
    record = spec.record
    if record is None:
        return
    guests.owner(record.project_id)
    _named(record.name, record.description, *record.service_types)
    if record.ipv6_ra_mode not in _MODES or record.ipv6_address_mode not in _MODES:
        raise ValueError("not a mode of IPv6")
    for first, last in record.pools:
        ends = [texts.of_version(ip, net.version) for ip in (first, last)]
        if ends != sorted(ends, key=int) or any(end not in net for end in ends):
            raise ValueError(f"not a pool of {net}: {texts.shown(first)}")


def _routes(routes: Iterable[Route]) -> None:
    for route in routes:
        texts.of_version(route.nexthop, texts.prefix(route.destination).version)


def _port(port_id: str, mac: str, addresses: Iterable[Address]) -> None:
    texts.uuid(port_id)
    if texts.hardware(mac) != mac:
        raise ValueError(f"not a MAC address: {texts.shown(mac)}")
    for address in addresses:
        texts.uuid(address.subnet_id)
        if str(texts.address(address.ip)) != address.ip:
            raise ValueError(f"not an address: {texts.shown(address.ip)}")


def _port_record(record: PortRecord | None) -> None:
    if record is None:
        return
    guests.owner(record.project_id)
    _named(record.name, record.description, record.device_id, record.device_owner, record.dns_name, record.dns_domain)
    if record.tag is not None and len(record.tag) > 60:
        raise ValueError("a tag that is too long")
    for group in record.security_groups:
        texts.uuid(group)
    for ip, mac in record.allowed_address_pairs:
        texts.network(ip)
        texts.mac(mac)
    for name, value, version in record.extra_dhcp_opts:
        texts.said_option(name, value)
        texts.whole(version, 4, 6)


# ---- security groups and routers


def group(spec: SecurityGroup) -> None:
    """A security group with its rules."""
    texts.uuid(spec.id)
    for rule in spec.rules:
        _rule(rule)
    if spec.record is not None:
        _owner(spec.record.owner)
        _named(spec.record.name, spec.record.description)


def _rule(rule: Rule) -> None:
    texts.uuid(rule.id)
    _named(rule.description)
    if rule.protocol is not None:
        texts.protocol(rule.protocol)
    for port in (rule.port_range_min, rule.port_range_max):
        if port is not None:
            texts.whole(port, 0, 65_535)
    if rule.remote_ip_prefix is not None and texts.network(rule.remote_ip_prefix).version != int(rule.ethertype[-1]):
        raise ValueError(f"{texts.shown(rule.remote_ip_prefix)} is not {rule.ethertype}")
    if rule.remote_group_id is not None:
        texts.uuid(rule.remote_group_id)


def router(spec: Router) -> None:
    """A router with its legs and its floating IPs."""
    texts.uuid(spec.id)
    for leg in (*spec.ports, *([spec.gateway] if spec.gateway else [])):
        _leg(leg)
    _routes(spec.routes)
    if spec.record is not None:
        _owner(spec.record.owner)
        _named(spec.record.name, spec.record.description)
    for floating in spec.floating_ips:
        texts.uuid(floating.id)
        texts.of_version(floating.floating_ip, 4)
        texts.of_version(floating.fixed_ip, 4)
        record = floating.record
        if record is not None:
            _owner(record.owner)
            _named(record.description, record.dns_name, record.dns_domain)
            _port(record.outside_port_id, record.outside_mac, ())
            for id in (record.port_id, record.subnet_id):
                texts.uuid(id)


def _leg(leg: RouterPort) -> None:
    _port(leg.port_id, leg.mac, leg.addresses)
    texts.uuid(leg.network_id)
    _port_record(leg.record)


# ---- guests


def guest(spec: Guest) -> None:
    """A guest, with its ports and its server's record."""
    guests.guest(spec)
    if not spec.project_id:
        raise ValueError("nobody owns it")
    for port in spec.interfaces:
        _port(port.port_id, port.mac, port.addresses)
        for pair in port.allowed_address_pairs:
            texts.network(pair.ip)
            texts.mac(pair.mac)
        _port_record(port.record)
    record = spec.record
    if record is None:
        return
    for owner, id in ((record.project, spec.project_id), (record.user, spec.user_id)):
        _owner(owner)
        if owner.id != id:
            raise ValueError("its record is somebody else's")
    names = (record.description, record.hostname, record.zone, record.flavor_id, record.key_name, record.locked_reason)
    _named(*names, *record.meta.values(), *record.meta, *record.extra_specs.values(), *record.extra_specs)
    for text, most in (
        (record.seed, 64), (record.reservation_id, 64), (record.key_type or "", 8), (record.disk_config, 8),
        (record.locked_by or "", 16), *((tag, 60) for tag in record.tags),
    ):  # fmt: skip
        if len(text) > most:
            raise ValueError(f"a text of {len(text)} letters")
    for ip in (record.access_ip_v4, record.access_ip_v6):
        if ip:
            texts.address(ip)
    texts.whole(record.launch_index, 0, 2**31 - 1)
    for file in record.personality:
        if set(file) != {"path", "contents"} or not all(isinstance(text, str) for text in file.values()):
            raise ValueError("not an injected file")


_CHECKS: Mapping[Kind, Callable[[Any], None]] = {
    "network": network,
    "security_group": group,
    "router": router,
    "guest": guest,
}
