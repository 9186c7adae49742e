"""The cache headers that placement's answers have since 1.15."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from cumulet.db.times import SECOND, now_us
from cumulet.http.call import Call, Reply
from cumulet.http.faults import JSON


def dated(call: Call, body: Any = None, changed_us: int | None = None, *, status: int | None = None) -> Reply:
    """`body` with the time when it last changed (µs; now unless given). Bytes are JSON already."""
    kind = JSON if isinstance(body, bytes) else None
    if call.version < (1, 15):
        return Reply(body, status, content_type=kind)
    at = formatdate((changed_us or now_us()) // SECOND, usegmt=True)
    return Reply(body, status, {"Last-Modified": at, "Cache-Control": "no-cache"}, kind)
