"""Metadata of servers: the keys and values that a project sticks to them."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.compute.api.server_lookup import SERVER
from cumulet.services.compute.model import quotas, servers
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.service import service
from cumulet.services.compute.verbs.update_metadata import UPDATE_METADATA
from cumulet.services.compute.wire import server_create as wire

_PATH = "/v2.1/servers/{server_id}/metadata"
_RULE = "os_compute_api:server-metadata"


def _set(call: Call, row: Server, meta: dict[str, str]) -> dict[str, str]:
    servers.require(row, UPDATE_METADATA)
    limit = quotas.limits(call.tx, row.project_id)["metadata_items"]
    servers.set_metadata(call.tx, row, meta, limit, simulated=call.context.simulated)
    return meta


@service.get(_PATH, target=SERVER, policy=f"{_RULE}:index", response=under("metadata", {str: str}))
def index(call: Call, server: Server) -> dict[str, Any]:
    """Show a server's metadata."""
    return {"metadata": server.meta}


@service.post(
    _PATH, request=wire.MetadataBody, target=SERVER, policy=f"{_RULE}:create", response=under("metadata", {str: str})
)
def create(call: Call, server: Server) -> dict[str, Any]:
    """Add items."""
    return {"metadata": _set(call, server, {**server.meta, **call.body.metadata})}


@service.put(
    _PATH,
    request=wire.MetadataBody,
    target=SERVER,
    policy=f"{_RULE}:update_all",
    response=under("metadata", {str: str}),
)
def update_all(call: Call, server: Server) -> dict[str, Any]:
    """Replace all items."""
    return {"metadata": _set(call, server, call.body.metadata)}


@service.get(f"{_PATH}/{{key}}", target=SERVER, policy=f"{_RULE}:show", response=under("meta", {str: str}))
def show(call: Call, server: Server, key: str) -> dict[str, Any]:
    """Show one item."""
    meta = server.meta
    if key not in meta:
        raise NotFound("Metadata item was not found")
    return {"meta": {key: meta[key]}}


@service.put(
    f"{_PATH}/{{key}}",
    request=wire.MetadataItemBody,
    target=SERVER,
    policy=f"{_RULE}:update",
    response=under("meta", {str: str}),
)
def update(call: Call, server: Server, key: str) -> dict[str, Any]:
    """Set one item."""
    if key not in call.body.meta:
        raise BadRequest("Request body and URI mismatch")
    _set(call, server, {**server.meta, **call.body.meta})
    return {"meta": call.body.meta}


@service.delete(f"{_PATH}/{{key}}", target=SERVER, policy=f"{_RULE}:delete")
def delete(call: Call, server: Server, key: str) -> None:
    """Remove one item."""
    if key not in server.meta:
        raise NotFound("Metadata item was not found")
    _set(call, server, {name: value for name, value in server.meta.items() if name != key})
