"""Limits: a project's quotas in the form that clients of the first API knew."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.compute.api import queries
from cumulet.services.compute.api.quota_sets import used
from cumulet.services.compute.model import quotas
from cumulet.services.compute.service import service
from cumulet.services.compute.wire.limits import LIMITS, QUERY

_NAMES = {
    "maxTotalInstances": "instances",
    "maxTotalCores": "cores",
    "maxTotalRAMSize": "ram",
    "maxTotalKeypairs": "key_pairs",
    "maxServerMeta": "metadata_items",
    "maxServerGroups": "server_groups",
    "maxServerGroupMembers": "server_group_members",
}
_NETWORK = {
    "maxTotalFloatingIps": "floating_ips",
    "maxSecurityGroups": "security_groups",
    "maxSecurityGroupRules": "security_group_rules",
}
_FILES = {"maxPersonality": "injected_files", "maxPersonalitySize": "injected_file_content_bytes"}


@service.get("/v2.1/limits", policy="os_compute_api:limits", response=under("limits", LIMITS), query=QUERY)
def index(call: Call) -> dict[str, Any]:
    """Show limits and what is used of them."""
    project_id = call.caller.project_id or ""
    asked = queries.one(call, "tenant_id")
    if asked is not None and asked != project_id:
        call.require("os_compute_api:limits:other_project")
        project_id = asked
    limits, in_use = quotas.limits(call.tx, project_id), used(call.tx, project_id)
    absolute: dict[str, int] = {name: limits[resource] for name, resource in _NAMES.items()}
    absolute |= {
        "totalInstancesUsed": in_use["instances"],
        "totalCoresUsed": in_use["cores"],
        "totalRAMUsed": in_use["ram"],
        "totalServerGroupsUsed": 0,
    }
    if call.version < (2, 36):
        absolute |= {name: limits[resource] for name, resource in _NETWORK.items()}
        absolute |= {"totalFloatingIpsUsed": 0, "totalSecurityGroupsUsed": 0}
    if call.version < (2, 39):
        absolute["maxImageMeta"] = limits["metadata_items"]
    if call.version < (2, 57):
        absolute |= {name: limits[resource] for name, resource in _FILES.items()}
    return {"limits": {"rate": [], "absolute": absolute}}
