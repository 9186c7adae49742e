"""What nodes said of themselves with their last heartbeats and no row keeps: their clocks and their restarts.

Of one controller's process: a node says it again every few seconds. It must never be what a decision about a guest
depends on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

FORGOTTEN_S = 300.0
"""A node that said nothing for so long says nothing any more."""
_SAMPLES = 3


@dataclass
class _Node:
    """`off_us`: how far its clock was ahead of ours, the last few times."""

    heard: float
    restarts: int = 0
    off_us: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))


class Heard:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[str, _Node] = {}

    def note(self, link_id: str, clock_us: int | None, restarts: int) -> None:
        """A node of that link was heard, by whose clock it was `clock_us` then (None: it does not say)."""
        with self._lock:
            node = self._nodes.setdefault(link_id, _Node(0.0))
            node.heard, node.restarts = time.monotonic(), restarts
            if clock_us is not None:
                node.off_us.append(clock_us - time.time_ns() // 1000)

    def off_us(self) -> dict[str, int]:
        """By link, how far its node's clock is ahead of ours (behind: below zero), in µs.

        A heartbeat that waited makes a clock look slow once: so the nearest of the last few counts, and one alone does
        not.
        """
        with self._lock:
            every = self._lately()
            return {link_id: min(node.off_us, key=abs) for link_id, node in every.items() if len(node.off_us) > 1}

    def restarts(self) -> int:
        """How often the nodes were started again since their supervisors began, all together."""
        with self._lock:
            return sum(node.restarts for node in self._lately().values())

    def _lately(self) -> dict[str, _Node]:
        since = time.monotonic() - FORGOTTEN_S
        self._nodes = {link_id: node for link_id, node in self._nodes.items() if node.heard > since}
        return self._nodes
