"""The timeline of a resource: what happened to it, who had it done and why, in sentences. ``explain`` prints it.

Written in the transaction of what it tells. Never holds secrets, user data or bodies of requests: of what changed only
the names.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, delete, func, select, text

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.db.times import SECOND
from cumulet.engine.retention import PARTS, UNFINISHED
from cumulet.engine.tables import TimelineRow, timeline

DELETED = "deleted"
"""The event that ends a timeline: what it tells of is no more."""


class Entry(Struct, frozen=True):
    """One event; `at` in microseconds. `user_name` is what the user was called then; without a user the cloud itself
    acted."""

    at: int
    event: str
    message: str
    detail: dict[str, Any]
    request_id: str
    user_id: str | None
    user_name: str | None
    project_id: str | None


def record(
    tx: Transaction,
    subject: str,
    event: str,
    message: str,
    detail: dict[str, Any] | None = None,
    request_id: str = "",
) -> None:
    """Add an event to the timeline of `subject` (a resource's id), by the transaction's actor. One statement."""
    row = {"subject": subject, "at": tx.now, "event": event, "message": message, "detail": detail or {}}
    if (by := tx.actor) is None:
        row |= {"request_id": request_id, "user_id": None, "user_name": None, "project_id": None}
    else:
        row |= {"request_id": request_id or by.request_id, "user_id": by.user_id}
        row |= {"user_name": by.user_name, "project_id": by.project_id}
    tx.insert(timeline, row)


def repeat(tx: Transaction, subject: str, event: str, message: str, within_s: int = 60) -> None:
    """The same for what comes again and again, and is somebody else's word: at most once in `within_s` seconds."""
    newest = select(timeline.c.event, timeline.c.at).where(timeline.c.subject == subject)
    last = tx.row(newest.order_by(timeline.c.id.desc()).limit(1))
    if last is None or last.event != event or last.at <= tx.now - within_s * SECOND:
        record(tx, subject, event, message)


def history(tx: Transaction, subject: str, limit: int = 200) -> list[Entry]:
    """The newest `limit` events of `subject`, oldest first."""
    query = select_as(TimelineRow).where(timeline.c.subject == subject).order_by(timeline.c.id.desc()).limit(limit)
    rows = tx.rows(query)
    return [
        Entry(r.at, r.event, r.message, r.detail or {}, r.request_id or "", r.user_id, r.user_name, r.project_id)
        for r in reversed(rows)
    ]


_DEAD = Prepared(
    select(timeline.c.subject)
    .where(text(f"event = '{DELETED}'"), timeline.c.at < bindparam("before"))  # in the words of the index
    .order_by(timeline.c.at)
    .limit(bindparam("most"))
)
_EVENTS = Prepared(delete(timeline).where(in_bound_list(timeline.c.subject, "ids")))
_SOME_EVENTS = Prepared(
    delete(timeline).where(
        timeline.c.id.in_(
            select(timeline.c.id)
            .where(in_bound_list(timeline.c.subject, "ids"), timeline.c.event != DELETED)
            .limit(bindparam("most"))
        )
    )
)
_KEPT = Prepared(select(func.count(), func.min(timeline.c.at)).where(text(f"event = '{DELETED}'")))


def forget(tx: Transaction, before: int, most: int) -> int:
    """Let go of timelines that ended before that (µs), at most `most`, the oldest first, and their end last: who has
    made a million events in one must not hold up everybody else. Three statements."""
    ended = [row[0] for row in tx.tuples(_DEAD, {"before": before, "most": most})]
    if ended:
        if tx.execute_prepared(_SOME_EVENTS, {"ids": ended, "most": most * PARTS}) == most * PARTS:
            return UNFINISHED
        tx.execute_prepared(_EVENTS, {"ids": ended})
    return len(ended)


def kept(tx: Transaction) -> tuple[int, int | None]:
    """How many timelines have ended, and when the first of them did (µs)."""
    ((count, oldest),) = tx.tuples(_KEPT)
    return count, oldest
