"""The timeline of a resource: what happened to it and why, in sentences. ``cumulet explain`` prints it.

Written in the transaction of what it tells. Never holds secrets, user data or bodies of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from cumulet.engine.tables import timeline
from cumulet.store import Transaction
from cumulet.store.times import SECOND


@dataclass(frozen=True)
class Entry:
    """One event; `at` in microseconds."""

    at: int
    event: str
    message: str
    detail: dict[str, Any]
    request_id: str


def record(
    tx: Transaction,
    subject: str,
    event: str,
    message: str,
    detail: dict[str, Any] | None = None,
    request_id: str = "",
) -> None:
    """Add an event to the timeline of `subject` (a resource's id)."""
    row = {"subject": subject, "at": tx.now, "event": event, "message": message}
    tx.insert(timeline, {**row, "detail": detail or {}, "request_id": request_id})


def repeat(tx: Transaction, subject: str, event: str, message: str, within_s: int = 60) -> None:
    """The same for what comes again and again, and is somebody else's word: at most once in `within_s` seconds."""
    newest = select(timeline.c.event, timeline.c.at).where(timeline.c.subject == subject)
    last = tx.row(newest.order_by(timeline.c.id.desc()).limit(1))
    if last is None or last.event != event or last.at <= tx.now - within_s * SECOND:
        record(tx, subject, event, message)


def history(tx: Transaction, subject: str, limit: int = 200) -> list[Entry]:
    """The newest `limit` events of `subject`, oldest first."""
    query = select(timeline).where(timeline.c.subject == subject).order_by(timeline.c.id.desc()).limit(limit)
    rows = tx.rows(query)
    return [Entry(r.at, r.event, r.message, r.detail or {}, r.request_id or "") for r in reversed(rows)]


def forget_before(tx: Transaction, at: int) -> int:
    """Drop events older than `at` (µs); how many there were."""
    return tx.delete(timeline, timeline.c.at < at)
