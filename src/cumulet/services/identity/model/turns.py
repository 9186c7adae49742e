"""Whose login is next: a bounded queue in front of the few threads that check passwords.

A hash takes tens of milliseconds on purpose, so whoever asks for many could keep all others waiting. Sources (addresses
of clients, callers with a token) take turns, and within a source the accounts that are tried. Every second turn belongs
to those who have proven themselves lately from where they are, and among them it is taken in turns, too; so a crowd
of strangers, at one address or at many, takes half of the hashes at most, and never the last core. When the queue is
full, the source that waits for most loses its newest, and neither those who are known nor the others can take more than
half of the places from each other. What nobody waits for any more is dropped. Nothing is kept of a name or a password
but a number, and of no more than `REMEMBERED` pairs.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cumulet.http.faults import Unavailable

AT_ONCE, STRANGERS_AT_ONCE = 8, 4
"""Logins that run, and how many of these may be of whom nobody knows: all may have to wait for a directory."""
STRANGERS_HASH = max(1, min(2, (os.cpu_count() or 1) - 1))
"""Hashes for whom nobody knows, at a time: a core is left for the event loop, whatever strangers do."""
MOST_WAITING = 128
"""About two seconds of hashing. A client waits no longer than that for a 503, or for its turn."""
RETRY_S = 2
REMEMBERED = 4096

Pair = tuple[str, int]


@dataclass(eq=False)
class Job:
    """`work` of `account` at `source`; `known`: by a token, so that no proof is needed."""

    source: str
    account: int
    work: Callable[[], Any]
    known: bool = False
    future: Future[Any] = field(default_factory=Future)
    waits: bool = False
    """Whether it had to wait."""

    @property
    def pair(self) -> Pair:
        return (self.source, self.account)


_local = threading.local()
_strangers = threading.BoundedSemaphore(STRANGERS_HASH)


@contextmanager
def hashing() -> Iterator[None]:
    """Around a hash: one for a stranger waits until few others are made for strangers."""
    if getattr(_local, "known", True):
        yield
        return
    with _strangers:
        yield


class Turns:
    """The queue of one process. Every method may be called by any thread."""

    def __init__(
        self, at_once: int = AT_ONCE, most: int = MOST_WAITING, strangers_at_once: int = STRANGERS_AT_ONCE
    ) -> None:
        self._at_once, self._most, self._strangers_at_once = at_once, most, strangers_at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="login")
        self._lock = threading.Lock()
        self._running = self._strangers = 0
        self._waiting: dict[str, dict[int, deque[Job]]] = {}
        self._count = self._known = 0
        self._clock = 0
        self._turn = False  # whether the next one belongs to those who are known
        self._served: OrderedDict[str | Pair, int] = OrderedDict()  # source or pair → when it had its last turn
        self._proven: OrderedDict[Pair, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._count

    def offer(self, job: Job) -> Job:
        """`job`, whose future has the result some time. Raises 503 when too many wait; a job that waits may be told
        so later, in its future."""
        displaced = None
        with self._lock:
            known = job.known = job.known or job.pair in self._proven
            if starts := self._running < self._at_once and (known or self._strangers < self._strangers_at_once):
                self._begins(job)
            else:
                if self._count >= self._most and (displaced := self._displaced(job)) is None:
                    raise busy()
                self._waiting.setdefault(job.source, {}).setdefault(job.account, deque()).append(job)
                self._count += 1
                self._known += known
                job.waits = True
        if displaced is not None and displaced.future.set_running_or_notify_cancel():
            displaced.future.set_exception(busy())
        if starts:
            self._threads.submit(self._run, job)
        return job

    def withdraw(self, job: Job) -> bool:
        """Nobody waits for `job` any more: it gives up its place. Whether it had one: what runs goes on."""
        with self._lock:
            found = job in self._waiting.get(job.source, {}).get(job.account, ())
            if found:
                self._remove(job)
        return found

    def _run(self, first: Job) -> None:
        job: Job | None = first
        while job is not None:
            proven = job.future.set_running_or_notify_cancel() and _done(job)
            with self._lock:
                self._running -= 1
                self._strangers -= not job.known
                if proven:
                    _note(self._proven, job.pair, None)
                job = self._next()

    def _next(self) -> Job | None:
        full = self._strangers >= self._strangers_at_once
        if not self._count or (full and not self._known):
            return None
        turn = self._served.get
        self._turn = not self._turn
        fair = full or self._turn
        known = [jobs[0] for held in self._waiting.values() for jobs in held.values() if fair and jobs[0].known]
        if known:
            job = min(known, key=lambda one: (turn(one.source, 0), turn(one.pair, 0)))
        else:
            source = min(self._waiting, key=lambda one: turn(one, 0))
            held = self._waiting[source]
            job = held[min(held, key=lambda account: turn((source, account), 0))][0]
        self._remove(job)
        self._begins(job)
        return job

    def _begins(self, job: Job) -> None:
        self._running += 1
        self._strangers += not job.known
        self._clock += 1
        for key in (job.source, job.pair):
            _note(self._served, key, self._clock)

    def _displaced(self, job: Job) -> Job | None:
        """Who has to go so that `job` may wait: the newest of those who wait for most; None when it is `job` itself.
        Half of the queue is for those who are known, half for the others: who finds less than a half of the own kind
        takes a place of the other kind. Beyond that, who is known never goes for a stranger."""
        half = self._most // 2
        first = self._known < half if job.known else self._known > half
        may_go = {
            source: found
            for source, held in self._waiting.items()
            if (found := {one: jobs for one, jobs in held.items() if _may_go(jobs[-1], job, first=first)})
        }
        if not may_go:
            return None
        sizes = {source: sum(map(len, held.values())) for source, held in may_go.items()}
        fattest = max(sizes, key=lambda source: sizes[source])
        if not first and sizes[fattest] <= sizes.get(job.source, 0) + 1:
            fattest = job.source
        accounts = may_go.get(fattest, {})
        if not accounts:
            return None
        account = max(accounts, key=lambda one: len(accounts[one]))
        if fattest == job.source and not first and len(accounts[account]) <= len(accounts.get(job.account, ())) + 1:
            return None
        newest = accounts[account][-1]
        self._remove(newest)
        return newest

    def _remove(self, job: Job) -> None:
        held = self._waiting[job.source]
        jobs = held[job.account]
        jobs.remove(job)
        if not jobs:
            del held[job.account]
            if not held:
                del self._waiting[job.source]
        self._count -= 1
        self._known -= job.known


def _may_go(waiting: Job, job: Job, *, first: bool) -> bool:
    """Whether `waiting` can be asked to go for `job`, which comes `first` when its kind has less than its half."""
    return waiting.known != job.known if first else job.known or not waiting.known


def _done(job: Job) -> bool:
    """Do the work of `job`; whether it came to something."""
    _local.known = job.known
    try:
        job.future.set_result(job.work())
    except BaseException as error:  # whoever waits for it hears of it
        job.future.set_exception(error)
        return False
    return True


def _note(where: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    where[key] = value
    where.move_to_end(key)
    if len(where) > REMEMBERED:
        where.popitem(last=False)


def busy() -> Unavailable:
    """The answer to a login that finds too many others before it."""
    return Unavailable(
        "Too many requests to authenticate are being processed at the moment. Try again in a while.",
        headers={"Retry-After": str(RETRY_S)},
    )
