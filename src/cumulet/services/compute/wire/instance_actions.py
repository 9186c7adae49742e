"""Shapes of what was asked of servers."""

from __future__ import annotations

from cumulet.http.bodies import Record, optional, since
from cumulet.services.compute.wire.queries import paged

_EVENT = Record(
    "InstanceActionEvent",
    {
        "event": str,
        "start_time": str | None,
        "finish_time": str | None,
        "result": str | None,
        "traceback": optional(str | None),
        "hostId": since("2.62", str),
        "host": optional(since("2.62", str | None)),
        "details": since("2.84", str | None),
    },
)
LISTED_ACTION = Record(
    "ListedInstanceAction",
    {
        "action": str,
        "instance_uuid": str,
        "request_id": str,
        "user_id": str,
        "project_id": str,
        "start_time": str,
        "message": str | None,
        "updated_at": since("2.58", str),
    },
)
ACTION = LISTED_ACTION.but("InstanceAction", events=optional([_EVENT]))
QUERY = paged("2.58", **{"changes-since": since("2.58", str), "changes-before": since("2.66", str)})
