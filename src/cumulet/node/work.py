"""A queue of keys for a few threads: a key is never worked on twice at once, and work that came meanwhile is not
lost; a key can come back later by itself."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """`work(key)` runs on one of `threads` threads; it may return seconds after which to run again."""

    def __init__(self, work: Callable[[K], float | None], threads: int, name: str) -> None:
        self._work = work
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._running: set[K] = set()
        self._again: set[K] = set()
        self._count = itertools.count()
        self._stopped = False
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(threads)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10) -> None:
        """Let the running work end, at most `timeout_s`; the rest stays undone."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))

    def put(self, key: K, after_s: float = 0.0) -> None:
        """Work on `key` after `after_s` seconds, or sooner if it is due sooner."""
        with self._condition:
            if key in self._running and after_s <= 0:
                self._again.add(key)
                return
            self._push(key, time.monotonic() + after_s)

    def idle(self) -> bool:
        """Whether nothing is due now or running."""
        with self._condition:
            now = time.monotonic()
            return not self._running and not any(at <= now for at in self._due.values())

    def _push(self, key: K, at: float) -> None:
        if self._due.get(key, float("inf")) <= at:
            return
        self._due[key] = at
        heapq.heappush(self._heap, (at, next(self._count), key))
        self._condition.notify()

    def _take(self) -> K | None:
        with self._condition:
            while not self._stopped:
                now = time.monotonic()
                while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
                    heapq.heappop(self._heap)
                if self._heap and self._heap[0][0] <= now:
                    _, _, key = heapq.heappop(self._heap)
                    del self._due[key]
                    if key in self._running:
                        self._again.add(key)
                        continue
                    self._running.add(key)
                    return key
                self._condition.wait(self._heap[0][0] - now if self._heap else None)
            return None

    def _run(self) -> None:
        while (key := self._take()) is not None:
            self._work_on(key)

    def drain(self) -> None:
        """Work in this thread until nothing is due now; for a queue that was not started."""
        while not self.idle():
            key = self._take()
            if key is not None:
                self._work_on(key)

    def _work_on(self, key: K) -> None:
        later = self._work(key)
        with self._condition:
            self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                later = 0.0
            if later is not None:
                self._push(key, time.monotonic() + later)
