"""Flows: each step twice, failed, and killed; deadlines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from cumulet.db import Database, Transaction
from cumulet.engine import Done, Engine, Flow, Next, Outcome, Wait, timeline
from cumulet.engine.tables import flows, jobs
from cumulet.engine.tables import timeline as timeline_table
from tests.databases import place


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


@pytest.fixture
def db(tmp_path: Path) -> Database:
    made = Database(place(tmp_path / "db.sqlite"), durable=False)
    with made.engine.connect() as connection:
        flows.metadata.create_all(connection, tables=[flows, jobs, timeline_table])
    return made


def walk(db: Database, trouble: Callable[[str], None]) -> Engine:
    """A flow of three steps that each leave an entry; `trouble(step)` may raise before the step's transaction ends."""
    engine = Engine(db)

    def step(name: str, outcome: Outcome) -> Callable[[Transaction, Flow], Outcome]:
        def run(tx: Transaction, flow: Flow) -> Outcome:
            timeline.record(tx, flow.subject, name, "")
            flow.state[name] = True
            trouble(name)
            return outcome

        return run

    def late(tx: Transaction, flow: Flow) -> None:
        timeline.record(tx, flow.subject, "late", "")

    steps = {
        "one": step("one", Next("two", 0.001)),
        "two": step("two", Next("three", 0.001)),
        "three": step("three", Done()),
    }
    engine.register("walk", steps, late)
    return engine


def entries(db: Database) -> list[str]:
    with db.read() as tx:
        return [entry.event for entry in timeline.history(tx, "s")]


def left(db: Database) -> list[str]:
    with db.read() as tx:
        return [row.step for row in tx.rows(select(flows))]


def drive(engine: Engine, rounds: int = 40) -> None:
    for _ in range(rounds):
        with engine.db.transaction() as tx:
            tx.execute(flows.update().values(due_at=0).where(flows.c.deadline_at > tx.now))
        engine.run_due()


def begin(engine: Engine, deadline_s: float = 60) -> None:
    with engine.db.transaction() as tx:
        engine.start(tx, "walk", "s", "one", deadline_s=deadline_s, after_s=0)


def test_steps_run_once_each_and_the_row_goes(db: Database) -> None:
    engine = walk(db, lambda step: None)
    begin(engine)
    drive(engine)
    assert (entries(db), left(db)) == (["one", "two", "three"], [])


@pytest.mark.parametrize("at", ["one", "two", "three"])
@pytest.mark.parametrize("error", [RuntimeError, Killed])
def test_a_step_that_breaks_leaves_nothing_and_is_done_again(db: Database, at: str, error: type[BaseException]) -> None:
    broken: list[str] = []

    def trouble(step: str) -> None:
        if step == at and len(broken) < 2:
            broken.append(step)
            raise error

    engine = walk(db, trouble)
    begin(engine)
    for _ in range(3):
        try:
            drive(engine)
        except Killed:
            engine = walk(db, trouble)  # a new process finds the row
    assert (broken, entries(db), left(db)) == ([at, at], ["one", "two", "three"], [])


def test_advance_is_part_of_the_callers_transaction(db: Database) -> None:
    engine = walk(db, lambda step: None)
    begin(engine)
    with pytest.raises(RuntimeError), db.transaction() as tx:
        assert engine.advance(tx, "walk", "s")
        raise RuntimeError
    assert (entries(db), left(db)) == ([], ["one"])
    with db.transaction() as tx:
        engine.advance(tx, "walk", "s")
        assert not engine.advance(tx, "walk", "somebody else")
    assert (entries(db), left(db)) == (["one"], ["two"])


def test_the_deadline_ends_what_only_fails(db: Database) -> None:
    def trouble(step: str) -> None:
        raise RuntimeError

    engine = walk(db, trouble)
    begin(engine, deadline_s=0)
    drive(engine, 2)
    assert (entries(db), left(db)) == (["late"], [])


def test_a_wait_is_over_when_somebody_advances(db: Database) -> None:
    engine = Engine(db)
    seen: list[str] = []

    def waiting(tx: Transaction, flow: Flow) -> Outcome:
        seen.append("looked")
        return Done() if len(seen) == 2 else Wait()

    engine.register("wait", {"waiting": waiting}, lambda tx, flow: None)
    with db.transaction() as tx:
        engine.start(tx, "wait", "s", "waiting", deadline_s=3600, after_s=0)
    engine.run_due()
    assert (seen, left(db)) == (["looked"], ["waiting"])
    engine.run_due()  # not due
    assert seen == ["looked"]
    with db.transaction() as tx:
        engine.advance(tx, "wait", "s")
    assert left(db) == []


def test_starting_again_begins_anew(db: Database) -> None:
    engine = walk(db, lambda step: None)
    begin(engine)
    with db.transaction() as tx:
        engine.advance(tx, "walk", "s")
    begin(engine)
    assert left(db) == ["one"]


def test_a_step_that_raises_harms_nothing_else_of_the_callers_transaction(db: Database) -> None:
    """Else one server's broken step would refuse the reports of a whole node, for ever."""
    broken = ["one"]

    def trouble(step: str) -> None:
        if step in broken:
            raise RuntimeError

    engine = walk(db, trouble)
    begin(engine)
    with db.transaction() as tx:
        timeline.record(tx, "s", "before", "kept")
        assert engine.advance(tx, "walk", "s")
        timeline.record(tx, "s", "after", "kept")
    assert (entries(db), left(db)) == (["before", "after"], ["one"])
    with db.read() as tx:
        row = tx.row(select(flows.c.due_at, flows.c.attempts))
        assert row is not None and row.attempts == 1 and row.due_at < tx.now + 2_000_000
    broken.clear()
    drive(engine)
    assert (entries(db), left(db)) == (["before", "after", "one", "two", "three"], [])
