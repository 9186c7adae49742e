"""Tags of a project: list, check, add, replace, remove."""

from __future__ import annotations

import re
from typing import Any

from cumulet.http import Call, Reply
from cumulet.http.bodies import EMPTY, Query
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import PROJECT
from cumulet.services.identity.model import options
from cumulet.services.identity.model import project_tags as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import ProjectRow
from cumulet.services.identity.wire import projects as wire

_ALL = "/v3/projects/{project_id}/tags"
_ONE = f"{_ALL}/{{value}}"
_FORM = re.compile(r"[^,/]{1,255}", re.S)


@identity.get(_ALL, target=PROJECT, policy="identity:list_project_tags", response=wire.TAGS, query=Query({}))
def browse(call: Call, project: ProjectRow) -> Any:
    """List the tags of a project."""
    return _shown(call, project.id)


@identity.put(_ALL, target=PROJECT, policy="identity:update_project_tags", request=wire.TagsRequest, response=wire.TAGS)
def replace(call: Call, project: ProjectRow) -> Any:
    """Replace all tags of a project."""
    _changing(project)
    model.replace(call.tx, project.id, call.body.tags)
    return _shown(call, project.id)


@identity.delete(_ALL, target=PROJECT, policy="identity:delete_project_tags")
def clear(call: Call, project: ProjectRow) -> None:
    """Remove all tags of a project."""
    _changing(project)
    model.replace(call.tx, project.id, ())


@identity.get(_ONE, target=PROJECT, policy="identity:get_project_tag", status=204)
def check(call: Call, project: ProjectRow, value: str) -> None:
    """Check whether a project has a tag."""
    model.check(call.tx, project.id, value)


@identity.put(_ONE, target=PROJECT, policy="identity:create_project_tag", status=201, response=EMPTY)
def add(call: Call, project: ProjectRow, value: str) -> Reply:
    """Add a tag to a project."""
    _changing(project)
    if not _FORM.fullmatch(value):
        raise BadRequest(f"Invalid input for field 'tag': {value!r} does not match '^[^,/]*$'")
    model.add(call.tx, project.id, value)
    return Reply(b"", headers={"Location": f"{call.base_url}{call.path}"})


@identity.delete(_ONE, target=PROJECT, policy="identity:delete_project_tag")
def remove(call: Call, project: ProjectRow, value: str) -> None:
    """Remove a tag from a project."""
    _changing(project)
    model.remove(call.tx, project.id, value)


def _changing(project: ProjectRow) -> None:
    """Raise 403 when the project is immutable."""
    options.check_update("project", project, {})


def _shown(call: Call, project_id: str) -> dict[str, Any]:
    return {
        "tags": model.browse(call.tx, project_id),
        "links": {"self": f"{call.base_url}{call.path}"},
    }
