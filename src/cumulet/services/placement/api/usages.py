"""Usages: of a provider, and of a project."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest
from cumulet.services.placement.model import allocations, providers
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import queries
from cumulet.services.placement.wire.freshness import dated


@service.get("/resource_providers/{provider}/usages", policy="placement:resource_providers:usages")
def of_provider(call: Call, provider: str) -> Reply:
    """What is allocated on a provider."""
    row = providers.get(call.tx, provider)
    used = allocations.usages(call.tx, [provider])[provider]
    return dated(call, {"resource_provider_generation": row.generation, "usages": used})


@service.get("/usages", since=(1, 9), policy_in_handler="placement:usages")
def of_project(call: Call) -> Reply:
    """What the consumers of a project hold, since 1.38 by consumer type."""
    typed = call.version >= (1, 38)
    queries.refuse_others(call.query, {"project_id", "user_id", *(["consumer_type"] if typed else [])})
    if not call.query.get("project_id", [""])[-1]:
        raise BadRequest("Invalid query string parameters: 'project_id' is a required property")
    project = call.query["project_id"][-1]
    call.require("placement:usages", {"project_id": project})
    rows = allocations.project_usages(call.tx, project, call.query.get("user_id", [None])[-1])
    if not typed:
        return dated(call, {"usages": _summed(rows)})
    return dated(call, {"usages": _by_type(rows, call.query.get("consumer_type", [None])[-1])})


def _summed(rows: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for row in rows:
        total[row.resource_class] = total.get(row.resource_class, 0) + int(row.used)
    return total


def _by_type(rows: Any, only: str | None) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        kind = "all" if only == "all" else row.consumer_type or "unknown"
        if only not in (None, "all", kind):
            continue
        group = found.setdefault(kind, {"consumer_count": 0})
        group[row.resource_class] = group.get(row.resource_class, 0) + int(row.used)
        group["consumer_count"] = max(group["consumer_count"], int(row.consumers))
    return found
