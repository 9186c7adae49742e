"""Projects: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import PROJECT, Listing, own_domain
from cumulet.services.identity.model import hierarchy, lookups
from cumulet.services.identity.model import projects as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import ProjectRow
from cumulet.services.identity.wire import projects as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

_FIELDS = ("name", "domain_id", "parent_id", "description", "enabled", "is_domain", "options")


@identity.get(
    "/v3/projects",
    target=Listing(),
    policy="identity:list_projects",
    response=listed("projects", wire.PROJECT),
    query=wire.QUERY,
)
def browse(call: Call, domain_id: str | None) -> Any:
    """List projects."""
    rows = model.browse(call.tx, call.query, domain_id)
    return collection(call, "projects", model.with_tags(call.tx, rows), wire.shown)


@identity.post(
    "/v3/projects",
    policy_in_handler="identity:create_project",
    request=wire.ProjectCreateRequest,
    status=201,
    response=under("project", wire.PROJECT),
)
def create(call: Call) -> Any:
    """Create a project."""
    project: wire.ProjectCreate = call.body.project
    fields = given(project, *_FIELDS)
    if not project.is_domain and not fields.get("domain_id"):
        parent = lookups.find(call.tx, ProjectRow, fields["parent_id"]) if fields.get("parent_id") else None
        domain_id = (parent.id if parent.is_domain else parent.domain_id) if parent is not None else None
        fields["domain_id"] = domain_id or own_domain(call)
    call.require("identity:create_project", {f"target.project.{name}": fields[name] for name in fields if fields[name]})
    if project.is_domain:
        call.require("identity:create_domain")
    fields["extra"] = extra(wire.ProjectCreate, call.raw["project"])
    return {"project": wire.shown(call, model.create(call.tx, fields, project.tags or ()))}


@identity.get(
    "/v3/projects/{project_id}",
    target=PROJECT,
    policy="identity:get_project",
    response=under("project", wire.PROJECT_WITH_RELATIVES),
    query=wire.RELATIVES_QUERY,
)
def show(call: Call, project: ProjectRow) -> Any:
    """Show a project."""
    shown = wire.shown(call, model.with_tags(call.tx, [project])[0])
    return {"project": shown | _relatives(call, project)}


def _relatives(call: Call, row: ProjectRow) -> dict[str, Any]:
    """Parents and subtree, as lists or as ids, if the query asks for them."""
    told: dict[str, Any] = {}
    for key, find in (("parents", hierarchy.above), ("subtree", hierarchy.below)):
        as_list, as_ids = f"{key}_as_list" in call.query, f"{key}_as_ids" in call.query
        if as_list and as_ids:
            raise BadRequest(f"Cannot use {key}_as_list and {key}_as_ids query params at the same time.")
        if as_list:
            rows = hierarchy.accessible(call.tx, find(call.tx, row), call.caller.user_id)
            told[key] = [{"project": wire.shown(call, each)} for each in model.with_tags(call.tx, rows)]
        elif as_ids:
            rows = list(find(call.tx, row))
            told[key] = hierarchy.ids_above(rows) if key == "parents" else hierarchy.ids_below(row.id, rows)
    return told


@identity.patch(
    "/v3/projects/{project_id}",
    target=PROJECT,
    policy="identity:update_project",
    request=wire.ProjectUpdateRequest,
    response=under("project", wire.PROJECT),
)
def update(call: Call, project: ProjectRow) -> Any:
    """Update a project."""
    if project.is_domain:
        call.require("identity:update_domain")
    fields = given(call.body.project, *_FIELDS)
    fields["extra"] = project.extra | extra(wire.ProjectUpdate, call.raw["project"])
    tags = given(call.body.project, "tags").get("tags")
    return {"project": wire.shown(call, model.update(call.tx, project, fields, tags))}


@identity.delete("/v3/projects/{project_id}", target=PROJECT, policy="identity:delete_project")
def delete(call: Call, project: ProjectRow) -> None:
    """Delete a project."""
    if project.is_domain:
        call.require("identity:delete_domain")
    model.delete(call.tx, project)
