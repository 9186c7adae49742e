"""What was asked of a server and how it ended."""

from __future__ import annotations

from typing import Any

from cumulet.db import Page, iso
from cumulet.db.paging import MarkerNotFound
from cumulet.http import Call, Found
from cumulet.http.bodies import optional, since, under
from cumulet.http.collections import is_full
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.compute.api import queries
from cumulet.services.compute.api.server_lookup import target
from cumulet.services.compute.model import actions, servers
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.service import service
from cumulet.services.compute.tables import ActionRow
from cumulet.services.compute.wire import instance_actions as wire
from cumulet.services.compute.wire.links import LINKS, next_page
from cumulet.services.compute.wire.servers import host_id

_RULE = "os_compute_api:os-instance-actions"
_PATH = "/v2.1/servers/{server_id}/os-instance-actions"


def _find(call: Call, server_id: str) -> Server:
    find = servers.get_even_deleted if call.version >= (2, 21) else servers.get
    return find(call.tx, server_id, call.caller.project_id or "", call.caller.is_admin)


DELETED_TOO = Found(("server_id",), _find, target)
"""The server; from 2.21 on a deleted one still tells."""


def _time(us: int | None) -> str | None:
    return None if us is None else iso(us, micro=True, zone="")


def _shape(call: Call, row: ActionRow) -> dict[str, Any]:
    body = {
        "action": row.action,
        "instance_uuid": row.server_id,
        "request_id": row.request_id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "start_time": _time(row.started_at),
        "message": row.message,
    }
    if call.version >= (2, 58):
        body["updated_at"] = _time(row.updated_at)
    return body


@service.get(
    _PATH,
    target=DELETED_TOO,
    policy=f"{_RULE}:list",
    response=under("instanceActions", [wire.LISTED_ACTION], links=optional(since("2.58", LINKS))),
    query=wire.QUERY,
)
def index(call: Call, server: Server) -> dict[str, Any]:
    """List what was asked of a server, newest first."""
    paging = call.version >= (2, 58)
    limit = queries.limit_of(call) if paging else None
    page = Page(limit, queries.one(call, "marker") if paging else None)
    since = queries.time_of(call, "changes-since") if paging else None
    before = queries.time_of(call, "changes-before") if call.version >= (2, 66) else None
    try:
        rows = actions.listed(call.tx, server.id, page, since, before)
    except MarkerNotFound as error:
        raise BadRequest(f"marker [{error.marker}] not found") from None
    body: dict[str, Any] = {"instanceActions": [_shape(call, found) for found in rows]}
    if paging and is_full(rows, limit):
        path = f"/servers/{server.id}/os-instance-actions"
        body["links"] = next_page(call, path, rows[-1].request_id, call.query)
    return body


@service.get(
    f"{_PATH}/{{request_id}}", target=DELETED_TOO, policy=f"{_RULE}:show", response=under("instanceAction", wire.ACTION)
)
def show(call: Call, server: Server, request_id: str) -> dict[str, Any]:
    """Show one action with its event."""
    found = actions.find(call.tx, server.id, request_id)
    if found is None:
        raise NotFound(f"Action {request_id} could not be found")
    body = _shape(call, found)
    is_admin = call.allows(f"{_RULE}:events")
    if is_admin or call.version >= (2, 51):
        body["events"] = [_event(call, server, found, is_admin)]
    return {"instanceAction": body}


def _event(call: Call, row: Server, found: ActionRow, is_admin: bool) -> dict[str, Any]:
    event = {
        "event": found.event,
        "start_time": _time(found.started_at),
        "finish_time": _time(found.finished_at),
        "result": found.result,
    }
    if is_admin:
        event["traceback"] = None
    if call.version >= (2, 62):
        event["hostId"] = host_id(found.host, row.project_id)
        if is_admin:
            event["host"] = found.host
    if call.version >= (2, 84):
        event["details"] = found.details if is_admin else None
    return event
