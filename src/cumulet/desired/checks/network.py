"""Whether a network of a node's memory makes sense."""

from __future__ import annotations

from cumulet.desired import texts
from cumulet.desired.checks import fields
from cumulet.desired.network import Network, Subnet

MOST_VNI = 16_777_215
_MODES = (None, "slaac", "dhcpv6-stateful", "dhcpv6-stateless")


def check(spec: Network) -> None:
    """A network with its subnets and its DHCP server."""
    texts.uuid(spec.id)
    if spec.kind == "vxlan":
        texts.whole(spec.segmentation_id, 1, MOST_VNI)
    elif spec.segmentation_id is not None or (spec.physical_network is None) != (spec.kind == "local"):
        raise ValueError(f"not a segment of kind {spec.kind}")
    texts.whole(spec.mtu, 68, 65_535)
    fields.named(spec.physical_network)
    for subnet in spec.subnets:
        _subnet(subnet)
    if spec.record is not None:
        fields.owner(spec.record.owner)
        fields.named(spec.record.name, spec.record.description, spec.record.dns_domain)
    if spec.dhcp is not None:
        fields.port(spec.dhcp.port_id, spec.dhcp.mac, spec.dhcp.addresses)
        for host in spec.dhcp.hosts:
            fields.port(host.port_id, host.mac, host.addresses)
            fields.named(host.hostname)
            for name, value in host.extra_opts:
                texts.said_option(name, value)
            fields.port_record(host.record)


def _subnet(spec: Subnet) -> None:
    texts.uuid(spec.id)
    net = texts.prefix(spec.cidr)
    if net.version != spec.ip_version or str(net) != spec.cidr or net.prefixlen == 0:
        raise ValueError(f"not a subnet: {texts.shown(spec.cidr)}")
    for ip in (*([spec.gateway_ip] if spec.gateway_ip else []), *spec.dns_nameservers):
        texts.of_version(ip, net.version)
    fields.routes(spec.host_routes)
    record = spec.record
    if record is None:
        return
    fields.id_of_owner(record.project_id)
    fields.named(record.name, record.description, *record.service_types)
    if record.ipv6_ra_mode not in _MODES or record.ipv6_address_mode not in _MODES:
        raise ValueError("not a mode of IPv6")
    for first, last in record.pools:
        ends = [texts.of_version(ip, net.version) for ip in (first, last)]
        if ends != sorted(ends, key=int) or any(end not in net for end in ends):
            raise ValueError(f"not a pool of {net}: {texts.shown(first)}")
