"""Tags of servers, from 2.26 on."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Reply
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.compute.api.subjects import server
from cumulet.services.compute.model import servers
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import new_server as wire

_PATH = "/v2.1/servers/{server_id}/tags"
_RULE = "os_compute_api:os-server-tags"
_SINCE = (2, 26)


def _tags(call: Call, server_id: str) -> list[str]:
    return servers.tags(call.tx, [server_id]).get(server_id, [])


@service.get(_PATH, since=_SINCE, policy_in_handler=f"{_RULE}:index")
def index(call: Call, server_id: str) -> dict[str, Any]:
    """List a server's tags."""
    server(call, server_id, "os-server-tags:index")
    return {"tags": _tags(call, server_id)}


@service.put(_PATH, since=_SINCE, request=wire.TagsBody, policy_in_handler=f"{_RULE}:update_all")
def update_all(call: Call, server_id: str) -> dict[str, Any]:
    """Replace a server's tags."""
    server(call, server_id, "os-server-tags:update_all")
    return {"tags": servers.set_tags(call.tx, server_id, call.body.tags)}


@service.delete(_PATH, since=_SINCE, policy_in_handler=f"{_RULE}:delete_all")
def delete_all(call: Call, server_id: str) -> None:
    """Remove all tags."""
    server(call, server_id, "os-server-tags:delete_all")
    servers.set_tags(call.tx, server_id, [])


@service.get(f"{_PATH}/{{tag}}", since=_SINCE, policy_in_handler=f"{_RULE}:show")
def show(call: Call, server_id: str, tag: str) -> Reply:
    """Whether a server has a tag."""
    server(call, server_id, "os-server-tags:show")
    if tag not in _tags(call, server_id):
        raise NotFound(f"Server {server_id} has no tag '{tag}'")
    return Reply(None, 204)


@service.put(f"{_PATH}/{{tag}}", since=_SINCE, policy_in_handler=f"{_RULE}:update")
def update(call: Call, server_id: str, tag: str) -> Reply:
    """Add a tag."""
    server(call, server_id, "os-server-tags:update")
    if not 0 < len(tag) <= 60 or "," in tag or "/" in tag:
        raise BadRequest(f"Invalid input for field/attribute tag. Value: {tag}. {tag!r} is not a valid tag")
    tags = _tags(call, server_id)
    if tag in tags:
        return Reply(None, 204)
    servers.set_tags(call.tx, server_id, [*tags, tag])
    where = f"{call.base_url}/v2.1/servers/{server_id}/tags/{tag}"
    return Reply(None, 201, {"Location": where} if where.isascii() else {})


@service.delete(f"{_PATH}/{{tag}}", since=_SINCE, policy_in_handler=f"{_RULE}:delete")
def delete(call: Call, server_id: str, tag: str) -> None:
    """Remove a tag."""
    server(call, server_id, "os-server-tags:delete")
    tags = _tags(call, server_id)
    if tag not in tags:
        raise NotFound(f"Server {server_id} has no tag '{tag}'")
    servers.set_tags(call.tx, server_id, [other for other in tags if other != tag])
