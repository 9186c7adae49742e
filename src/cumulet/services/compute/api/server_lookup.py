"""What most operations begin with: who asks, and the server that they ask about."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Found
from cumulet.services.compute.context import Actor
from cumulet.services.compute.model import servers


def actor(call: Call) -> Actor:
    """The caller, for the rooms below the API."""
    return Actor(call.caller, call.context, call.request_id, call.caller.is_admin)


def target(row: servers.Server) -> dict[str, Any]:
    """A server as policy sees it."""
    return {"project_id": row.project_id, "user_id": row.user_id}


SERVER = Found(
    ("server_id",),
    lambda call, server_id: servers.get(call.tx, server_id, call.caller.project_id or "", call.caller.is_admin),
    target,
)
"""The server that a path names, when the caller sees it."""


PROJECT = Found(("project_id",), lambda _, project_id: project_id, lambda project_id: {"project_id": project_id})
"""The project that a path names, whether there is one or not."""
