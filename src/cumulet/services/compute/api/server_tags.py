"""Tags of servers, from 2.26 on."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Reply
from cumulet.http.bodies import EMPTY, Query, under
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.compute.api.server_lookup import SERVER
from cumulet.services.compute.model import servers
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import server_create as wire

_PATH = "/v2.1/servers/{server_id}/tags"
_RULE = "os_compute_api:os-server-tags"
_SINCE = (2, 26)


def _tags(call: Call, server_id: str) -> list[str]:
    return servers.tags(call.tx, [server_id]).get(server_id, [])


@service.get(
    _PATH, since=_SINCE, target=SERVER, policy=f"{_RULE}:index", response=under("tags", [str]), query=Query({})
)
def index(call: Call, server: Server) -> dict[str, Any]:
    """List a server's tags."""
    return {"tags": _tags(call, server.id)}


@service.put(
    _PATH,
    since=_SINCE,
    request=wire.TagsBody,
    target=SERVER,
    policy=f"{_RULE}:update_all",
    response=under("tags", [str]),
)
def update_all(call: Call, server: Server) -> dict[str, Any]:
    """Replace a server's tags."""
    return {"tags": servers.set_tags(call.tx, server.id, call.body.tags)}


@service.delete(_PATH, since=_SINCE, target=SERVER, policy=f"{_RULE}:delete_all")
def delete_all(call: Call, server: Server) -> None:
    """Remove all tags."""
    servers.set_tags(call.tx, server.id, [])


@service.get(f"{_PATH}/{{tag}}", since=_SINCE, target=SERVER, policy=f"{_RULE}:show", response=EMPTY)
def show(call: Call, server: Server, tag: str) -> Reply:
    """Whether a server has a tag."""
    if tag not in _tags(call, server.id):
        raise NotFound(f"Server {server.id} has no tag '{tag}'")
    return Reply(None, 204)


@service.put(f"{_PATH}/{{tag}}", since=_SINCE, target=SERVER, policy=f"{_RULE}:update", response=EMPTY)
def update(call: Call, server: Server, tag: str) -> Reply:
    """Add a tag."""
    if not 0 < len(tag) <= 60 or "," in tag or "/" in tag:
        raise BadRequest(f"Invalid input for field/attribute tag. Value: {tag}. {tag!r} is not a valid tag")
    tags = _tags(call, server.id)
    if tag in tags:
        return Reply(None, 204)
    servers.set_tags(call.tx, server.id, [*tags, tag])
    where = f"{call.base_url}/v2.1/servers/{server.id}/tags/{tag}"
    return Reply(None, 201, {"Location": where} if where.isascii() else {})


@service.delete(f"{_PATH}/{{tag}}", since=_SINCE, target=SERVER, policy=f"{_RULE}:delete")
def delete(call: Call, server: Server, tag: str) -> None:
    """Remove a tag."""
    tags = _tags(call, server.id)
    if tag not in tags:
        raise NotFound(f"Server {server.id} has no tag '{tag}'")
    servers.set_tags(call.tx, server.id, [other for other in tags if other != tag])
