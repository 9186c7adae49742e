"""Times are microseconds since the epoch (UTC) in every table; services shape them into their own text."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000


def now_us() -> int:
    """Now, in microseconds since the epoch."""
    return time.time_ns() // 1000


def iso(us: int, *, micro: bool = False, zone: str = "Z") -> str:
    """`us` as ISO 8601 in UTC: ``2026-11-20T13:00:00Z``, with six digits when `micro`; `zone` may be empty."""
    whole, rest = divmod(us, SECOND)
    t = time.gmtime(whole)
    text = f"{t[0]:04d}-{t[1]:02d}-{t[2]:02d}T{t[3]:02d}:{t[4]:02d}:{t[5]:02d}"
    return f"{text}.{rest:06d}{zone}" if micro else text + zone


def parse_iso(text: str) -> int:
    """Microseconds of an ISO 8601 time; without a zone it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
