"""Which projects may use a private flavor."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.http.shapes import Invalid, parse
from cumulet.services.compute.model import flavors
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import flavors as wire
from cumulet.services.identity import door as identity

_RULE = "os_compute_api:os-flavor-access"


def _answer(call: Call, flavor_id: str) -> dict[str, Any]:
    projects = flavors.projects_with_access(call.tx, flavor_id)
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]}


@service.get("/v2.1/flavors/{flavor_id}/os-flavor-access", policy=_RULE)
def index(call: Call, flavor_id: str) -> dict[str, Any]:
    """List the projects that may use a private flavor."""
    if flavors.get(call.tx, flavor_id, "", True).is_public:
        raise NotFound("Access list not available for public flavors.")
    return _answer(call, flavor_id)


_ACTIONS = service.actions["/flavors/?/action"] = ("addTenantAccess", "removeTenantAccess")


@service.post("/v2.1/flavors/{flavor_id}/action", request=dict, policy_in_handler=f"{_RULE}:add_tenant_access")
def action(call: Call, flavor_id: str) -> dict[str, Any]:
    """Give a private flavor to a project, or take it away."""
    name = next(iter(call.body), "")
    if len(call.body) != 1 or name not in _ACTIONS:
        raise BadRequest(f"There is no such action: {name}")
    adds = name == "addTenantAccess"
    call.require(f"{_RULE}:{'add' if adds else 'remove'}_tenant_access")
    try:
        project = parse(wire.TenantAccess, call.body[name], call.version).tenant
    except Invalid as invalid:
        raise service.invalidity(invalid) from None
    if not identity.project_exists(call.tx, project):
        raise BadRequest(f"Project ID {project} is not a valid project.")
    row = flavors.get(call.tx, flavor_id, "", True)
    if adds:
        if row.is_public:
            raise Conflict("Can not add access to a public flavor.")
        flavors.give_access(call.tx, flavor_id, project)
    else:
        flavors.take_access(call.tx, flavor_id, project)
    return _answer(call, flavor_id)
