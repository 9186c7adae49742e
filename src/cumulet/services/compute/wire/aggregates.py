"""Shapes of host aggregates."""

from __future__ import annotations

from cumulet.http.bodies import Record, since

AGGREGATE = Record(
    "Aggregate",
    {
        "id": int,
        "name": str,
        "availability_zone": str | None,
        "created_at": str,
        "updated_at": str | None,
        "deleted": bool,
        "deleted_at": str | None,
        "hosts": [str],
        "metadata": {str: str},
        "uuid": since("2.41", str),
    },
)
