"""Desired state of kind ``network``: a layer 2 network on a host, with its subnets and its DHCP server."""

from __future__ import annotations

from typing import Literal

from cumulet.desired.addresses import Address, Route
from cumulet.desired.port import PortRecord
from cumulet.desired.records import Owner, Record
from cumulet.desired.shape import Shape

FORMAT = 1
"""Of what is said here; it rises when an earlier node would take it for something else."""


class Subnet(Shape):
    id: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] = []
    host_routes: list[Route] = []
    record: SubnetRecord | None = None


class DhcpHost(Shape):
    """One port that dnsmasq answers. `extra_opts` are (option name or number, value) pairs, already validated. Only
    ports that no server has come with their record."""

    port_id: str
    mac: str
    hostname: str
    addresses: list[Address]
    extra_opts: list[tuple[str, str]] = []
    record: PortRecord | None = None


class Dhcp(Shape):
    """Present only on the host that serves DHCP for the network: namespace ``qdhcp-<network id>``."""

    port_id: str
    mac: str
    addresses: list[Address]
    hosts: list[DhcpHost] = []
    domain: str = "openstacklocal"


class Network(Shape):
    """A layer 2 network on this host: bridge ``brq<id[:11]>``.

    `kind` vxlan: port ``vxlan-<segmentation_id>`` with one flood entry per address in `peers`.
    `kind` flat: the bridge of the physical network `physical_network`; the node's own configuration says which
    interface (if any) is plugged into it and which address this machine has on it.
    """

    id: str
    kind: Literal["vxlan", "flat", "local"] = "vxlan"
    mtu: int = 1450
    segmentation_id: int | None = None
    physical_network: str | None = None
    peers: list[str] = []
    subnets: list[Subnet] = []
    dhcp: Dhcp | None = None
    record: NetworkRecord | None = None


class NetworkRecord(Record):
    """Of a network."""

    owner: Owner
    name: str = ""
    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    dns_domain: str = ""


class SubnetRecord(Record):
    """Of a subnet. `pools` are (first, last) addresses; `project_id` is empty when it is the network's."""

    project_id: str = ""
    name: str = ""
    pools: list[tuple[str, str]] = []
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    service_types: list[str] = []
    dns_publish_fixed_ip: bool = False
