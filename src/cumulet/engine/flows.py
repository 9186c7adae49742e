"""Flows: a row per piece of long work, steps by name, a deadline on each.

A subject has at most one flow of a kind. A step sees its flow and says what comes next; an exception rolls the
step back and it is tried again with growing pauses, until the deadline's step takes over, which must not fail.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import and_, bindparam, delete, func, not_, select, update

from cumulet.db import Database, Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.db.times import SECOND
from cumulet.engine import jobs
from cumulet.engine.clock import Clock
from cumulet.engine.tables import FlowRow, flows

log = logging.getLogger("cumulet.engine")

_LONGEST_PAUSE_S = 30.0
_BATCH = 50

_OF_KINDS = in_bound_list(flows.c.kind, "kinds")
_OF_SUBJECTS = Prepared(select_as(FlowRow).where(_OF_KINDS, in_bound_list(flows.c.subject, "subjects")))
_END_ALL = Prepared(delete(flows).where(_OF_KINDS, flows.c.subject == bindparam("subject")))


class Flow(Struct, frozen=True):
    """A flow as its step sees it. `state` is the step's to change; what it holds when the step returns is kept."""

    kind: str
    subject: str
    step: str
    state: dict[str, Any]
    deadline_at: int
    attempts: int


class Next(Struct, frozen=True):
    """Go on with `step`: at once, or after `after_s` seconds."""

    step: str
    after_s: float = 0.0


class Wait(Struct, frozen=True):
    """Stay in this step until somebody advances the flow, or `for_s` seconds have passed."""

    for_s: float = 3600.0


class Done(Struct, frozen=True):
    """The flow is over; its row goes."""


Outcome = Next | Wait | Done
Step = Callable[[Transaction, Flow], Outcome]


class Plan(Struct, frozen=True):
    """The steps of a kind, and what happens at the deadline."""

    steps: Mapping[str, Step]
    deadline: Callable[[Transaction, Flow], None]


