"""Tags of a project: list, check, add, replace, remove."""

from __future__ import annotations

import re
from typing import Any

from cumulet.http import Call, Reply
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import checked
from cumulet.services.identity.model import options
from cumulet.services.identity.model import project_tags as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import projects as wire

_ALL = "/v3/projects/{project_id}/tags"
_ONE = f"{_ALL}/{{value}}"
_FORM = re.compile(r"[^,/]{1,255}", re.S)


@identity.get(_ALL, policy_in_handler="identity:list_project_tags")
def browse(call: Call, project_id: str) -> Any:
    """List the tags of a project."""
    checked(call, "identity:list_project_tags", "project", project_id)
    return _shown(call, project_id)


@identity.put(_ALL, policy_in_handler="identity:update_project_tags", request=wire.TagsRequest)
def replace(call: Call, project_id: str) -> Any:
    """Replace all tags of a project."""
    _changing(call, "identity:update_project_tags", project_id)
    model.replace(call.tx, project_id, call.body.tags)
    return _shown(call, project_id)


@identity.delete(_ALL, policy_in_handler="identity:delete_project_tags")
def clear(call: Call, project_id: str) -> None:
    """Remove all tags of a project."""
    _changing(call, "identity:delete_project_tags", project_id)
    model.replace(call.tx, project_id, ())


@identity.get(_ONE, policy_in_handler="identity:get_project_tag", status=204)
def check(call: Call, project_id: str, value: str) -> None:
    """Check whether a project has a tag."""
    checked(call, "identity:get_project_tag", "project", project_id)
    model.check(call.tx, project_id, value)


@identity.put(_ONE, policy_in_handler="identity:create_project_tag", status=201)
def add(call: Call, project_id: str, value: str) -> Reply:
    """Add a tag to a project."""
    _changing(call, "identity:create_project_tag", project_id)
    if not _FORM.fullmatch(value):
        raise BadRequest(f"Invalid input for field 'tag': {value!r} does not match '^[^,/]*$'")
    model.add(call.tx, project_id, value)
    return Reply(b"", headers={"Location": f"{call.base_url}{call.path}"})


@identity.delete(_ONE, policy_in_handler="identity:delete_project_tag")
def remove(call: Call, project_id: str, value: str) -> None:
    """Remove a tag from a project."""
    _changing(call, "identity:delete_project_tag", project_id)
    model.remove(call.tx, project_id, value)


def _changing(call: Call, rule: str, project_id: str) -> None:
    """Check `rule`, and that the project is not immutable. Raises 403, 404."""
    options.check_update("project", checked(call, rule, "project", project_id), {})


def _shown(call: Call, project_id: str) -> dict[str, Any]:
    return {
        "tags": model.browse(call.tx, project_id),
        "links": {"self": f"{call.base_url}{call.path}"},
    }
