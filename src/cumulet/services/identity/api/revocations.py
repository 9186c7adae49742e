"""Revocation events."""

from __future__ import annotations

from typing import Any

from cumulet.db.times import parse_iso
from cumulet.http import Call
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import revocations
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import revocations as wire
from cumulet.services.identity.wire.collections import listed


@identity.get(
    "/v3/OS-REVOKE/events",
    policy="identity:list_revoke_events",
    response=listed("events", wire.EVENT),
    query=wire.QUERY,
)
def browse(call: Call) -> Any:
    """List revocation events, those after `since` when given."""
    since = call.query.get("since", [""])[-1]
    try:
        after = parse_iso(since) if since else None
    except (ValueError, OverflowError):
        raise BadRequest(f"invalidate date format {since}") from None
    links = {"next": None, "self": f"{call.base_url}/v3/OS-REVOKE/events", "previous": None}
    return {"events": [wire.shown(row) for row in revocations.browse(call.tx, after)], "links": links}