class Engine:
    """Runs flows. `start` and `advance` work inside the caller's transaction; `run` is the thread for the rest.

    `when_set`: called with (transaction, by, since) in µs when the clock was set, as `_move_deadlines` is.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = Clock()
        self.when_set: list[Callable[[Transaction, int, int], None]] = []
        self._plans: dict[str, Plan] = {}
        self._stop = threading.Event()
        self._poke = threading.Event()

    def register(self, kind: str, steps: Mapping[str, Step], deadline: Callable[[Transaction, Flow], None]) -> None:
        """Make a kind known before anything starts it."""
        self._plans[kind] = Plan(dict(steps), deadline)

    def start(
        self,
        tx: Transaction,
        kind: str,
        subject: str,
        step: str,
        *,
        deadline_s: float,
        state: dict[str, Any] | None = None,
        after_s: float = 3600.0,
    ) -> None:
        """Begin (or begin anew) the flow of `subject`; its first step runs when somebody advances it, or after
        `after_s` seconds."""
        if step not in self._plans[kind].steps:
            raise ValueError(f"{kind} has no step {step}")
        deadline_at = tx.now + int(deadline_s * SECOND)
        due_at = min(deadline_at, tx.now + int(after_s * SECOND))
        values = {"step": step, "state": state or {}, "due_at": due_at, "deadline_at": deadline_at}
        tx.upsert(flows, {"kind": kind, "subject": subject}, **values, attempts=0, started_at=tx.now)
        if after_s < 60:
            tx.on_commit(self._poke.set)

    def cancel(self, tx: Transaction, kind: str, subject: str) -> bool:
        """End a flow without its steps; whether there was one."""
        return tx.delete_by_key(flows, kind=kind, subject=subject) > 0

    def cancel_all(self, tx: Transaction, subject: str) -> None:
        """End every flow of a subject without their steps. One statement."""
        tx.execute_prepared(_END_ALL, {"kinds": list(self._plans), "subject": subject})

    def waiting(self, tx: Transaction, subject: str) -> list[Flow]:
        """The flows of a subject, for ``explain``."""
        return [_flow(row) for row in tx.rows(select_as(FlowRow).where(flows.c.subject == subject))]

    def advance(self, tx: Transaction, kind: str, subject: str) -> bool:
        """Run the current step (and those that follow at once) now, in this transaction; False without a flow.

        A step that raises is undone and tried again soon by the runner: what else the transaction does stands.
        """
        rows = tx.rows_by_key(FlowRow, kind=kind, subject=subject)
        for row in rows:
            self._advance(tx, row)
        return bool(rows)

    def advance_all(self, tx: Transaction, subjects: Sequence[str]) -> set[str]:
        """As `advance`, every flow of these subjects, whatever its kind; the subjects that had one. One query beside
        what the steps do, none without subjects."""
        if not subjects:
            return set()
        advanced: set[str] = set()
        for row in tx.rows(_OF_SUBJECTS, {"kinds": list(self._plans), "subjects": subjects}):
            if row.subject in advanced:  # its other flow may have changed this one
                self.advance(tx, row.kind, row.subject)
            else:
                self._advance(tx, row)
            advanced.add(row.subject)
        return advanced

    def _advance(self, tx: Transaction, row: FlowRow) -> None:
        try:
            with tx.savepoint():
                self._step(tx, _flow(row))
        except Exception:
            log.exception("flow %s of %s failed and is tried again", row.kind, row.subject)
            self._put_off(tx, row)

    def _step(self, tx: Transaction, flow: Flow) -> None:
        plan = self._plans[flow.kind]
        while True:
            outcome = plan.steps[flow.step](tx, flow)
            if isinstance(outcome, Done):
                self.cancel(tx, flow.kind, flow.subject)
                return
            if isinstance(outcome, Next):
                flow = replace(flow, step=outcome.step, attempts=0)
                if outcome.after_s <= 0:
                    continue
                pause = outcome.after_s
            else:
                pause = outcome.for_s
            self._keep(tx, flow, pause)
            return

    def _keep(self, tx: Transaction, flow: Flow, pause_s: float) -> None:
        due_at = min(flow.deadline_at, tx.now + int(pause_s * SECOND))
        keys = {"kind": flow.kind, "subject": flow.subject}
        tx.update_by_key(flows, keys, step=flow.step, state=flow.state, due_at=due_at, attempts=flow.attempts)
        if pause_s < 60:
            tx.on_commit(self._poke.set)

    # ---- the runner ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run what is due until `stop`; the body of a thread."""
        while not self._stop.is_set():
            try:
                pause = self.run_due()
            except Exception:
                log.exception("looking for due flows failed")
                pause = 1.0
            self._poke.wait(min(pause, 1.0))
            self._poke.clear()

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()
        self._poke.set()

    def run_due(self) -> float:
        """Run every flow that is due, each in its own transaction; seconds until the next one."""
        by, since = self.clock.step()
        if by:
            self._clock_was_set(by, since)
        with self.db.read() as tx:
            query = select(flows.c.kind, flows.c.subject, flows.c.due_at).order_by(flows.c.due_at).limit(_BATCH)
            rows = tx.rows(query)
            now = tx.now
        for row in rows:
            if row.due_at > now:
                return float((row.due_at - now) / SECOND)
            self._run_one(row.kind, row.subject)
        return 0.0 if rows else 60.0

    def _clock_was_set(self, by_us: int, since_us: int) -> None:
        log.warning("the clock was set by %.1f s: deadlines move with it", by_us / SECOND)
        with self.db.transaction() as tx:
            _move_deadlines(tx, by_us, since_us)
            for moved in self.when_set:
                moved(tx, by_us, since_us)

    def _run_one(self, kind: str, subject: str) -> None:
        try:
            with self.db.transaction() as tx:
                row = tx.row(select_as(FlowRow).where(flows.c.kind == kind, flows.c.subject == subject))
                if row is None or row.due_at > tx.now:
                    return
                flow = _flow(row)
                if tx.now >= flow.deadline_at:
                    self._plans[kind].deadline(tx, flow)
                    self.cancel(tx, kind, subject)
                else:
                    self._step(tx, flow)
        except Exception:
            log.exception("flow %s of %s failed and is tried again", kind, subject)
            self._again(kind, subject)

    def _again(self, kind: str, subject: str) -> None:
        with self.db.transaction() as tx:
            row = tx.row(select_as(FlowRow).where(flows.c.kind == kind, flows.c.subject == subject))
            if row is not None:
                self._put_off(tx, row)

    def _put_off(self, tx: Transaction, row: FlowRow) -> None:
        """Try the step again after a pause that grows; when the deadline comes first, then is its turn."""
        attempts = row.attempts + 1
        pause = min(_LONGEST_PAUSE_S, 0.2 * 2 ** min(attempts, 10)) * random.uniform(0.75, 1.25)
        due_at = tx.now + int(pause * SECOND)
        if tx.now < row.deadline_at:
            due_at = min(due_at, row.deadline_at)
        where = and_(flows.c.kind == row.kind, flows.c.subject == row.subject)
        tx.update(flows, where, attempts=attempts, due_at=due_at)
        tx.on_commit(self._poke.set)


def _move_deadlines(tx: Transaction, by_us: int, since_us: int) -> None:
    """What began before the clock was set has as much time left as it had. What began after the last look, which was
    `since_us` ago, has the new time already."""
    already = flows.c.started_at.between(tx.now - since_us, tx.now)
    tx.update(
        flows,
        not_(already),
        due_at=flows.c.due_at + by_us,
        deadline_at=flows.c.deadline_at + by_us,
        started_at=flows.c.started_at + by_us,
    )


def put_forward(tx: Transaction, by_us: int) -> None:
    """All that is due later, and every deadline, moves by that many microseconds: for flows and jobs that rested while
    their rows lay in a backup. Two statements."""
    moved = {"due_at": flows.c.due_at + by_us, "deadline_at": flows.c.deadline_at + by_us}
    tx.execute(update(flows).values(moved))
    jobs.put_forward(tx, by_us)


def waiting(tx: Transaction) -> dict[str, tuple[int, int]]:
    """Flows and jobs by kind: how many there are, and when the oldest began (microseconds since 1970). Two
    statements."""
    query = select(flows.c.kind, func.count().label("number"), func.min(flows.c.started_at).label("oldest")).group_by(
        flows.c.kind
    )
    return {row.kind: (row.number, row.oldest) for row in tx.rows(query)} | jobs.counts(tx)


def _flow(row: FlowRow) -> Flow:
    return Flow(row.kind, row.subject, row.step, dict(row.state), row.deadline_at, row.attempts)
