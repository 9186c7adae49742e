"""Jobs that are cancelled or begun anew, processes that end, clocks that are set, and what each step costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import update

from cumulet.db import Database, Transaction
from cumulet.db.times import SECOND
from cumulet.engine import Lost, Run, jobs, put_forward, waiting
from cumulet.engine.tables import jobs as table
from tests.engine.working import HOUR, Books, ask, drive, found, left, process, quiet, running, until

# ---- cancelled, begun anew, and a process that ends


def test_a_job_that_is_cancelled(db: Database, books: Books) -> None:
    """While it waits, and while somebody works at it, who learns of it before the next change."""
    begun, go_on, outcome = threading.Event(), threading.Event(), list[str]()

    def hangs(where: str, run: Run) -> None:
        begun.set()
        go_on.wait(10)
        with suppress(Lost):
            run.alive()
            outcome.append("alive")

    workers = process(books)
    ask(db, workers, "waits")
    with db.transaction() as tx:
        assert workers.cancel(tx, "copy", "waits", "nobody") == 1
    books.at = hangs
    ask(db, workers, "s")
    workers.look(db)
    assert begun.wait(10)
    with db.transaction() as tx:
        assert workers.cancel(tx, "copy", "s") == 1
    go_on.set()
    drive(db, workers, lambda: quiet(workers))
    assert (books.done, books.failed, outcome, left(db)) == ([], [], [], [])


def test_a_job_that_is_cancelled_elsewhere(db: Database, books: Books) -> None:
    """The other process learns of it when it says next that it lives, and at its next change of rows at the latest."""
    begun, lost = threading.Event(), threading.Event()

    def hangs(_where: str, run: Run) -> None:
        begun.set()
        lost.set() if run.lost.wait(10) else None
        run.alive()

    books.at = hangs
    one, two = process(books), process(books)
    with running(db, one):
        ask(db, one, "s")
        assert begun.wait(10)
        with db.transaction() as tx:
            two.cancel(tx, "copy", "s")
        assert lost.wait(5)
    assert (books.done, books.failed, left(db)) == ([], [], [])


def test_a_job_that_is_begun_anew(db: Database, books: Books) -> None:
    """The worker that was at it has lost, and the new one does it."""
    first, go_on = threading.Event(), threading.Event()

    def hangs(where: str, _run: Run) -> None:
        if where == "begun" and not first.is_set():
            first.set()
            go_on.wait(10)

    books.at = hangs
    workers = process(books, threads=2)
    ask(db, workers, "s")
    workers.look(db)
    assert first.wait(10)
    ask(db, workers, "s")
    drive(db, workers, lambda: books.done)
    go_on.set()
    drive(db, workers, lambda: quiet(workers))
    assert (books.done, books.failed, left(db)) == (["s"], [], [])


def test_a_process_that_ends_gives_its_jobs_back(db: Database, books: Books) -> None:
    """At once, and as if they had not been tried, whether its threads stop in time or not."""
    begun = threading.Semaphore(0)

    def waits(_where: str, run: Run) -> None:
        begun.release()
        while run.job.subject == "obeys":
            run.alive()
            time.sleep(0.01)
        time.sleep(1)

    books.at = waits
    workers = process(books, lease_s=60, threads=2)
    with running(db, workers):
        ask(db, workers, "obeys", "does not")
        assert begun.acquire(timeout=10) and begun.acquire(timeout=10)
        workers.stop(wait_s=0.2)
        for subject in ("obeys", "does not"):
            job = found(db, subject)
            assert job is not None and (job.held, job.tries) == (False, 0)
    books.at = lambda _where, _run: None
    heir = process(books, lease_s=60)
    begun_at = time.monotonic()
    drive(db, heir, lambda: len(books.done) == 2)
    assert time.monotonic() - begun_at < 5
    until(lambda: quiet(workers))
    assert (sorted(books.done), books.failed, left(db)) == (["does not", "obeys"], [], [])


def test_no_more_threads_than_a_kind_may_have(db: Database, books: Books) -> None:
    busy, most, lock = [0], [0], threading.Lock()

    def counted(where: str, _run: Run) -> None:
        with lock:
            busy[0] += {"begun": 1, "ended": -1}.get(where, 0)
            most[0] = max(most[0], busy[0])
        time.sleep(0.01)

    books.at = counted
    workers = process(books, threads=3)
    with running(db, workers):
        ask(db, workers, *[f"s{number}" for number in range(9)])
        until(lambda: len(books.done) == 9)
    assert most[0] == 3


# ---- clocks


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_clock_that_is_set_takes_no_job_from_who_lives(db: Database, books: Books, by: int) -> None:
    """No time of day is part of a lease, and deadlines move along."""
    written, go_on, steps = threading.Event(), threading.Event(), [(by, 0)]

    def waits(where: str, _run: Run) -> None:
        if where == "written":
            written.set()
            go_on.wait(10)

    books.at = waits
    one, two = process(books), process(books, lease_s=60)
    ask(db, one, "s", within_s=60)
    one.look(db)
    assert written.wait(10)
    names = ("due_at", "begun_at", "deadline_at")
    with db.transaction() as tx:
        tx.execute(update(table).values({name: table.c[name] - by for name in names}))
    one.clock.step = lambda: steps.pop() if steps else (0, 0)  # type: ignore[method-assign]
    one.look(db)  # the rows are those of before the clock was set
    two.look(db)
    job = found(db)
    assert job is not None and job.held and abs(job.deadline_at - job.begun_at - 60 * SECOND) < SECOND
    with db.read() as tx:
        assert abs(job.begun_at - tx.now) < 30 * SECOND
    go_on.set()
    drive(db, one, lambda: not left(db))
    assert (books.done, books.failed) == (["s"], [])


def test_a_job_that_was_put_off_before_the_clock_was_set_back(db: Database, books: Books) -> None:
    workers = process(books)
    ask(db, workers, "s")
    with db.transaction() as tx:
        tx.execute(update(table).values(due_at=tx.now + HOUR, deadline_at=tx.now + 2 * HOUR))
    drive(db, workers, lambda: books.done)


def test_jobs_that_lay_in_a_backup_have_as_much_time_left(db: Database, books: Books) -> None:
    workers = process(books)
    ask(db, workers, "s", within_s=60)
    before = found(db)
    with db.transaction() as tx:
        put_forward(tx, HOUR)
    after = found(db)
    assert before is not None and after is not None and after.deadline_at == before.deadline_at + HOUR


# ---- what is seen, and what it costs


def test_what_is_seen_of_a_job(db: Database, books: Books) -> None:
    go_on = threading.Event()
    books.at = lambda where, _run: go_on.wait(10) and None if where == "written" else None  # type: ignore[assignment]
    workers = process(books)
    with running(db, workers):
        ask(db, workers, "s")
        until(lambda: (job := found(db)) is not None and job.progress == {"blocks": 2})
        with db.read() as tx:
            (job,) = jobs.of_subject(tx, "s")
            assert job.held and job.given == {"from": "here"} and jobs.unended(tx, "copy") == {"s"}
            assert waiting(tx)["copy"] == (1, job.begun_at)
        go_on.set()
        until(lambda: not left(db))


def test_how_many_statements_each_step_takes(db: Database, books: Books) -> None:
    costs: list[int] = []
    for name in ("transaction", "read"):
        setattr(db, name, _counted(getattr(db, name), costs))

    def cost(act: Callable[[], Any]) -> list[int]:
        costs.clear()
        act()
        return list(costs)

    workers = process(books, lease_s=60)
    assert cost(lambda: workers.look(db)) == [2], "who holds what, and what is due of the one kind"
    assert cost(lambda: ask(db, workers, "s")) == [1]
    workers._work = lambda kind, run: books.done.append("claimed")  # type: ignore[method-assign]
    assert cost(lambda: workers.look(db)) == [2, 1]
    (run,) = workers._runs.values()
    workers._beaten -= 60
    assert cost(lambda: workers._beat(db)) == [1]
    assert cost(lambda: run.alive()) == []

    def held() -> None:
        with run.held():
            pass

    def ending() -> None:
        with run.ending():
            pass

    assert cost(held) == [1] and cost(ending) == [1]

    def cancel() -> None:
        with db.transaction() as tx:
            workers.cancel(tx, "copy", "a", "b", "c")

    assert cost(cancel) == [1]


def _counted(opener: Any, counts: list[int]) -> Any:
    @contextmanager
    def opened() -> Iterator[Transaction]:
        with opener() as tx:
            try:
                yield tx
            finally:
                counts.append(tx.statements)

    return opened
