"""How often something that can be guessed may be tried: a few times at once, then once in each step of time.

Kept in memory, per process: what is counted are wrong tries of strangers, which must not make the database write. Of
more than `MOST` keys those that were tried least lately are forgotten.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

MOST = 4096


class Brake:
    """`burst` wrong tries of a key are free; each `step_s` seconds give one back."""

    def __init__(self, burst: int = 5, step_s: float = 30.0) -> None:
        self._burst, self._step_s = burst, step_s
        self._lock = threading.Lock()
        self._wrong: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # how many, as of when

    def holds(self, key: Hashable, now_s: float) -> bool:
        """Whether `key` was tried too often to be tried now."""
        with self._lock:
            return self._count(key, now_s) > self._burst - 1

    def wrong(self, key: Hashable, now_s: float) -> None:
        """A try of `key` was wrong."""
        with self._lock:
            self._wrong[key] = (self._count(key, now_s) + 1, now_s)
            self._wrong.move_to_end(key)
            if len(self._wrong) > MOST:
                self._wrong.popitem(last=False)

    def right(self, key: Hashable) -> None:
        """A try of `key` was right: what was wrong before is forgotten."""
        with self._lock:
            self._wrong.pop(key, None)

    def _count(self, key: Hashable, now_s: float) -> float:
        count, since_s = self._wrong.get(key, (0.0, now_s))
        return max(0.0, count - max(0.0, now_s - since_s) / self._step_s)
