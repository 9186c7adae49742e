"""Whether a router of a node's memory makes sense."""

from __future__ import annotations

from cumulet.desired import texts
from cumulet.desired.checks import fields
from cumulet.desired.router import Router, RouterPort


def check(spec: Router) -> None:
    """A router with its ports and its floating IPs."""
    texts.uuid(spec.id)
    for port in (*spec.ports, *([spec.gateway] if spec.gateway else [])):
        _router_port(port)
    fields.routes(spec.routes)
    if spec.record is not None:
        fields.owner(spec.record.owner)
        fields.named(spec.record.name, spec.record.description)
    for floating in spec.floating_ips:
        texts.uuid(floating.id)
        texts.of_version(floating.floating_ip, 4)
        texts.of_version(floating.fixed_ip, 4)
        record = floating.record
        if record is not None:
            fields.owner(record.owner)
            fields.named(record.description, record.dns_name, record.dns_domain)
            fields.port(record.outside_port_id, record.outside_mac, ())
            for id in (record.port_id, record.subnet_id):
                texts.uuid(id)


def _router_port(port: RouterPort) -> None:
    fields.port(port.port_id, port.mac, port.addresses)
    texts.uuid(port.network_id)
    fields.port_record(port.record)
