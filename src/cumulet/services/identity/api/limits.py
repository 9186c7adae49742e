"""Limits of projects and domains: list, create several, show, update, delete; and the model they follow."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import limits as model
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.limits import FullLimitRow
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import ProjectRow
from cumulet.services.identity.wire import limits as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import given

_FIELDS = ("service_id", "region_id", "resource_name", "resource_limit", "description", "project_id", "domain_id")


@identity.get("/v3/limits", policy="identity:list_limits", response=listed("limits", wire.LIMIT), query=wire.QUERY)
def browse(call: Call) -> Any:
    """List limits: all for administrators, services and readers of the system, else those of one's own scope."""
    caller, own = call.caller, {}
    if not (caller.system_scope or caller.is_admin or "service" in caller.roles):
        own = {"domain_id": caller.domain_id} if caller.domain_id else {"project_id": caller.project_id or "-"}
    return collection(call, "limits", model.browse(call.tx, call.query, **own), wire.shown)


@identity.post(
    "/v3/limits",
    policy="identity:create_limits",
    request=wire.LimitsCreateRequest,
    status=201,
    response=under("limits", [wire.LIMIT]),
)
def create(call: Call) -> Any:
    """Create limits, all or none."""
    asked = [given(each, *_FIELDS) for each in call.body.limits]
    if any(("project_id" in each) == ("domain_id" in each) for each in asked):
        raise BadRequest("Each limit needs either a project_id or a domain_id.")
    made = model.create(call.tx, asked, call.context.limit_model)
    return {"limits": [wire.shown(call, row) for row in made]}


@identity.get(
    "/v3/limits/model", policy="identity:get_limit_model", transaction="none", response=under("model", wire.MODEL)
)
def show_model(call: Call) -> Any:
    """Show by which model limits of a tree have to agree."""
    name = call.context.limit_model
    return {"model": {"name": name, "description": model.MODELS[name]}}


@identity.get("/v3/limits/{limit_id}", policy_in_handler="identity:get_limit", response=under("limit", wire.LIMIT))
def show(call: Call, limit_id: str) -> Any:
    """Show a limit."""
    row = model.find(call.tx, limit_id)
    call.require("identity:get_limit", _target(call, row))
    if row is None:
        raise model.missing(limit_id)
    return {"limit": wire.shown(call, row)}


@identity.patch(
    "/v3/limits/{limit_id}",
    policy="identity:update_limit",
    request=wire.LimitUpdateRequest,
    response=under("limit", wire.LIMIT),
)
def update(call: Call, limit_id: str) -> Any:
    """Update a limit."""
    row = model.find(call.tx, limit_id)
    if row is None:
        raise model.missing(limit_id)
    fields = given(call.body.limit, "resource_limit", "description")
    return {"limit": wire.shown(call, model.update(call.tx, row, fields, call.context.limit_model))}


@identity.delete("/v3/limits/{limit_id}", policy="identity:delete_limit")
def delete(call: Call, limit_id: str) -> None:
    """Delete a limit."""
    if model.find(call.tx, limit_id) is None:
        raise model.missing(limit_id)
    model.delete(call.tx, limit_id)


def _target(call: Call, row: FullLimitRow | None) -> dict[str, Any]:
    if row is None:
        return {}
    if row.domain_id:
        return {"target.limit.domain.id": row.domain_id}
    project = lookups.find(call.tx, ProjectRow, row.project_id or "")
    found = {"target.limit.project_id": row.project_id}
    return found | ({"target.limit.project.domain_id": project.domain_id} if project is not None else {})
