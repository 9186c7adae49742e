"""Times are microseconds since the epoch (UTC) in every table; services shape them into their own text."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000


def now_us() -> int:
    """Now, in microseconds since the epoch."""
    return time.time_ns() // 1000


def iso(us: int, *, micro: bool = False, zone: str = "Z") -> str:
    """`us` as ISO 8601 in UTC: ``2026-11-20T13:00:00Z``, with six digits when `micro`; `zone` may be empty."""
    whole, rest = divmod(us, SECOND)
    day, second = divmod(whole, 86400)
    text = f"{_day(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return f"{text}.{rest:06d}{zone}" if micro else text + zone


@lru_cache(maxsize=512)
def _day(day: int) -> str:
    """The date that is `day` days after the epoch: a list has thousands of times on few days."""
    t = time.gmtime(day * 86400)
    return f"{t[0]:04d}-{t[1]:02d}-{t[2]:02d}"


def parse_iso(text: str) -> int:
    """Microseconds of an ISO 8601 time; without a zone it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
