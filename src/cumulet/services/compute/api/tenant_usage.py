"""os-simple-tenant-usage: how much of what each project ran."""

from __future__ import annotations

from typing import Any

from cumulet.db import iso
from cumulet.db.times import SECOND, parse_iso
from cumulet.http import Call
from cumulet.http.bodies import optional, since, under
from cumulet.http.collections import boolean, is_full
from cumulet.http.faults import BadRequest
from cumulet.services.compute.api import queries
from cumulet.services.compute.api.server_lookup import PROJECT
from cumulet.services.compute.model import tenant_usage
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import tenant_usage as wire
from cumulet.services.compute.wire.links import LINKS, next_page

_RULE = "os_compute_api:os-simple-tenant-usage"
_MONTH = 28 * 24 * 3600 * SECOND


def _time(call: Call, name: str, default: int) -> int:
    text = queries.one(call, name)
    if not text:
        return default
    try:
        return parse_iso(text.strip())
    except (ValueError, OverflowError):
        raise BadRequest("Invalid datetime string") from None


def _found(call: Call, project_id: str | None) -> tuple[list[tenant_usage.ProjectUsage], int, int, int | None]:
    now = call.tx.now
    end = _time(call, "end", now)
    start = _time(call, "start", min(end, now) - _MONTH)
    if start > end:
        raise BadRequest("Invalid start time. The start time cannot occur after the end time.")
    paging = call.version >= (2, 40)
    limit = queries.limit_of(call) if paging else None
    marker = queries.one(call, "marker") if paging else None
    try:
        found = tenant_usage.usages(call.tx, start, end, project_id, limit, marker)
    except KeyError:
        raise BadRequest(f"marker [{marker}] not found") from None
    return list(found), start, end, limit


def _shape(usage: tenant_usage.ProjectUsage, start: int, end: int, detailed: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "tenant_id": usage.project_id,
        "start": iso(start, micro=True, zone=""),
        "stop": iso(end, micro=True, zone=""),
        "total_hours": usage.hours,
        "total_vcpus_usage": usage.vcpu_hours,
        "total_memory_mb_usage": usage.ram_mb_hours,
        "total_local_gb_usage": usage.disk_gb_hours,
    }
    if detailed:
        body["server_usages"] = usage.rows
    return body


def _links(call: Call, path: str, found: list[tenant_usage.ProjectUsage], limit: int | None) -> list[dict[str, str]]:
    rows = [row["instance_id"] for usage in found for row in usage.rows]
    return next_page(call, path, max(rows), call.query) if is_full([*rows], limit) else []


@service.get(
    "/v2.1/os-simple-tenant-usage",
    policy=f"{_RULE}:list",
    response=under("tenant_usages", [wire.USAGE], tenant_usages_links=optional(since("2.40", LINKS))),
    query=wire.QUERY,
)
def index(call: Call) -> dict[str, Any]:
    """Usage of all projects."""
    detailed = bool(boolean(queries.one(call, "detailed") or "0"))
    found, start, end, limit = _found(call, None)
    body: dict[str, Any] = {"tenant_usages": [_shape(usage, start, end, detailed) for usage in found]}
    if links := _links(call, "/os-simple-tenant-usage", found, limit):
        body["tenant_usages_links"] = links
    return body


@service.get(
    "/v2.1/os-simple-tenant-usage/{project_id}",
    target=PROJECT,
    policy=f"{_RULE}:show",
    response=under("tenant_usage", wire.USAGE_OR_NONE, tenant_usage_links=optional(since("2.40", LINKS))),
    query=wire.QUERY_OF_ONE,
)
def show(call: Call, project_id: str) -> dict[str, Any]:
    """Usage of one project."""
    found, start, end, limit = _found(call, project_id)
    body: dict[str, Any] = {"tenant_usage": _shape(found[0], start, end, True) if found else {}}
    if links := _links(call, f"/os-simple-tenant-usage/{project_id}", found, limit):
        body["tenant_usage_links"] = links
    return body
