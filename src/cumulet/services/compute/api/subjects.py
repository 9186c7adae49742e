"""What most operations begin with: who asks, and the server that they ask about."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.shapes import Invalid, T, parse
from cumulet.services.compute.model import servers
from cumulet.services.compute.service import Actor, service
from cumulet.store import Transaction


def actor(call: Call) -> Actor:
    """The caller, for the rooms below the API."""
    return Actor(call.caller, call.context, call.request_id, call.caller.is_admin)


def target(row: servers.Server) -> dict[str, Any]:
    """A server as policy sees it."""
    return {"project_id": row.project_id, "user_id": row.user_id}


def server(call: Call, server_id: str, rule: str, tx: Transaction | None = None) -> servers.Server:
    """The server, when the caller sees it (else 404) and may do what `rule` guards (else 403)."""
    caller = call.caller
    row = servers.get(tx or call.tx, server_id, caller.project_id or "", caller.is_admin)
    call.require(f"os_compute_api:{rule}", target(row))
    return row


def parsed(call: Call, shape: type[T], raw: Any) -> T:
    """`raw` as `shape` at the request's microversion. Raises 400 in Nova's words."""
    try:
        return parse(shape, raw, call.version)
    except Invalid as invalid:
        raise service.invalidity(invalid) from None
