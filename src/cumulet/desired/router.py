"""Desired state of kind ``router``: its ports, its gateway and the floating IPs that it translates."""

from __future__ import annotations

from cumulet.desired.addresses import Address, Route
from cumulet.desired.port import PortRecord
from cumulet.desired.records import Owner, Record
from cumulet.desired.shape import Shape

FORMAT = 1
"""Of what is said here; it rises when an earlier node would take it for something else."""


class RouterPort(Shape):
    """A leg of a router: ``qr-<port_id[:11]>`` (or ``qg-`` for the gateway) inside ``qrouter-<id>``, its other
    end ``tap<port_id[:11]>`` in the bridge of `network_id`."""

    port_id: str
    mac: str
    network_id: str
    addresses: list[Address]
    mtu: int = 1450
    record: PortRecord | None = None


class FloatingIp(Shape):
    id: str
    floating_ip: str
    fixed_ip: str
    record: FloatingRecord | None = None


class Router(Shape):
    id: str
    admin_state_up: bool = True
    ports: list[RouterPort] = []
    gateway: RouterPort | None = None
    gateway_ip: str | None = None
    enable_snat: bool = True
    floating_ips: list[FloatingIp] = []
    routes: list[Route] = []
    record: RouterRecord | None = None


class RouterRecord(Record):
    """Of a router."""

    owner: Owner
    name: str = ""


class FloatingRecord(Record):
    """Of a floating IP: the port that it leads to, and the one that holds it on the external network."""

    owner: Owner
    port_id: str
    outside_port_id: str
    outside_mac: str
    subnet_id: str
    dns_name: str = ""
    dns_domain: str = ""
