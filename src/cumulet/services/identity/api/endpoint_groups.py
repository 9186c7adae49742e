"""Endpoint groups, which gather endpoints by filters: list, create, show, update, delete, and who has them."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import check_id
from cumulet.services.identity.model import endpoint_filters as model
from cumulet.services.identity.model import lookups, projects
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import EndpointGroupRow, ProjectRow
from cumulet.services.identity.wire import catalog
from cumulet.services.identity.wire import endpoint_groups as wire
from cumulet.services.identity.wire import projects as project_wire
from cumulet.services.identity.wire.collections import collection, filters, listed
from cumulet.services.identity.wire.fields import given

_ALL = "/v3/OS-EP-FILTER/endpoint_groups"
_ONE = _ALL + "/{endpoint_group_id}"
_PROJECT = _ONE + "/projects/{project_id}"
_NOUN = "endpoint_group"


def _fields(asked: Any) -> dict[str, Any]:
    """Columns for what a request says. Raises 400 for filters that let everything through."""
    fields = given(asked, "name", "description", "filters")
    if "filters" in fields:
        fields["filters"] = given(fields["filters"], *model.FILTERS)
        if not fields["filters"]:
            raise BadRequest("filters field is required and cannot be empty")
    return fields


@identity.get(
    _ALL,
    policy="identity:list_endpoint_groups",
    response=listed("endpoint_groups", wire.ENDPOINT_GROUP),
    query=wire.QUERY,
)
def browse(call: Call) -> Any:
    """List endpoint groups."""
    return collection(call, "endpoint_groups", model.browse(call.tx, call.query), wire.shown)


@identity.post(
    _ALL,
    policy="identity:create_endpoint_group",
    request=wire.EndpointGroupCreateRequest,
    status=201,
    response=under("endpoint_group", wire.ENDPOINT_GROUP),
)
def create(call: Call) -> Any:
    """Create an endpoint group."""
    return {"endpoint_group": wire.shown(call, model.create(call.tx, _fields(call.body.endpoint_group)))}


@identity.get(_ONE, policy="identity:get_endpoint_group", response=under("endpoint_group", wire.ENDPOINT_GROUP))
def show(call: Call, endpoint_group_id: str) -> Any:
    """Show an endpoint group."""
    return {"endpoint_group": wire.shown(call, lookups.get(call.tx, EndpointGroupRow, endpoint_group_id))}


@identity.patch(
    _ONE,
    policy="identity:update_endpoint_group",
    request=wire.EndpointGroupUpdateRequest,
    response=under("endpoint_group", wire.ENDPOINT_GROUP),
)
def update(call: Call, endpoint_group_id: str) -> Any:
    """Update an endpoint group, and what its projects see."""
    lookups.get(call.tx, EndpointGroupRow, endpoint_group_id)
    check_id(call, _NOUN, endpoint_group_id)
    fields = _fields(call.body.endpoint_group)
    if not fields:
        raise BadRequest("Invalid input for field 'endpoint_group': {} does not have enough properties")
    return {"endpoint_group": wire.shown(call, model.update(call.tx, endpoint_group_id, fields))}


@identity.delete(_ONE, policy="identity:delete_endpoint_group")
def delete(call: Call, endpoint_group_id: str) -> None:
    """Delete an endpoint group and take it from its projects."""
    lookups.get(call.tx, EndpointGroupRow, endpoint_group_id)
    model.delete(call.tx, endpoint_group_id)


@identity.get(
    f"{_ONE}/endpoints",
    policy="identity:list_endpoints_associated_with_endpoint_group",
    response=listed("endpoints", catalog.ENDPOINT),
    query=filters(),
)
def browse_endpoints(call: Call, endpoint_group_id: str) -> Any:
    """List the endpoints that an endpoint group gathers."""
    rows = model.in_group(call.tx, lookups.get(call.tx, EndpointGroupRow, endpoint_group_id))
    return collection(call, "endpoints", rows, catalog.endpoint, whole=True)


@identity.get(
    f"{_ONE}/projects",
    policy="identity:list_projects_associated_with_endpoint_group",
    response=listed("projects", project_wire.PROJECT),
    query=filters(),
)
def browse_projects(call: Call, endpoint_group_id: str) -> Any:
    """List the projects that have an endpoint group."""
    lookups.get(call.tx, EndpointGroupRow, endpoint_group_id)
    rows = model.projects_of(call.tx, _NOUN, endpoint_group_id)
    return collection(call, "projects", projects.with_tags(call.tx, rows), project_wire.shown, whole=True)


def _checked(call: Call, endpoint_group_id: str, project_id: str) -> tuple[str, str, str]:
    """What `model` wants to know. Raises 404."""
    lookups.get(call.tx, ProjectRow, project_id)
    lookups.get(call.tx, EndpointGroupRow, endpoint_group_id)
    return _NOUN, endpoint_group_id, project_id


@identity.get(
    _PROJECT, policy="identity:get_endpoint_group_in_project", response=under("project_endpoint_group", wire.MEMBERSHIP)
)
def show_project(call: Call, endpoint_group_id: str, project_id: str) -> Any:
    """Show that a project has an endpoint group."""
    model.check(call.tx, *_checked(call, endpoint_group_id, project_id))
    return {"project_endpoint_group": wire.membership(call, endpoint_group_id, project_id)}


@identity.put(_PROJECT, policy="identity:add_endpoint_group_to_project", status=204)
def add_project(call: Call, endpoint_group_id: str, project_id: str) -> None:
    """Give a project an endpoint group."""
    model.link(call.tx, *_checked(call, endpoint_group_id, project_id))


@identity.delete(_PROJECT, policy="identity:remove_endpoint_group_from_project")
def remove_project(call: Call, endpoint_group_id: str, project_id: str) -> None:
    """Take an endpoint group from a project."""
    model.unlink(call.tx, *_checked(call, endpoint_group_id, project_id))
