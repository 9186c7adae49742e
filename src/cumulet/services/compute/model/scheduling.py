"""Choosing a host: placement says who has room, filters say who may. Explains itself when nobody is left.

Looks at few hosts, however many there are: candidates come most free memory first, and the first that passes
every filter is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from cumulet.db import Transaction
from cumulet.fleet import door as fleet
from cumulet.http.faults import BadRequest
from cumulet.services.placement import door as placement

_BATCH = 8
_SHOWN = 50


class RequestSpec(Struct, frozen=True):
    """Where a server may go. `resources`: placement's classes; `zone`: the availability zone asked for, if any;
    `host`: the only host that will do; `exclude`: names of hosts that failed already."""

    resources: Mapping[str, int]
    zone: str | None
    host: str | None = None
    exclude: Sequence[str] = ()


@dataclass
class Selection:
    """The chosen host, or for each host the filter that said no and by how much."""

    host: fleet.Host | None = None
    provider: str = ""
    refused: list[dict[str, str]] = field(default_factory=list)


def resources_of(flavor: Mapping[str, Any], vcpus: int, ram: int) -> dict[str, int]:
    """What a flavor takes of a host, in placement's classes."""
    disk = flavor["disk"] + flavor["ephemeral"] + -(-flavor["swap"] // 1024)
    wanted = {"VCPU": vcpus, "MEMORY_MB": ram, "DISK_GB": disk}
    return {name: amount for name, amount in wanted.items() if amount}


def parse_zone(text: str | None) -> tuple[str | None, str | None]:
    """``zone``, ``zone:host``, ``zone:host:node`` or ``zone::node`` as (zone, host). Raises 400."""
    if text is None or ":" not in text:
        return text or None, None
    parts = text.split(":")
    if len(parts) > 3:
        raise BadRequest("Invalid input received: Unable to parse availability_zone")
    host = parts[1] or (parts[2] if len(parts) == 3 else "")
    return parts[0] or None, host or None


def choose(tx: Transaction, request: RequestSpec, zone_of_hosts: str) -> Selection:
    """The first candidate that passes every filter. Two queries when the first batch holds one."""
    selection = Selection()
    seen: list[str] = []
    if request.zone is not None and request.zone != zone_of_hosts:
        selection.refused.append(
            {"host": "*", "filter": "AvailabilityZoneFilter", "reason": f"no host in {request.zone}"}
        )
        return selection
    only = _only(tx, request, selection)
    if request.host is not None and only is None:
        return selection
    while True:
        limit = _BATCH if only is None else 100_000
        found = placement.candidates(tx, request.resources, limit=limit, exclude=seen)
        if only is not None:
            found = [candidate for candidate in found if candidate.provider_uuid == only]
        hosts = fleet.by_ids(tx, [candidate.provider_uuid for candidate in found])
        for candidate in found:
            reason = _refusal(hosts.get(candidate.provider_uuid), request)
            if reason is None:
                selection.host, selection.provider = hosts[candidate.provider_uuid], candidate.provider_uuid
                return selection
            selection.refused.append({"host": candidate.name, "filter": reason[0], "reason": reason[1]})
        seen += [candidate.provider_uuid for candidate in found]
        if only is not None or len(found) < limit:
            _explain(tx, request, selection, only)
            return selection


def _only(tx: Transaction, request: RequestSpec, selection: Selection) -> str | None:
    """The id of the forced host."""
    if request.host is None:
        return None
    host = fleet.host_by_name(tx, request.host)
    if host is None:
        selection.refused.append({"host": request.host, "filter": "force_hosts", "reason": "there is no such host"})
        return None
    return host.id


def _refusal(host: fleet.Host | None, request: RequestSpec) -> tuple[str, str] | None:
    """The filter that refuses `host`, and why; None when it passes."""
    if host is None:
        return "ComputeFilter", "is not a host of this cloud"
    if host.name in request.exclude:
        return "RetryFilter", "failed to build this server before"
    if "compute" not in host.facts.roles:
        return "ComputeFilter", "does not run servers"
    if host.disabled:
        reason = host.disabled_reason
        return "ComputeFilter", f"is disabled: {reason}" if reason else "is disabled"
    if not host.up:
        return "ComputeFilter", "is down"
    return None


def _explain(tx: Transaction, request: RequestSpec, selection: Selection, only: str | None) -> None:
    """Add who had no room, and how much was lacking."""
    names = {"VCPU": "CoreFilter", "MEMORY_MB": "RamFilter", "DISK_GB": "DiskFilter"}
    lacking = [s for s in placement.shortfalls(tx, request.resources) if only is None or s.provider_uuid == only]
    room = max(0, _SHOWN - len(selection.refused))
    for short in lacking[:room]:
        selection.refused.append(
            {
                "host": short.name,
                "filter": names.get(short.resource_class, short.resource_class),
                "reason": f"{short.resource_class}: needs {short.needed}, has {int(short.free)} free",
            }
        )
    if len(lacking) > room:
        more = len({short.name for short in lacking[room:]} - {short.name for short in lacking[:room]})
        selection.refused.append(
            {"host": f"{more} more hosts", "filter": "ResourceFilters", "reason": "likewise no room"}
        )


def by_host(refused: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """For the timeline: host → the filters that refused it, and why."""
    found: dict[str, str] = {}
    for item in refused:
        reason = f"{item['filter']}: {item['reason']}"
        found[item["host"]] = f"{found[item['host']]}; {reason}" if item["host"] in found else reason
    return found


def no_valid_host(refused: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """Nova's message of the fault, and its details: a line per host."""
    lines = [f"{item['host']}: {item['filter']}: {item['reason']}" for item in refused]
    return (
        "No valid host was found. There are not enough hosts available.",
        "\n".join(lines) or "There is no host in this cloud.",
    )
