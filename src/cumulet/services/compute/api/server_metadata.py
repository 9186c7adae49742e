"""Metadata of servers: the keys and values that a project sticks to them."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.compute import states
from cumulet.services.compute.api.subjects import server
from cumulet.services.compute.model import quotas, servers
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import new_server as wire

_PATH = "/v2.1/servers/{server_id}/metadata"
_RULE = "os_compute_api:server-metadata"


def _set(call: Call, row: servers.Server, meta: dict[str, str]) -> dict[str, str]:
    if row.vm_state not in (states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED, states.ERROR, "building"):
        raise Conflict(f"Cannot 'update metadata' instance {row.id} while it is in vm_state {row.vm_state}")
    limit = quotas.limits(call.tx, row.project_id)["metadata_items"]
    servers.set_metadata(call.tx, row, meta, limit, simulated=call.context.simulated)
    return meta


@service.get(_PATH, policy_in_handler=f"{_RULE}:index")
def index(call: Call, server_id: str) -> dict[str, Any]:
    """Show a server's metadata."""
    return {"metadata": server(call, server_id, "server-metadata:index").meta}


@service.post(_PATH, request=wire.MetadataBody, policy_in_handler=f"{_RULE}:create")
def create(call: Call, server_id: str) -> dict[str, Any]:
    """Add items."""
    row = server(call, server_id, "server-metadata:create")
    return {"metadata": _set(call, row, {**row.meta, **call.body.metadata})}


@service.put(_PATH, request=wire.MetadataBody, policy_in_handler=f"{_RULE}:update_all")
def update_all(call: Call, server_id: str) -> dict[str, Any]:
    """Replace all items."""
    row = server(call, server_id, "server-metadata:update_all")
    return {"metadata": _set(call, row, call.body.metadata)}


@service.get(f"{_PATH}/{{key}}", policy_in_handler=f"{_RULE}:show")
def show(call: Call, server_id: str, key: str) -> dict[str, Any]:
    """Show one item."""
    meta = server(call, server_id, "server-metadata:show").meta
    if key not in meta:
        raise NotFound("Metadata item was not found")
    return {"meta": {key: meta[key]}}


@service.put(f"{_PATH}/{{key}}", request=wire.MetadataItemBody, policy_in_handler=f"{_RULE}:update")
def update(call: Call, server_id: str, key: str) -> dict[str, Any]:
    """Set one item."""
    row = server(call, server_id, "server-metadata:update")
    if key not in call.body.meta:
        raise BadRequest("Request body and URI mismatch")
    _set(call, row, {**row.meta, **call.body.meta})
    return {"meta": call.body.meta}


@service.delete(f"{_PATH}/{{key}}", policy_in_handler=f"{_RULE}:delete")
def delete(call: Call, server_id: str, key: str) -> None:
    """Remove one item."""
    row = server(call, server_id, "server-metadata:delete")
    if key not in row.meta:
        raise NotFound("Metadata item was not found")
    _set(call, row, {name: value for name, value in row.meta.items() if name != key})
