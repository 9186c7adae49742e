"""Jobs: each step twice, failed, and killed; several processes; how jobs end."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from sqlalchemy import update

from cumulet.db import Database, Transaction
from cumulet.engine import Again, Failed, Kind, Lost, Run, Workers, jobs
from cumulet.engine.tables import jobs as table
from tests.engine.working import HOUR, Books, Killed, ask, drive, found, left, process, quiet, running, until

# ---- each step twice, failed, and killed


def test_a_job_is_done_once_and_its_row_goes(db: Database, books: Books) -> None:
    workers = process(books)
    ask(db, workers, "a", "b")
    drive(db, workers, lambda: len(books.done) == 2 and quiet(workers))
    workers.look(db)
    assert (sorted(books.done), books.failed, left(db)) == (["a", "b"], [], [])


PLACES = ["begun", "held", "written", "ending"]


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("error", [OSError, Killed])
def test_a_place_that_breaks_is_done_again(db: Database, books: Books, at: str, error: type[BaseException]) -> None:
    """Twice, by a process that goes on: what was raised in a transaction has left nothing."""
    broken: list[str] = []

    def trouble(where: str, _run: Run) -> None:
        if where == at and len(broken) < 2:
            broken.append(where)
            raise error

    books.at = trouble
    workers = process(books)
    ask(db, workers, "s")
    drive(db, workers, lambda: books.done and quiet(workers))
    assert (broken, books.done, books.failed, left(db)) == ([at, at], ["s"], [], [])


@pytest.mark.parametrize("at", PLACES)
def test_a_process_dies_and_another_takes_over(db: Database, books: Books, at: str) -> None:
    """Within the lease, as the other one's own clock says; the dead one's thread, if it lives after all, has lost."""
    reached, revived, outcome = threading.Event(), threading.Event(), list[str]()

    def hangs(where: str, run: Run) -> None:
        if where != at or reached.is_set():
            return
        reached.set()
        if where in ("held", "ending"):
            raise Killed  # its connection is gone, and the transaction with it
        revived.wait(10)
        with suppress(Lost), run.held():
            outcome.append("it changed something")

    books.at = hangs
    dead, heir = process(books, lease_s=60), process(books)
    ask(db, dead, "s")
    dead.look(db)
    assert reached.wait(10)
    begun = time.monotonic()
    drive(db, heir, lambda: books.done)
    assert 0.2 <= time.monotonic() - begun < 5
    revived.set()
    drive(db, heir, lambda: quiet(heir) and quiet(dead))
    assert (books.done, books.failed, outcome, left(db)) == (["s"], [], [], [])


def test_a_process_that_starts_on_a_database_of_its_own_does_not_wait(db: Database, books: Books) -> None:
    """Nobody else writes SQLite's file: who holds a job is dead. On PostgreSQL the lease is waited for."""
    books.at = lambda _where, _run: (_ for _ in ()).throw(Killed)
    dead = process(books, lease_s=60)
    ask(db, dead, "s")
    dead.look(db)
    drive_until = time.monotonic() + 10
    while not quiet(dead) and time.monotonic() < drive_until:
        time.sleep(0.01)
    books.at = lambda _where, _run: None
    heir = process(books, lease_s=60 if db.alone else 0.2)
    with running(db, heir):
        until(lambda: books.done)
    assert (books.done, left(db)) == (["s"], [])


def test_two_processes_do_not_do_the_same_job(db: Database, books: Books) -> None:
    one, two = process(books, threads=4), process(books, threads=4)
    subjects = [f"s{number}" for number in range(20)]
    with running(db, one), running(db, two):
        ask(db, one, *subjects)
        until(lambda: len(books.done) >= 20)
        until(lambda: not left(db))
    assert sorted(books.done) == sorted(subjects)


def test_a_process_that_works_for_longer_than_a_lease_keeps_its_job(db: Database, books: Books) -> None:
    go_on = threading.Event()
    books.at = lambda where, _run: go_on.wait(10) and None if where == "written" else None  # type: ignore[assignment]
    one, two = process(books), process(books)
    with running(db, one):
        ask(db, one, "s")
        with running(db, two):
            time.sleep(0.8)
            assert found(db) is not None and books.done == []
            go_on.set()
            until(lambda: not left(db))
    assert books.done == ["s"]


