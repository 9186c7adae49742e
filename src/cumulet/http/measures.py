"""How many requests there were of each operation, how they ended, and how long they took.

Counted on the event loop alone, so without a lock: a dictionary and a few additions for each request. There are as
many numbers as operations that were asked for, never as callers, paths or resources.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

PATH = "/metrics"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds; the last bucket has no end."""

Route = tuple[str, str, str]
"""Service, method and declared path (``/servers/{server_id}``); path is empty when nothing was declared."""


@dataclass
class Taken:
    """Times of one route's requests: how many in each bucket, and their sum in seconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class Measures:
    """What one process has answered since it started."""

    def __init__(self) -> None:
        self.answers: dict[tuple[Route, int], int] = {}
        self.times: dict[Route, Taken] = {}

    def count(self, route: Route, status: int, seconds: float) -> None:
        """One request was answered; `status` 0: it was not."""
        key = (route, status)
        self.answers[key] = self.answers.get(key, 0) + 1
        taken = self.times.get(route)
        if taken is None:
            taken = self.times[route] = Taken()
        taken.buckets[bisect_left(BUCKETS, seconds)] += 1
        taken.seconds += seconds

    def copy(self) -> Measures:
        """The numbers of this moment, for another thread to read."""
        made = Measures()
        made.answers = dict(self.answers)
        made.times = {route: Taken(list(taken.buckets), taken.seconds) for route, taken in self.times.items()}
        return made
