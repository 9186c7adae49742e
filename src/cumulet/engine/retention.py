"""What is deleted is kept for a while, and then goes, in steps so small that nobody waits for them.

Each room says how some of its dead rows go (`Forgets`); here is when, and how many at a time. A step is one short
transaction; how many rows it takes follows from how long the last one took, and after it the database is left alone
for much longer than it took.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from cumulet.db import Database, Transaction, iso, now_us
from cumulet.db.times import SECOND

log = logging.getLogger("cumulet.retention")

DAY_US = 86_400 * SECOND
FIRST_AFTER_S, EVERY_S = 60.0, 3600.0
STEP_S, REST = 0.015, 4
"""What a step should take at most, and how many times as long nothing is done after it."""

FEWEST, MOST = 5, 500
UNFINISHED = -1
PARTS = 20
"""So many rows of what belongs to them go in a step that may take one of the dead."""


class Forgets(Struct, frozen=True):
    """One kind of dead rows. `some`: (tx, before in µs, at most) → how many went, fewer than asked for when none is
    left, or `UNFINISHED` when one of them has so many parts that they took the whole step. `count`: how many there are,
    and when the oldest of them died (µs; None without any)."""

    some: Callable[[Transaction, int, int], int]
    count: Callable[[Transaction], tuple[int, int | None]]


@dataclass
class Kept:
    """What was found when the loop last looked."""

    rows: int
    oldest: int | None


@dataclass
class Retention:
    """`days` that what is deleted is kept; 0: for ever. `kinds` by the name that `status` shows."""

    db: Database
    days: int
    kinds: Mapping[str, Forgets]
    found: dict[str, Kept] = field(default_factory=dict)
    batch: int = 50

    def run(self, ended: threading.Event) -> None:
        """The body of a thread: soon after the start, and each hour, until `ended`."""
        pause = FIRST_AFTER_S
        while not ended.wait(pause):
            pause = EVERY_S
            try:
                self.sweep(ended)
            except Exception:
                log.exception("what is long deleted stays for now")

    def sweep(self, ended: threading.Event) -> dict[str, int]:
        """Let go of all that has been dead for long enough; how many of each kind there were."""
        before = now_us() - self.days * DAY_US
        gone = {name: self._let_go(kind, before, ended) if self.days else 0 for name, kind in self.kinds.items()}
        if any(gone.values()):
            words = ", ".join(f"{count} {name}" for name, count in gone.items() if count)
            log.info("forgot what was deleted more than %d days ago: %s", self.days, words)
        with self.db.read() as tx:
            self.found = {name: Kept(*kind.count(tx)) for name, kind in self.kinds.items()}
        return gone

    def facts(self) -> dict[str, Any]:
        """What `status` shows: how long is kept, and how many there are of each kind since when."""
        kept = {
            name: {"rows": each.rows, "oldest": None if each.oldest is None else iso(each.oldest)}
            for name, each in self.found.items()
        }
        return {"deleted": {"keep_days": self.days, "kept": kept}}

    def _let_go(self, kind: Forgets, before: int, ended: threading.Event) -> int:
        gone = 0
        while not ended.is_set():
            asked, began = self.batch, time.monotonic()
            with self.db.transaction() as tx:
                count = kind.some(tx, before, asked)
            took = time.monotonic() - began
            gone += max(0, count)
            if UNFINISHED != count < asked:
                break
            self.batch = _next(asked, took)
            ended.wait(took * REST)
        return gone


def _next(asked: int, took: float) -> int:
    """How many rows the next step takes: half as many when this one was too long, some more when it was short."""
    if took > STEP_S:
        return max(FEWEST, asked // 2)
    return min(MOST, asked + max(1, asked // 4)) if took < STEP_S / 2 else asked
