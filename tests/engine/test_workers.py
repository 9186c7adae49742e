"""Jobs: each step twice, failed, and killed; several processes; clocks that are set; what each step costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from cumulet.db import Database, Transaction
from cumulet.db.times import SECOND
from cumulet.engine import Again, Failed, Kind, Lost, Run, Workers, jobs, put_forward, waiting
from cumulet.engine.tables import flows
from cumulet.engine.tables import jobs as table
from tests.databases import KINDS, place

HOUR = 3600 * SECOND


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(place(tmp_path / "db.sqlite", request.param), durable=False)
    with made.engine.connect() as connection:
        table.metadata.create_all(connection, tables=[table, flows])
        connection.commit()
    yield made
    made.close()


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


@pytest.fixture
def books() -> Books:
    return Books()


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
