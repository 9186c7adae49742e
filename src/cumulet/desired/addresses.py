"""Addresses and routes, as several kinds have them."""

from __future__ import annotations

from cumulet.desired.shape import Shape


class Address(Shape):
    """One address of a port. `prefix` is the length of its subnet's mask."""

    ip: str
    subnet_id: str
    prefix: int


class Route(Shape):
    destination: str
    nexthop: str
