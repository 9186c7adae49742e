"""The cache headers that placement's answers have since 1.15."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from cumulet.http.call import Call, Reply
from cumulet.store.times import SECOND, now_us


def dated(call: Call, body: Any = None, changed_us: int | None = None, *, status: int | None = None) -> Reply:
    """`body` with the time when it last changed (µs; now unless given)."""
    if call.version < (1, 15):
        return Reply(body, status)
    at = formatdate((changed_us or now_us()) // SECOND, usegmt=True)
    return Reply(body, status, {"Last-Modified": at, "Cache-Control": "no-cache"})
