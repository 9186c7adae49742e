"""Wake-ups: "rows of this topic changed, look again". They carry no data and may be lost without harm.

A waiter takes its ticket before it reads rows, so that a change between reading and waiting is not missed.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict


class Wakeups:
    """Topics with a counter each. `wake` is called after commit, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: defaultdict[str, int] = defaultdict(int)
        self._waiters: defaultdict[str, set[_Waiter]] = defaultdict(set)
        self.closed = False

    def ticket(self, topic: str) -> int:
        """The topic's counter now; give it to `wait`."""
        with self._lock:
            return self._counters[topic]

    def wake(self, topic: str) -> None:
        """Everyone who waits on `topic` looks again."""
        with self._lock:
            self._counters[topic] += 1
            waiters = self._waiters.pop(topic, set())
        for waiter in waiters:
            waiter.release()

    def wake_all(self) -> None:
        """Everyone looks again: wake-ups may have been missed."""
        with self._lock:
            topics = {*self._counters, *self._waiters}
        for topic in topics:
            self.wake(topic)

    def close(self) -> None:
        """The process ends: nobody waits any more, now or later."""
        with self._lock:
            self.closed = True
            waiters = {waiter for waiting in self._waiters.values() for waiter in waiting}
            self._waiters.clear()
        for waiter in waiters:
            waiter.release()

    async def wait(self, topics: dict[str, int], timeout_s: float) -> bool:
        """Wait until one of `topics` (topic → ticket) moved on; False when `timeout_s` passed first."""
        waiter = _Waiter()
        with self._lock:
            if self.closed or any(self._counters[topic] != ticket for topic, ticket in topics.items()):
                return True
            for topic in topics:
                self._waiters[topic].add(waiter)
        try:
            await asyncio.wait_for(waiter.event.wait(), timeout_s)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                for topic in topics:
                    self._waiters[topic].discard(waiter)
        return True


class _Waiter:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.event = asyncio.Event()

    def release(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.event.set)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return
