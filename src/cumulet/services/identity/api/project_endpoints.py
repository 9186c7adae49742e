"""Which endpoints a project sees in its catalog, when it is not to see all."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.services.identity.model import endpoint_filters as model
from cumulet.services.identity.model import lookups, projects
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import EndpointRow, ProjectRow
from cumulet.services.identity.wire import catalog, endpoint_groups
from cumulet.services.identity.wire import projects as project_wire
from cumulet.services.identity.wire.collections import collection, filters, listed

_PROJECT = "/v3/OS-EP-FILTER/projects/{project_id}"
_ONE = _PROJECT + "/endpoints/{endpoint_id}"


@identity.get(
    "/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects",
    policy="identity:list_projects_for_endpoint",
    response=listed("projects", project_wire.PROJECT),
    query=filters(),
)
def browse_projects(call: Call, endpoint_id: str) -> Any:
    """List the projects that an endpoint is associated with."""
    lookups.get(call.tx, EndpointRow, endpoint_id)
    rows = model.projects_of(call.tx, "endpoint", endpoint_id)
    return collection(call, "projects", projects.with_tags(call.tx, rows), project_wire.shown, whole=True)


@identity.get(
    f"{_PROJECT}/endpoints",
    policy="identity:list_endpoints_for_project",
    response=listed("endpoints", catalog.ENDPOINT),
    query=filters(),
)
def browse(call: Call, project_id: str) -> Any:
    """List the endpoints that are associated with a project, singly or by groups."""
    lookups.get(call.tx, ProjectRow, project_id)
    return collection(call, "endpoints", model.of_project(call.tx, project_id), catalog.endpoint, whole=True)


@identity.get(
    f"{_PROJECT}/endpoint_groups",
    policy="identity:list_endpoint_groups_for_project",
    response=listed("endpoint_groups", endpoint_groups.ENDPOINT_GROUP),
    query=filters(),
)
def browse_groups(call: Call, project_id: str) -> Any:
    """List the endpoint groups of a project."""
    lookups.get(call.tx, ProjectRow, project_id)
    return collection(call, "endpoint_groups", model.groups_of(call.tx, project_id), endpoint_groups.shown, whole=True)


def _checked(call: Call, project_id: str, endpoint_id: str) -> tuple[str, str, str]:
    """What `model` wants to know. Raises 404."""
    lookups.get(call.tx, EndpointRow, endpoint_id)
    lookups.get(call.tx, ProjectRow, project_id)
    return "endpoint", endpoint_id, project_id


@identity.get(_ONE, policy="identity:check_endpoint_in_project", status=204)
def check(call: Call, project_id: str, endpoint_id: str) -> None:
    """Check that an endpoint is associated with a project."""
    model.check(call.tx, *_checked(call, project_id, endpoint_id))


@identity.put(_ONE, policy="identity:add_endpoint_to_project", status=204)
def add(call: Call, project_id: str, endpoint_id: str) -> None:
    """Associate an endpoint with a project, which then sees only such ones."""
    model.link(call.tx, *_checked(call, project_id, endpoint_id))


@identity.delete(_ONE, policy="identity:remove_endpoint_from_project")
def remove(call: Call, project_id: str, endpoint_id: str) -> None:
    """Dissociate an endpoint from a project."""
    model.unlink(call.tx, *_checked(call, project_id, endpoint_id))
