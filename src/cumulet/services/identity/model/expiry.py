"""When a delegation ends, as its maker says it."""

from __future__ import annotations

from cumulet.db import iso
from cumulet.db.times import parse_iso
from cumulet.http.faults import BadRequest

_CLIENT = (
    " The server could not comply with the request since it is either malformed or otherwise incorrect. The client is "
    "assumed to be in error."
)


def parsed(text: str | None, now: int) -> int | None:
    """`text` in microseconds, None for none. Raises 400 for what is no time, and for one that is past."""
    if text is None:
        return None
    try:
        at = parse_iso(text)
        iso(at)  # what cannot be shown again is none
    except (ValueError, OverflowError, OSError):
        raise BadRequest(f"Timestamp not in expected format.{_CLIENT}") from None
    if at <= now:
        raise BadRequest(f"The 'expires_at' must not be before now.{_CLIENT}")
    return at
