"""How every log of a cloud writes a moment."""

from __future__ import annotations

import time


def stamp(seconds: float) -> str:
    """A moment, in seconds since 1970, as ``2026-11-30T07:13:35.055Z``: UTC, wherever the machine is."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03d}Z"
