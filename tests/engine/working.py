"""What tests of workers share: a kind of job that keeps books, and processes that do it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cumulet.db import Database, Transaction
from cumulet.db.times import SECOND
from cumulet.engine import Failed, Kind, Run, Workers, jobs
from cumulet.engine.tables import jobs as table

HOUR = 3600 * SECOND


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


class Books:
    """What jobs did and how they failed; `at` is called at each place of a job, and may raise."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failed: list[tuple[str, str]] = []
        self.at: Callable[[str, Run], None] = lambda _where, _run: None

    def work(self, run: Run) -> None:
        self.at("begun", run)
        run.alive()
        with run.held():
            self.at("held", run)
        run.tell(blocks=2)
        self.at("written", run)
        with run.ending():
            self.at("ending", run)
            self.done.append(run.job.subject)
        self.at("ended", run)

    def undo(self, _tx: Transaction, job: jobs.Job, why: Failed) -> None:
        self.failed.append((job.subject, type(why).__name__))


def process(books: Books, lease_s: float = 0.2, **options: Any) -> Workers:
    """What a process has; a short lease, so that tests need not wait for it."""
    made = Workers(lease_s=lease_s)
    made.register(Kind("copy", books.work, books.undo, **{"pause_s": 0.0, **options}))
    return made


def ask(db: Database, workers: Workers, *subjects: str, **options: Any) -> None:
    with db.transaction() as tx:
        for subject in subjects:
            workers.put(tx, "copy", subject, {"from": "here"}, **options)


def drive(db: Database, workers: Workers, until: Callable[[], Any], seconds: float = 10) -> None:
    """Look again and again, as `run` does."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen in time"
        workers.look(db)
        time.sleep(0.01)


def left(db: Database) -> list[str]:
    with db.read() as tx:
        return [row.subject for row in tx.rows(table.select())]


def found(db: Database, subject: str = "s") -> jobs.Job | None:
    with db.read() as tx:
        return jobs.find(tx, "copy", subject)


def quiet(workers: Workers) -> bool:
    return not workers._runs


@contextmanager
def running(db: Database, workers: Workers) -> Iterator[None]:
    """The process runs, until the block ends."""
    thread = threading.Thread(target=workers.run, args=(db,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        workers.stop()
        thread.join(10)
        assert not thread.is_alive()


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
