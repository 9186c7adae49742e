"""Hypervisors: the machines that servers run on."""

from __future__ import annotations

import re
import uuid
from typing import Any

import msgspec

from cumulet.db.times import SECOND
from cumulet.fleet import door as fleet
from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.compute.api import queries
from cumulet.services.compute.model import hosts
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import hypervisors as wire
from cumulet.services.compute.wire.links import listed, next_page

_RULE = "os_compute_api:os-hypervisors"


def _ident(call: Call, host: fleet.Host) -> str | int:
    return host.id if call.version >= (2, 53) else host.number


def _basic(call: Call, host: fleet.Host) -> dict[str, Any]:
    return {
        "id": _ident(call, host),
        "hypervisor_hostname": host.name,
        "state": "up" if host.up else "down",
        "status": "disabled" if host.disabled else "enabled",
    }


def _full(call: Call, host: fleet.Host, load: hosts.Load) -> dict[str, Any]:
    facts = host.facts
    number = host.number + 2
    body = _basic(call, host) | {
        "hypervisor_type": facts.hypervisor_type,
        "hypervisor_version": facts.hypervisor_version,
        "host_ip": facts.tunnel_ip or "127.0.0.1",
        "service": {
            "host": host.name,
            "id": hosts.service_id("nova-compute", host.name) if call.version >= (2, 53) else number,
            "disabled_reason": host.disabled_reason,
        },
    }
    if call.version < (2, 88):
        body |= _numbers(host, load)
        body["cpu_info"] = facts.cpu_info if call.version >= (2, 28) else msgspec.json.encode(facts.cpu_info).decode()
    return body