# ---- endings


def test_a_job_that_cannot_succeed_ends_once(db: Database, books: Books) -> None:
    def trouble(_where: str, _run: Run) -> None:
        raise Failed("it is not there")

    books.at = trouble
    workers = process(books)
    ask(db, workers, "s")
    drive(db, workers, lambda: books.failed and quiet(workers))
    workers.look(db)
    assert (books.failed, books.done, left(db)) == ([("s", "Failed")], [], [])


def test_a_job_that_failed_is_kept_as_long_as_is_said(db: Database, books: Books) -> None:
    def trouble(_where: str, _run: Run) -> None:
        raise Failed("it is not there")

    books.at = trouble
    workers = process(books, keep_s=600.0)
    ask(db, workers, "s")
    drive(db, workers, lambda: books.failed and quiet(workers))
    job = found(db)
    assert job is not None and job.error == "it is not there" and job.ended_at and not job.held
    drive(db, workers, lambda: True)
    with db.read() as tx:
        assert (jobs.of_subject(tx, "s"), jobs.unended(tx, "copy"), jobs.counts(tx)) == ([], set(), {})
    books.at = lambda _where, _run: None
    ask(db, workers, "s")  # asked for anew
    drive(db, workers, lambda: books.done)
    for due_at in (-HOUR, 1000 * HOUR):  # its time is over, or the clock was set back by weeks
        with db.transaction() as tx:
            workers.put(tx, "copy", "t", {})
            tx.execute(update(table).values(ended_at=tx.now, due_at=tx.now + due_at))
        assert found(db, "t") is None
        with db.transaction() as tx:
            assert jobs.forget_ended(tx) == 1


def test_the_deadline_ends_a_job_that_hangs(db: Database, books: Books) -> None:
    """Its thread comes back, and has lost."""
    hanging, outcome = threading.Event(), list[str]()

    def hangs(_where: str, run: Run) -> None:
        hanging.wait(10)
        try:
            run.alive()
        except Lost:
            outcome.append("lost")
            raise

    books.at = hangs
    workers = process(books)
    ask(db, workers, "s", within_s=0.3)
    drive(db, workers, lambda: books.failed)
    hanging.set()
    drive(db, workers, lambda: quiet(workers))
    assert (books.failed, books.done, outcome, left(db)) == ([("s", "Late")], [], ["lost"], [])


def test_the_deadline_ends_a_job_that_nobody_began(db: Database, books: Books) -> None:
    workers = process(books)
    ask(db, workers, "s", within_s=-1)
    workers.look(db)
    assert (books.failed, left(db)) == ([("s", "Late")], [])


def test_a_job_is_tried_as_often_as_it_may_be(db: Database, books: Books) -> None:
    tried: list[int] = []

    def trouble(_where: str, run: Run) -> None:
        tried.append(run.job.tries)
        raise Again("the store is away")

    books.at = trouble
    workers = process(books, most_tries=3)
    ask(db, workers, "s")
    drive(db, workers, lambda: books.failed)
    assert (tried, books.failed, left(db)) == ([0, 1, 2], [("s", "WornOut")], [])


def test_a_job_whose_end_fails_is_tried_later_and_keeps_nobody_waiting(db: Database, books: Books) -> None:
    broken: list[int] = []

    def undo(tx: Transaction, job: jobs.Job, why: Failed) -> None:
        if not broken:
            broken.append(1)
            raise OSError
        books.undo(tx, job, why)

    workers = Workers(lease_s=0.2)
    workers.register(Kind("copy", books.work, undo))
    ask(db, workers, "s", within_s=-1)
    workers.look(db)
    job = found(db)
    assert broken and job is not None and job.error == "OSError" and books.failed == []
    ask(db, workers, "t")
    drive(db, workers, lambda: books.done == ["t"])
    with db.transaction() as tx:
        tx.execute(update(table).values(due_at=0))
    drive(db, workers, lambda: books.failed)
    assert left(db) == []
