"""One thread at a time per guest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Locks:
    """A lock per id, which exists as long as somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def alone(self, id: str) -> Iterator[None]:
        """Nobody else is between this and its end with the same id."""
        with self._guard:
            lock, users = self._locks.get(id, (threading.Lock(), 0))
            self._locks[id] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[id]
                if users == 1:
                    del self._locks[id]
                else:
                    self._locks[id] = (lock, users - 1)
