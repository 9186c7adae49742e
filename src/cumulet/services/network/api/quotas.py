"""Operations on quotas."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Found
from cumulet.http.bodies import Query, Record, optional, under
from cumulet.http.faults import NotFound
from cumulet.services.network import faults
from cumulet.services.network.bodies import Given
from cumulet.services.network.extension import Body
from cumulet.services.network.model import quotas as model
from cumulet.services.network.service import network as service
from cumulet.services.network.wire.attributes import Refused, integer

_LIMITS: dict[str, Any] = dict.fromkeys(model.DEFAULTS, int)
LIMITS = under("quota", Record("Quota", _LIMITS))
ALL_LIMITS = under("quotas", [Record("QuotaOfProject", {**_LIMITS, "project_id": str, "tenant_id": str})])
USE = Record("QuotaUse", {"limit": int, "used": int, "reserved": int})
DETAILS = under("quota", Record("QuotaDetails", dict.fromkeys(model.DEFAULTS, USE)))
_GIVEN = {name: optional(int) for name in model.DEFAULTS} | {
    **dict.fromkeys(("force", "check_limit"), optional(bool)),
    **dict.fromkeys(("tenant_id", "project_id"), optional(str)),
}
NEW_LIMITS = Given(under("quota", Record("NewQuota", _GIVEN)))


def _target(project_id: str) -> Body:
    return {"project_id": project_id, "tenant_id": project_id}


PROJECT = Found(("project_id",), lambda _, project_id: project_id, _target)
"""The project that a path names, whether there is one or not."""


@service.get("/v2.0/quotas", policy_in_handler="get_quota", response=ALL_LIMITS, query=Query({}))
def list_quotas(call: Call) -> Body:
    """List the quotas of projects that have limits of their own."""
    call.require("get_quota", _target("") if not call.caller.is_admin else None)
    found = model.custom(call.tx)
    return {"quotas": [{**limits, **_target(project_id)} for project_id, limits in found.items()]}


@service.get("/v2.0/quotas/{project_id}", target=PROJECT, policy="get_quota", response=LIMITS)
def show_quotas(call: Call, project_id: str) -> Body:
    """Show a project's quotas."""
    return {"quota": model.limits(call.tx, project_id)}


@service.get("/v2.0/quotas/{project_id}/default", target=PROJECT, policy="get_quota", response=LIMITS)
@service.get("/v2.0/quotas/{project_id}/default.json", target=PROJECT, policy="get_quota", response=LIMITS)
def show_default_quotas(call: Call, project_id: str) -> Body:
    """Show the quotas of a project that has none of its own."""
    return {"quota": dict(model.DEFAULTS)}


@service.get("/v2.0/quotas/{project_id}/details", target=PROJECT, policy="get_quota", response=DETAILS)
@service.get("/v2.0/quotas/{project_id}/details.json", target=PROJECT, policy="get_quota", response=DETAILS)
def show_quota_details(call: Call, project_id: str) -> Body:
    """Show a project's quotas and what is used of them."""
    used = model.used(call.tx, project_id)
    limits = model.limits(call.tx, project_id)
    return {"quota": {name: {"limit": limits[name], "used": used[name], "reserved": 0} for name in limits}}


@service.put("/v2.0/quotas/{project_id}", target=PROJECT, policy="update_quota", request=NEW_LIMITS, response=LIMITS)
def update_quotas(call: Call, project_id: str) -> Body:
    """Set limits of a project."""
    given = call.body.get("quota")
    if not isinstance(given, dict) or len(project_id) > 255:
        raise faults.bad_request("Unable to find 'quota' in request body")
    values = {}
    for name, value in given.items():
        if name in ("force", "check_limit", "tenant_id", "project_id"):
            continue
        if name not in model.DEFAULTS:
            raise faults.bad_request(f"Unrecognized attribute(s) '{name}'")
        try:
            values[name] = integer(-1, 2**31 - 1)(value)
        except Refused as refused:
            raise faults.invalid(name, str(refused)) from None
    model.put(call.tx, project_id, values)
    return {"quota": model.limits(call.tx, project_id)}


@service.delete("/v2.0/quotas/{project_id}", target=PROJECT, policy="delete_quota")
def delete_quotas(call: Call, project_id: str) -> None:
    """Give a project the default quotas back."""
    if not model.reset(call.tx, project_id):
        raise NotFound(f"Quota for tenant {project_id} could not be found.", code="TenantQuotaNotFound")
