"""Availability zones: one for the hosts, one for the control plane."""

from __future__ import annotations

from typing import Any

from cumulet.db import iso
from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.services.compute.model import hosts
from cumulet.services.compute.service import service
from cumulet.services.compute.wire.availability_zones import DETAILED_ZONE, ZONE

_RULE = "os_compute_api:os-availability-zone"


@service.get(
    "/v2.1/os-availability-zone",
    policy=f"{_RULE}:list",
    response=under("availabilityZoneInfo", [ZONE]),
    query=Query({}),
)
def index(call: Call) -> dict[str, Any]:
    """List availability zones."""
    zone = {"zoneName": call.context.availability_zone, "zoneState": {"available": True}, "hosts": None}
    return {"availabilityZoneInfo": [zone]}


@service.get(
    "/v2.1/os-availability-zone/detail",
    policy=f"{_RULE}:detail",
    response=under("availabilityZoneInfo", [DETAILED_ZONE]),
    query=Query({}),
)
def detail(call: Call) -> dict[str, Any]:
    """List availability zones with their hosts."""
    zones: dict[str, dict[str, Any]] = {"internal": {}, call.context.availability_zone: {}}
    for row in hosts.services(call.tx, call.context.controller_host, call.context.availability_zone):
        state = {
            "active": not row.disabled,
            "available": row.up,
            "updated_at": iso(row.updated_at, micro=True, zone=""),
        }
        zones[row.zone].setdefault(row.host, {})[row.binary] = state
    found = [{"zoneName": name, "zoneState": {"available": True}, "hosts": members} for name, members in zones.items()]
    return {"availabilityZoneInfo": found}
