"""Notices when the machine's clock is set. Deadlines are kept as times of day, so that they outlive the process; one
that was set by an hour must not make an hour pass."""

from __future__ import annotations

import time

STEP_US = 5_000_000
"""What a clock is set by at least to be noticed. Less is no harm to deadlines of minutes."""


class Clock:
    """Compares the time of day with a clock that nobody sets. `stepped_us`: by how much the last step was, and
    `stepped_at`: when, by the clock that nobody sets, in seconds; None when there was none."""

    def __init__(self) -> None:
        self._offset = _offset_us()
        self._looked = time.clock_gettime(time.CLOCK_BOOTTIME)
        self.stepped_us = 0
        self.stepped_at: float | None = None

    def step(self) -> tuple[int, int]:
        """By how many µs the clock was set since the last look (0: it was not), and how long ago that look was, in
        µs."""
        offset, now = _offset_us(), time.clock_gettime(time.CLOCK_BOOTTIME)
        by, since = offset - self._offset, int((now - self._looked) * 1e6)
        self._offset, self._looked = offset, now
        if abs(by) < STEP_US:
            return 0, since
        self.stepped_us, self.stepped_at = by, now
        return by, since


def _offset_us() -> int:
    return (time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1000