def _numbers(host: fleet.Host, load: hosts.Load) -> dict[str, Any]:
    facts = host.facts
    reserved = min(hosts.RESERVED_RAM_MB, facts.memory_mb // 4)
    return {
        "vcpus": facts.vcpus,
        "memory_mb": facts.memory_mb,
        "local_gb": facts.disk_gb,
        "vcpus_used": load.vcpus,
        "memory_mb_used": load.ram + reserved,
        "local_gb_used": load.disk,
        "free_ram_mb": facts.memory_mb - load.ram - reserved,
        "free_disk_gb": facts.disk_gb - load.disk,
        "current_workload": load.busy,
        "running_vms": load.servers,
        "disk_available_least": facts.disk_gb - load.disk,
    }


def _uptime(call: Call, host: fleet.Host) -> str | None:
    """How long the host has been known, in the words of `uptime`; None for one that is down."""
    if not host.up:
        return None
    minutes = max(0, call.tx.now - host.joined_at) // (60 * SECOND)
    days, rest = divmod(minutes, 1440)
    return f" up {days} days, {rest // 60:2d}:{rest % 60:02d},  0 users,  load average: 0.00, 0.00, 0.00"


def _selected(call: Call) -> list[fleet.Host]:
    """Hosts of the list: by pattern and page."""
    found = hosts.compute_hosts(call.tx)
    pattern = queries.one(call, "hypervisor_hostname_pattern") if call.version >= (2, 53) else None
    if pattern is not None:
        if queries.one(call, "limit") or queries.one(call, "marker"):
            raise BadRequest(
                "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported."
            )
        found = [host for host in found if pattern.lower() in host.name.lower()]
        if not found:
            raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    if call.version >= (2, 33) and (marker := queries.one(call, "marker")) is not None:
        places = [index for index, host in enumerate(found) if str(_ident(call, host)) == marker]
        if not places:
            raise BadRequest(f"marker [{marker}] not found")
        found = found[places[0] + 1 :]
    return found


def _listed(call: Call, detailed: bool) -> dict[str, Any]:
    found, limit = _selected(call), queries.limit_of(call) if call.version >= (2, 33) else None
    more = limit is not None and len(found) > limit
    found = found[:limit]
    loads = hosts.loads(call.tx) if detailed else {}
    bodies = [
        _full(call, host, loads.get(host.name, hosts.Load())) if detailed else _basic(call, host) for host in found
    ]
    if call.version >= (2, 53) and queries.flag(call, "with_servers"):
        _with_servers(call, found, bodies)
    body: dict[str, Any] = {"hypervisors": bodies}
    if more and found:
        path = "/os-hypervisors/detail" if detailed else "/os-hypervisors"
        body["hypervisors_links"] = next_page(call, path, str(_ident(call, found[-1])), call.query)
    return body


def _with_servers(call: Call, found: list[fleet.Host], bodies: list[dict[str, Any]]) -> None:
    by_host = hosts.servers_on(call.tx, [host.name for host in found])
    for host, body in zip(found, bodies, strict=True):
        if by_host.get(host.name) or call.version >= (2, 75):
            body["servers"] = by_host.get(host.name, [])


@service.get(
    "/v2.1/os-hypervisors",
    policy=f"{_RULE}:list",
    response=listed("hypervisors", wire.SHORT_HYPERVISOR),
    query=wire.QUERY,
)
def index(call: Call) -> dict[str, Any]:
    """List hypervisors."""
    return _listed(call, False)


@service.get(
    "/v2.1/os-hypervisors/detail",
    policy=f"{_RULE}:list-detail",
    response=listed("hypervisors", wire.LISTED_HYPERVISOR),
    query=wire.QUERY,
)
def detail(call: Call) -> dict[str, Any]:
    """List hypervisors with details."""
    return _listed(call, True)


@service.get(
    "/v2.1/os-hypervisors/statistics",
    policy=f"{_RULE}:statistics",
    until=(2, 87),
    response=under("hypervisor_statistics", wire.STATISTICS),
)
def statistics(call: Call) -> dict[str, Any]:
    """Sum up all hypervisors that are enabled."""
    loads = hosts.loads(call.tx)
    total: dict[str, int] = dict.fromkeys(_STATISTICS, 0)
    for host in hosts.compute_hosts(call.tx):
        if host.disabled:
            continue
        total["count"] += 1
        for name, value in _numbers(host, loads.get(host.name, hosts.Load())).items():
            total[name] += value
    return {"hypervisor_statistics": total}


_STATISTICS = (
    "count",
    "vcpus",
    "memory_mb",
    "local_gb",
    "vcpus_used",
    "memory_mb_used",
    "local_gb_used",
    "free_ram_mb",
    "free_disk_gb",
    "current_workload",
    "running_vms",
    "disk_available_least",
)


def _one(call: Call, ident: str) -> fleet.Host:
    if call.version >= (2, 53):
        try:
            uuid.UUID(ident)
        except ValueError:
            raise BadRequest(f"Invalid uuid {ident}") from None
    elif not re.fullmatch(r"[0-9]{1,12}", ident):
        raise NotFound(f"Hypervisor with ID '{ident}' could not be found.")
    for host in hosts.compute_hosts(call.tx):
        if str(_ident(call, host)) == ident:
            return host
    raise NotFound(f"Hypervisor with ID '{ident}' could not be found.")


@service.get(
    "/v2.1/os-hypervisors/{ident}",
    policy=f"{_RULE}:show",
    response=under("hypervisor", wire.HYPERVISOR),
    query=wire.WITH_SERVERS,
)
def show(call: Call, ident: str) -> dict[str, Any]:
    """Show a hypervisor."""
    host = _one(call, ident)
    body = _full(call, host, hosts.loads(call.tx, [host.name]).get(host.name, hosts.Load()))
    if call.version >= (2, 88):
        body["uptime"] = _uptime(call, host)
    if call.version >= (2, 53) and queries.flag(call, "with_servers"):
        _with_servers(call, [host], [body])
    return {"hypervisor": body}


@service.get(
    "/v2.1/os-hypervisors/{ident}/uptime",
    policy=f"{_RULE}:uptime",
    until=(2, 87),
    response=under("hypervisor", wire.HYPERVISOR_UPTIME),
)
def uptime(call: Call, ident: str) -> dict[str, Any]:
    """Show how long a hypervisor has been up."""
    host = _one(call, ident)
    if not host.up:
        raise BadRequest(f"Compute service of {host.name} is unavailable at this time.")
    return {"hypervisor": _basic(call, host) | {"uptime": _uptime(call, host)}}


@service.get(
    "/v2.1/os-hypervisors/{pattern}/search",
    policy=f"{_RULE}:search",
    until=(2, 52),
    response=under("hypervisors", [wire.FOUND_HYPERVISOR]),
    query=Query({}),
)
def search(call: Call, pattern: str) -> dict[str, Any]:
    """Find hypervisors by a part of their names."""
    return {"hypervisors": [_basic(call, host) for host in _matching(call, pattern)]}


@service.get(
    "/v2.1/os-hypervisors/{pattern}/servers",
    policy=f"{_RULE}:servers",
    until=(2, 52),
    response=under("hypervisors", [wire.FOUND_HYPERVISOR_WITH_SERVERS]),
    query=Query({}),
)
def servers(call: Call, pattern: str) -> dict[str, Any]:
    """Find hypervisors by a part of their names, with their servers."""
    found = _matching(call, pattern)
    bodies = [_basic(call, host) for host in found]
    _with_servers(call, found, bodies)
    return {"hypervisors": bodies}


def _matching(call: Call, pattern: str) -> list[fleet.Host]:
    found = [host for host in hosts.compute_hosts(call.tx) if pattern.lower() in host.name.lower()]
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return found
