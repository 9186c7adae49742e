"""Jobs: a row per piece of work that does I/O in this process. Here is the row; `workers.py` has the threads.

    waiting ──claim──▶ held ──end──▶ gone, or kept for a while with its error
       ▲                 │
       └── put off, given back, or its holder fell silent

A subject has at most one job of a kind. Whoever works at a job has a claim on it, a word that nobody else has; every
change by a worker is a compare-and-set on that word, so a worker that was given up changes nothing any more. A holder
says that it lives by a number that grows. Whoever watches compares that number with what it was, by a clock of its own
that nobody sets: no time of day is part of a lease. Nothing here begins a transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import and_, bindparam, func, inspect, not_, or_, select, update

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.db.times import SECOND
from cumulet.engine.tables import JobRow, jobs

LONGEST_PAUSE_S = 300.0
"""No job rests for longer: what is due later than that is due because of a clock that was set back."""
LONGEST_S = 366 * 86400.0
"""The deadline of a job that has none of its own."""
LONGEST_KEPT_S = 86400.0
"""How long a job that has ended can be kept."""


class Job(Struct, frozen=True):
    """A job as its worker and its service see it. `given` is what there is to do, `progress` what a worker said last of
    how far it is; times in µs. `error` is why the last try failed, and with `ended_at` why the job did."""

    kind: str
    subject: str
    given: Mapping[str, Any]
    progress: Mapping[str, Any]
    tries: int
    held: bool
    begun_at: int
    deadline_at: int
    ended_at: int | None
    error: str | None


def job_of(row: JobRow) -> Job:
    """The job of a row."""
    return Job(
        row.kind,
        row.subject,
        dict(row.given),
        dict(row.progress),
        row.tries,
        row.claim is not None,
        row.begun_at,
        row.deadline_at,
        row.ended_at,
        row.error,
    )


# ---- for services: each is one statement, in the caller's transaction


def put(tx: Transaction, kind: str, subject: str, given: Mapping[str, Any], *, within_s: float = LONGEST_S) -> None:
    """Have the work done, or done anew: a worker that is at it already has lost its claim. After `within_s` seconds the
    job ends without success."""
    values = {"given": dict(given), "progress": {}, "holder": None, "claim": None, "beat": 0, "tries": 0}
    values |= {"due_at": tx.now, "deadline_at": tx.now + int(within_s * SECOND)}
    tx.upsert(jobs, {"kind": kind, "subject": subject}, **values, begun_at=tx.now, ended_at=None, error=None)


def cancel(tx: Transaction, kind: str, subjects: Collection[str]) -> int:
    """Forget these jobs, whatever became of them; how many there were. Their workers stop soon."""
    return tx.delete(jobs, and_(jobs.c.kind == kind, in_list(jobs.c.subject, subjects)))


def find(tx: Transaction, kind: str, subject: str) -> Job | None:
    """The job, also one that has ended and is still kept."""
    rows = tx.rows_by_key(JobRow, kind=kind, subject=subject)
    return None if not rows or _is_over(rows[0], tx.now) else job_of(rows[0])


def unended(tx: Transaction, kind: str) -> set[str]:
    """Subjects of the jobs of a kind that have not ended."""
    query = select(jobs.c.subject).where(jobs.c.kind == kind, jobs.c.ended_at.is_(None))
    return {row.subject for row in tx.rows(query)}


def of_subject(tx: Transaction, subject: str) -> list[Job]:
    """The jobs of a subject that have not ended, for ``explain``."""
    query = select_as(JobRow).where(jobs.c.subject == subject, jobs.c.ended_at.is_(None))
    return [job_of(row) for row in tx.rows(query)]


def counts(tx: Transaction) -> dict[str, tuple[int, int]]:
    """Jobs that have not ended, by kind: how many there are, and when the oldest began (µs)."""
    query = select(jobs.c.kind, func.count().label("number"), func.min(jobs.c.begun_at).label("oldest"))
    rows = tx.rows(query.where(jobs.c.ended_at.is_(None)).group_by(jobs.c.kind))
    return {row.kind: (row.number, row.oldest) for row in rows}


# ---- for workers

_DUE = Prepared(
    select_as(JobRow)
    .where(jobs.c.claim.is_(None), jobs.c.kind == bindparam("of"), jobs.c.ended_at.is_(None))
    .order_by(jobs.c.due_at)
    .limit(bindparam("most"))
)
_HELD = Prepared(select_as(JobRow).where(jobs.c.claim.is_not(None)))
_MINE = Prepared(
    select(jobs.c.beat).where(
        jobs.c.kind == bindparam("of"), jobs.c.subject == bindparam("about"), jobs.c.claim == bindparam("word")
    )
)


def due(tx: Transaction, kind: str, most: int) -> Sequence[JobRow]:
    """Jobs that wait to be tried, those that are due first in front; some may not be due yet. One statement."""
    return tx.rows(_DUE, {"of": kind, "most": most})


def held(tx: Transaction) -> Sequence[JobRow]:
    """Jobs that somebody works at. One statement."""
    return tx.rows(_HELD)


def is_due(row: JobRow, now: int) -> bool:
    """Whether a job that waits is to be tried now."""
    return row.due_at <= now or row.due_at > now + LONGEST_PAUSE_S * SECOND


def claim(tx: Transaction, row: JobRow, holder: str) -> str | None:
    """Take a job that waits; the claim on it, None when somebody else was faster. One statement."""
    word = secrets.token_hex(16)
    keys = {"kind": row.kind, "subject": row.subject, "due_at": row.due_at, "tries": row.tries}
    free = and_(*(jobs.c[name] == value for name, value in keys.items()), jobs.c.claim.is_(None))
    taken = tx.update(jobs, free & jobs.c.ended_at.is_(None), holder=holder, claim=word, beat=0, tries=row.tries + 1)
    return word if taken else None


def is_held(tx: Transaction, kind: str, subject: str, word: str) -> bool:
    """Whether the claim holds. One statement."""
    return bool(tx.tuples(_MINE, {"of": kind, "about": subject, "word": word}))


def beat(tx: Transaction, job: Job, word: str, progress: Mapping[str, Any]) -> bool:
    """Say that the holder lives, and how far it is; False when the claim is lost. One statement."""
    return bool(tx.update(jobs, _claimed(job, word), beat=jobs.c.beat + 1, progress=dict(progress)))


def give_back(tx: Transaction, job: Job, word: str) -> bool:
    """The job waits again, as if it had not been tried. One statement."""
    free = {"holder": None, "claim": None, "due_at": tx.now}
    return bool(tx.update(jobs, _claimed(job, word), **free, tries=jobs.c.tries - 1))


def put_off(tx: Transaction, job: JobRow | Job, word: str | None, pause_s: float, why: str) -> bool:
    """The job waits for its next try. One statement."""
    free = {"holder": None, "claim": None, "due_at": tx.now + int(min(pause_s, LONGEST_PAUSE_S) * SECOND)}
    return bool(tx.update(jobs, _claimed(job, word), **free, error=why))


def release(tx: Transaction, row: JobRow) -> bool:
    """Take a job from a holder that fell silent: it is due. One statement."""
    same = {"kind": row.kind, "subject": row.subject, "claim": row.claim, "beat": row.beat}
    return bool(tx.update_by_key(jobs, same, holder=None, claim=None, due_at=tx.now))


def release_all(tx: Transaction) -> int:
    """Take all jobs from those who held them: they are known to be dead. How many there were. One statement."""
    return tx.update(jobs, jobs.c.claim.is_not(None), holder=None, claim=None, due_at=tx.now)


def end(tx: Transaction, row: JobRow | Job, word: str | None, error: str | None = None, *, keep_s: float = 0.0) -> bool:
    """The job is over; False when that claim on it is lost (None: when somebody has taken it). It is kept for `keep_s`
    seconds, so that others see what became of it. One statement."""
    where = _claimed(row, word)
    if keep_s <= 0:
        return bool(tx.delete(jobs, where))
    due_at = tx.now + int(min(keep_s, LONGEST_KEPT_S) * SECOND)
    return bool(tx.update(jobs, where, holder=None, claim=None, ended_at=tx.now, due_at=due_at, error=error))


def _is_over(row: JobRow, now: int) -> bool:
    """Whether a job that has ended is to be forgotten."""
    return row.ended_at is not None and not now < row.due_at <= now + LONGEST_KEPT_S * SECOND


def _claimed(job: JobRow | Job, word: str | None) -> Any:
    mine = and_(jobs.c.kind == job.kind, jobs.c.subject == job.subject, jobs.c.ended_at.is_(None))
    return and_(mine, jobs.c.claim.is_(None) if word is None else jobs.c.claim == word)


def forget_ended(tx: Transaction) -> int:
    """Forget jobs that have been kept for long enough after their end; how many. One statement."""
    far = tx.now + int(LONGEST_KEPT_S * SECOND)
    return tx.delete(jobs, and_(jobs.c.ended_at.is_not(None), or_(jobs.c.due_at <= tx.now, jobs.c.due_at > far)))


# ---- for clocks that are set, and rows that rested


def clock_was_set(tx: Transaction, by_us: int, since_us: int) -> None:
    """A job that was begun before the clock was set has as much time left as it had. One statement."""
    already = jobs.c.begun_at.between(tx.now - since_us, tx.now)
    tx.update(jobs, not_(already), deadline_at=jobs.c.deadline_at + by_us, begun_at=jobs.c.begun_at + by_us)


def put_forward(tx: Transaction, by_us: int) -> None:
    """Every deadline moves by that many µs: for jobs whose rows lay in a backup. One statement, and a look whether
    there are any: a backup of before 0.3 comes into tables of its own time."""
    if inspect(tx.connection).has_table(jobs.name):
        tx.execute(update(jobs).values(deadline_at=jobs.c.deadline_at + by_us))
