"""Workers: threads that do what takes I/O, for jobs that are rows (`jobs.py`). Knows no service.

A kind of job is a function that works, with as many threads as it may have in a process. A thread has a `Run`: it asks
`alive()` between two pieces of I/O, changes rows in `held()`, and the last ones in `ending()`, with which the job is
over, once. When it raises, the job is tried again after a pause that grows; `Failed` ends it at once. A process that
ends gives back what it works at. One that dies is missed by the others after `LEASE_S`; on a database that no other
process writes, by the next one when it starts.

Only the thread of `run` claims jobs, says that the process lives, and takes jobs from the dead. No time of day is part
of a lease; deadlines are times of day, and move when the clock is set.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from cumulet.db import Database, Transaction
from cumulet.db.times import SECOND
from cumulet.engine import jobs
from cumulet.engine.clock import Clock
from cumulet.engine.jobs import Job
from cumulet.engine.tables import JobRow

log = logging.getLogger("cumulet.engine")

LEASE_S = 30.0
"""For how long a process may be silent before its jobs are taken from it."""
POLL_S = 5.0
"""Between two looks for jobs of other processes; what this one is asked for is begun at once."""
SWEEP_S = 600.0


class Failed(Exception):
    """The job cannot succeed. The text says why."""


class Late(Failed):
    """The job is past its deadline."""


class WornOut(Failed):
    """The job was tried as often as it may be."""


class Again(Exception):
    """Something is away, and may be there later. The text says what."""


class Lost(Exception):
    """The job is somebody else's by now, or cancelled: nothing may be changed for it any more."""


class Stopping(Exception):
    """The process is about to end; the next one goes on."""


class Kind(Struct, frozen=True):
    """How jobs of a kind are done.

    - `work`: does it, and may be called again at any time after it broke off; returns when there is nothing left to do.
    - `failed`: (transaction, job, why) → what is to be undone, in the transaction that ends the job without success.
    - `threads`: how many jobs of the kind are worked at in a process.
    - `most_tries`: None for as many as it takes until the deadline.
    - `pause_s`: after the first failed try; it doubles, up to `jobs.LONGEST_PAUSE_S`.
    - `keep_s`: for how long a job that failed can still be found.
    """

    name: str
    work: Callable[[Run], None]
    failed: Callable[[Transaction, Job, Failed], None] = lambda _tx, _job, _why: None
    threads: int = 1
    most_tries: int | None = None
    pause_s: float = 2.0
    keep_s: float = 0.0


class Run:
    """One go at a job, for the thread that works at it. `job` is as it was when it was claimed."""

    def __init__(self, workers: Workers, db: Database, job: Job, word: str) -> None:
        self.db, self.job, self.word = db, job, word
        self.progress: Mapping[str, Any] = job.progress
        self.ended = False
        self.lost = threading.Event()
        self._workers = workers

    def alive(self) -> None:
        """Go on. Costs nothing. Raises Lost when the job is no longer this run's, Stopping when the process ends."""
        if self.lost.is_set():
            raise Lost
        if self._workers.stopping.is_set():
            raise Stopping

    def tell(self, **progress: Any) -> None:
        """Say how far it is: plain values, written down when the process says next that it lives."""
        self.progress = progress

    @contextmanager
    def held(self) -> Iterator[Transaction]:
        """A transaction in which the job is this run's. One statement. Raises Lost."""
        with self.db.transaction() as tx:
            if not jobs.is_held(tx, self.job.kind, self.job.subject, self.word):
                raise Lost
            yield tx

    @contextmanager
    def ending(self) -> Iterator[Transaction]:
        """A transaction with which the job is over. One statement. Raises Lost."""
        with self.db.transaction() as tx:
            if not jobs.end(tx, self.job, self.word):
                raise Lost
            yield tx
        self.ended = True


