"""Availability zones: there is one, and networks and routers are in it when they are anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cumulet.db import Transaction
from cumulet.http.faults import NotFound
from cumulet.services.network.check_strings import rules
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import Body, Extension
from cumulet.services.network.wire.attributes import Attribute, items, read_only, text

ZONE = "nova"
_ATTRIBUTES = {
    "availability_zone_hints": Attribute(items(text(255)), [], put=False),
    "availability_zones": read_only([str]),
}


def settle(_tx: Transaction, draft: Draft[Any]) -> None:
    """A network is asked for in zones that there are. Raises 404."""
    for zone in draft.given("availability_zone_hints", ()):
        if zone != ZONE:
            raise NotFound(f"AvailabilityZone {zone} could not be found.", code="AvailabilityZoneNotFound")


def show_networks(_tx: Transaction, _rows: Sequence[Any], bodies: list[Body]) -> None:
    """A network is in the zone while it has a subnet."""
    for body in bodies:
        body["availability_zones"] = [ZONE] if body["subnets"] else []


def show_routers(_tx: Transaction, rows: Sequence[Any], bodies: list[Body]) -> None:
    """A router is in the zone while a host has it."""
    for row, body in zip(rows, bodies, strict=True):
        body["availability_zones"] = [ZONE] if row.link_id else []


EXTENSIONS = (
    Extension(
        "availability_zone",
        "Availability Zone",
        "The availability zone extension.",
        rules=rules("get_availability_zone", "role:reader"),
    ),
    Extension(
        "network_availability_zone",
        "Network Availability Zone",
        "Availability zone support for network.",
        adds={"network": _ATTRIBUTES},
        settles={"network": settle},
        shows={"network": show_networks},
    ),
    Extension(
        "router_availability_zone",
        "Router Availability Zone",
        "Availability zone support for router.",
        adds={"router": _ATTRIBUTES},
        shows={"router": show_routers},
    ),
)
