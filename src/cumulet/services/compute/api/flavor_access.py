"""Which projects may use a private flavor."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.compute.model import flavors
from cumulet.services.compute.service import service
from cumulet.services.compute.tables import FlavorRow
from cumulet.services.compute.wire import flavors as wire
from cumulet.services.identity import door as identity

_RULE = "os_compute_api:os-flavor-access"


def _answer(call: Call, flavor_id: str) -> dict[str, Any]:
    projects = flavors.projects_with_access(call.tx, flavor_id)
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]}


@service.get(
    "/v2.1/flavors/{flavor_id}/os-flavor-access",
    policy=_RULE,
    response=under("flavor_access", [wire.FLAVOR_ACCESS]),
    query=Query({}),
)
def index(call: Call, flavor_id: str) -> dict[str, Any]:
    """List the projects that may use a private flavor."""
    if flavors.get(call.tx, flavor_id, "", True).is_public:
        raise NotFound("Access list not available for public flavors.")
    return _answer(call, flavor_id)


@service.action(
    "/v2.1/flavors/{flavor_id}/action",
    "addTenantAccess",
    request=wire.TenantAccess,
    policy=f"{_RULE}:add_tenant_access",
    response=under("flavor_access", [wire.FLAVOR_ACCESS]),
)
def add_tenant_access(call: Call, flavor_id: str) -> dict[str, Any]:
    """Give a private flavor to a project."""
    flavor, project = _both(call, flavor_id)
    if flavor.is_public:
        raise Conflict("Can not add access to a public flavor.")
    flavors.give_access(call.tx, flavor.id, project)
    return _answer(call, flavor_id)


@service.action(
    "/v2.1/flavors/{flavor_id}/action",
    "removeTenantAccess",
    request=wire.TenantAccess,
    policy=f"{_RULE}:remove_tenant_access",
    response=under("flavor_access", [wire.FLAVOR_ACCESS]),
)
def remove_tenant_access(call: Call, flavor_id: str) -> dict[str, Any]:
    """Take a private flavor away from a project."""
    flavor, project = _both(call, flavor_id)
    flavors.take_access(call.tx, flavor.id, project)
    return _answer(call, flavor_id)


def _both(call: Call, flavor_id: str) -> tuple[FlavorRow, str]:
    """The flavor, and the project that the body names. Raises 400, 404."""
    project: str = call.body.arguments.tenant
    if not identity.project_exists(call.tx, project):
        raise BadRequest(f"Project ID {project} is not a valid project.")
    return flavors.get(call.tx, flavor_id, "", True), project
