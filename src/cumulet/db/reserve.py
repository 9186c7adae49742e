"""A file beside the database that holds room for bad days: when the disk is full, it is given up, and what deletes or
notes something still finds the pages that it needs. It comes back when there is room again."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from cumulet import space

log = logging.getLogger("cumulet.db")

NAME = "reserve"
MOST_BYTES = 2 << 20
_SHARE = 0.02
_PAUSE_S = 0.2


class Reserve:
    """The reserve of one database. Not for use by several threads at once: writers have a lock."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME
        self._looked = 0.0

    def look(self, *, now: bool = False) -> None:
        """Give the reserve up when the disk is full, make it when there is room. Looks `now`, or when a while has
        passed since the last time. Never raises."""
        at = time.monotonic()
        if at - self._looked < _PAUSE_S and not now:
            return
        self._looked = at
        with suppress(OSError):
            found = space.of(self.file.parent)
            if found.full:
                self._give_up()
            elif not found.low and not self.file.exists():
                self._make(min(MOST_BYTES, int(found.total_bytes * _SHARE)))

    def _give_up(self) -> None:
        self.file.unlink()
        log.warning("the disk of %s is full: its reserve is given up, so that deleting goes on", self.file.parent)

    def _make(self, size: int) -> None:
        """Allocated for good: a file with a hole would hold no room."""
        if size <= 0:
            return
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
        finally:
            os.close(handle)
