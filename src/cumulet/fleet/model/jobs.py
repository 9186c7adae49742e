"""Jobs: one-shot questions to a node with a recorded answer, from a closed list, each with a deadline."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import and_, select

from cumulet.db import Database, Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.db.times import SECOND, now_us
from cumulet.desired.questions import Job, JobDone
from cumulet.fleet.model import told
from cumulet.fleet.model.desired import topic
from cumulet.fleet.tables import JobKind, JobRow, jobs

KEEP_S = 600


class JobResult(Struct, frozen=True):
    """`state`: done, failed or waiting (nobody answered in time)."""

    state: Literal["done", "failed", "waiting"]
    result: str


def ask(
    tx: Transaction, *, link_id: str, host: str, kind: JobKind, args: dict[str, Any], deadline_s: float = 10.0
) -> str:
    """Put a question to a host; the id to wait for. Answers older than ten minutes are dropped on the way."""
    tx.delete(jobs, jobs.c.deadline_at < tx.now - KEEP_S * SECOND)
    job_id = str(uuid.uuid4())
    deadline_at = tx.now + int(deadline_s * SECOND)
    row = {"id": job_id, "link_id": link_id, "host": host, "kind": kind, "args": args}
    tx.insert(jobs, {**row, "state": "waiting", "deadline_at": deadline_at})
    tx.wake(topic(link_id, "job"))
    return job_id


def waiting(tx: Transaction, link_id: str) -> list[Job]:
    """Questions to the link that nobody has fetched yet and that still want an answer."""
    where = and_(jobs.c.link_id == link_id, jobs.c.state == "waiting", jobs.c.deadline_at > tx.now)
    return [
        Job(id=row.id, host=row.host, kind=row.kind, args=row.args) for row in tx.rows(select_as(JobRow).where(where))
    ]


def fetched(tx: Transaction, ids: Sequence[str]) -> None:
    """The node has these questions now."""
    tx.update(jobs, jobs.c.id.in_(ids), state="asked")


def answered(tx: Transaction, link_id: str, answers: Sequence[JobDone]) -> None:
    """Record answers; those to nobody's question, or to another link's, are dropped. One query, and one for
    each that counts."""
    if not answers:
        return
    given = {answer.id: answer for answer in answers}
    open_ones = and_(jobs.c.link_id == link_id, jobs.c.state.in_(("waiting", "asked")), in_list(jobs.c.id, given))
    for row in tx.rows(select(jobs.c.id).where(open_ones)):
        answer = given[row.id]
        ok, result = answer.ok, answer.result
        if len(result) > told.MOST_RESULT:
            ok, result = False, "The answer is too long."
        if not ok:
            result = told.sentence(result)
        tx.update_by_key(jobs, {"id": row.id}, state="done" if ok else "failed", result=result)
        tx.wake(f"job:{row.id}")


async def wait_job(db: Database, job_id: str, timeout_s: float) -> JobResult:
    """Wait for the answer, `timeout_s` seconds at most."""
    end = now_us() + int(timeout_s * SECOND)
    name = f"job:{job_id}"
    while True:
        ticket = db.wakeups.ticket(name)
        with db.read() as tx:
            row = tx.row(select(jobs.c.state, jobs.c.result).where(jobs.c.id == job_id))
        if row is not None and row.state in ("done", "failed"):
            return JobResult(row.state, row.result or "")
        left = (end - now_us()) / SECOND
        if left <= 0 or row is None or db.wakeups.closed:
            return JobResult("waiting", "")
        await db.wakeups.wait({name: ticket}, left)
