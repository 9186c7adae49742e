"""What a port's spec may say, and what a guest's may say of its ports."""

from __future__ import annotations

from cumulet.desired import texts
from cumulet.desired.checks import fields
from cumulet.desired.port import Interface, Plug, Port

_MOST_GROUPS = 1000


def on_host(spec: Port) -> None:
    """Raises ValueError, which says what is wrong, for what is no guest's port. Its addresses and rules are the network
    parts' affair."""
    texts.uuid(spec.guest_id)
    interface(spec.interface)


def check(spec: Port) -> None:
    """A port, with its record."""
    on_host(spec)
    with_record(spec.interface)


def card(spec: Plug | Interface) -> None:
    """What becomes the machine's. A group's MAC address, which no card can have, leaves the port out and not the
    guest."""
    texts.uuid(spec.port_id)
    texts.uuid(spec.network_id)
    if texts.hardware(spec.mac) != spec.mac:
        raise ValueError(f"not a MAC address: {texts.shown(spec.mac)}")
    if not 68 <= spec.mtu <= 65_535:
        raise ValueError(f"an MTU of {spec.mtu}")


def interface(spec: Interface) -> None:
    """The whole port, as its host takes it."""
    card(spec)
    if len(spec.security_groups) > _MOST_GROUPS:
        raise ValueError(f"{len(spec.security_groups)} security groups")
    for group in spec.security_groups:
        texts.uuid(group)


def with_record(spec: Interface) -> None:
    """The whole port, as rows are made of it."""
    fields.port(spec.port_id, spec.mac, spec.addresses)
    for pair in spec.allowed_address_pairs:
        texts.network(pair.ip)
        texts.mac(pair.mac)
    fields.port_record(spec.record)
