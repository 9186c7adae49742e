"""Shapes of Nova's services."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record, optional, since, until

SERVICE = Record(
    "Service",
    {
        "id": (until("2.52", int), since("2.53", str)),
        "binary": str,
        "host": str,
        "zone": str,
        "status": str,
        "state": str,
        "updated_at": str | None,
        "disabled_reason": str | None,
        "forced_down": since("2.11", bool),
    },
)
CHANGED_BY_HOST = Record(
    "ServiceChangedByHost",
    {
        "host": str,
        "binary": str,
        "status": optional(str),
        "disabled_reason": optional(str),
        "forced_down": optional(since("2.11", bool)),
    },
)
QUERY = Query({"host": str, "binary": str})