class Workers:
    """The kinds of jobs, and the threads of this process that do them. `run` is the body of a thread."""

    def __init__(self, *, lease_s: float = LEASE_S) -> None:
        self.holder = secrets.token_hex(16)
        self.stopping = threading.Event()
        self.lease_s = lease_s
        self.clock = Clock()
        self._kinds: dict[str, Kind] = {}
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._poke = threading.Event()
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}  # by claim
        self._seen: dict[str, tuple[int, float]] = {}  # others' claims: their beat, and since when it is that
        self._beaten = self._swept = time.monotonic()

    def register(self, kind: Kind) -> None:
        """Make a kind known before anybody asks for such a job."""
        self._kinds[kind.name] = kind
        self._pools[kind.name] = ThreadPoolExecutor(kind.threads, thread_name_prefix=kind.name)

    # ---- for services, in their transactions

    def put(
        self, tx: Transaction, kind: str, subject: str, given: Mapping[str, Any], *, within_s: float = jobs.LONGEST_S
    ) -> None:
        """Have a job done, or done anew, from this commit on; within `within_s` seconds. One statement."""
        jobs.put(tx, kind, subject, given, within_s=within_s)
        tx.on_commit(self.poke)

    def cancel(self, tx: Transaction, kind: str, *subjects: str) -> int:
        """Forget these jobs; how many there were. Workers of this process stop soon, others when they look next. One
        statement."""
        found = jobs.cancel(tx, kind, subjects)
        tx.on_commit(lambda: self._lose(kind, subjects))
        return found

    def poke(self) -> None:
        """Look for jobs now."""
        self._poke.set()

    def _lose(self, kind: str, subjects: Sequence[str]) -> None:
        with self._lock:
            for run in self._runs.values():
                if run.job.kind == kind and run.job.subject in subjects:
                    run.lost.set()

    # ---- the thread that looks

    def run(self, db: Database) -> None:
        """Have jobs done until `stop`; the body of a thread."""
        fresh = db.alone  # nobody else writes this database: who held a job is dead
        while not self.stopping.is_set():
            try:
                if fresh:
                    with db.transaction() as tx:
                        jobs.release_all(tx)
                    fresh = False
                pause = self.look(db)
            except Exception:
                log.exception("looking for jobs failed")
                pause = 1.0
            self._poke.wait(pause)
            self._poke.clear()

    def stop(self, wait_s: float = 5.0) -> None:
        """Begin no more jobs, wait until those under way have come to a halt, and give them back."""
        self.stopping.set()
        self.poke()
        end = time.monotonic() + wait_s
        while self._runs and time.monotonic() < end:
            time.sleep(0.01)
        with self._lock:
            left = list(self._runs.values())
        for run in left:
            run.lost.set()
            self._give_back(run)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def look(self, db: Database) -> float:
        """One round: say that this process lives, take jobs from the dead, end those that are late, begin those that
        are due. Seconds until the next one. While nothing is to do it reads one statement, and one more for each kind
        with a free thread."""
        by, since = self.clock.step()
        if by:
            with db.transaction() as tx:
                jobs.clock_was_set(tx, by, since)
        self._beat(db)
        self._sweep(db)
        free = self._free()
        with db.read() as tx:
            now = tx.now
            held = jobs.held(tx)
            waiting = [row for kind, number in free.items() for row in jobs.due(tx, kind, number)]
        if self._take(db, held):
            return 0.0
        for row in held:
            if row.deadline_at <= now:
                self._give_up(db, row, Late("It took too long."))
        for row in waiting:
            if jobs.is_due(row, now):
                self._begin(db, row, now)
        nexts = [(row.due_at - now) / SECOND for row in waiting if not jobs.is_due(row, now)]
        return max(0.0, min([POLL_S, *nexts, *([self.lease_s / 4] if held or self._runs else [])]))

    def _free(self) -> dict[str, int]:
        """How many threads are free, by kind; those that have one."""
        with self._lock:
            busy = Counter(run.job.kind for run in self._runs.values())
        return {name: left for name, kind in self._kinds.items() if (left := kind.threads - busy[name]) > 0}

    def _take(self, db: Database, held: Sequence[JobRow]) -> int:
        """Take jobs from holders that are silent; how many. One statement for each."""
        words = {row.claim for row in held}
        self._seen = {word: seen for word, seen in self._seen.items() if word in words}
        silent = [row for row in held if self._is_silent(row)]
        if not silent:
            return 0
        with db.transaction() as tx:
            taken = [row for row in silent if jobs.release(tx, row)]
        for row in taken:
            log.warning("%s of %s is taken from a process that is silent", row.kind, row.subject)
        return len(taken)

    def _is_silent(self, row: JobRow) -> bool:
        """Whether the holder of a job is dead, as far as can be seen from here."""
        word, now = str(row.claim), time.monotonic()
        if row.holder == self.holder:
            return word not in self._runs  # its thread broke off in a way that leaves no time to say so
        beat, since = self._seen.get(word, (-1, now))
        if beat != row.beat:
            self._seen[word] = (row.beat, now)
            return False
        return now >= since + self.lease_s

    def _beat(self, db: Database) -> None:
        """Say that this process lives, for each of its jobs: a statement each, a few times in each lease."""
        with self._lock:
            runs = list(self._runs.values())
        if not runs or time.monotonic() < self._beaten + self.lease_s / 4:
            return
        self._beaten = time.monotonic()
        with db.transaction() as tx:
            lost = [run for run in runs if not jobs.beat(tx, run.job, run.word, run.progress)]
        for run in lost:
            run.lost.set()

    def _sweep(self, db: Database) -> None:
        if time.monotonic() < self._swept + SWEEP_S:
            return
        self._swept = time.monotonic()
        with db.transaction() as tx:
            jobs.forget_ended(tx)

    def _begin(self, db: Database, row: JobRow, now: int) -> None:
        """Claim a job and have a thread do it. One statement."""
        kind = self._kinds[row.kind]
        if row.deadline_at <= now:
            self._give_up(db, row, Late("It took too long."))
            return
        if kind.most_tries is not None and row.tries >= kind.most_tries:
            self._give_up(db, row, WornOut(row.error or "Each process that worked at it ended before it was done."))
            return
        with db.transaction() as tx:
            word = jobs.claim(tx, row, self.holder)
        if word is None:
            return
        run = Run(self, db, jobs.job_of(row), word)
        with self._lock:
            self._runs[word] = run
        try:
            self._pools[kind.name].submit(self._work, kind, run)
        except RuntimeError:  # the process ends
            self._give_back(run)

    def _give_up(self, db: Database, row: JobRow, why: Failed) -> None:
        """End a job that nobody may work at any longer. When that fails, it is tried again later, behind others."""
        if row.kind not in self._kinds:
            return
        try:
            self._conclude(db, row, row.claim, why)
        except Exception as error:
            log.exception("%s of %s could not be ended, and is tried again", row.kind, row.subject)
            with db.transaction() as tx:
                jobs.put_off(tx, row, row.claim, jobs.LONGEST_PAUSE_S, type(error).__name__)

    # ---- the threads that work

    def _work(self, kind: Kind, run: Run) -> None:
        try:
            self._try(kind, run)
        except Exception:
            log.exception("%s of %s could not be put off or ended: it is tried again", kind.name, run.job.subject)
        finally:
            with self._lock:
                self._runs.pop(run.word, None)
            self.poke()

    def _give_back(self, run: Run) -> None:
        with run.db.transaction() as tx:
            jobs.give_back(tx, run.job, run.word)
        with self._lock:
            self._runs.pop(run.word, None)

    def _try(self, kind: Kind, run: Run) -> None:
        job = run.job
        try:
            run.alive()
            kind.work(run)
            if not run.ended:
                with run.ending():
                    pass
        except Lost:
            log.info("%s of %s is somebody else's by now", kind.name, job.subject)
        except Stopping:
            log.info("%s of %s stops here, as the service ends, and goes on when it starts", kind.name, job.subject)
            self._give_back(run)
        except Failed as why:
            log.info("%s of %s failed: %s", kind.name, job.subject, why)
            self._conclude(run.db, job, run.word, why)
        except Again as why:
            log.warning("%s of %s did not succeed, and is tried again: %s", kind.name, job.subject, why)
            self._put_off(kind, run, str(why))
        except Exception as error:
            log.exception("%s of %s went wrong, and is tried again", kind.name, job.subject)
            self._put_off(kind, run, type(error).__name__)

    def _put_off(self, kind: Kind, run: Run, why: str) -> None:
        pause = kind.pause_s * 2 ** min(run.job.tries, 10) * random.uniform(0.75, 1.25)
        with run.db.transaction() as tx:
            jobs.put_off(tx, run.job, run.word, pause, why)

    def _conclude(self, db: Database, job: JobRow | Job, word: str | None, why: Failed) -> None:
        """End a job without success, in one transaction with what its service undoes."""
        kind = self._kinds[job.kind]
        with db.transaction() as tx:
            if jobs.end(tx, job, word, str(why), keep_s=kind.keep_s):
                kind.failed(tx, job if isinstance(job, Job) else jobs.job_of(job), why)
        self._lose(job.kind, [job.subject])
