"""All tables of the engine."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, text

from cumulet.db.database import metadata
from cumulet.db.partial import only
from cumulet.db.rows import TypedRow

flows = Table(
    "engine_flows",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("step", String(64), nullable=False),
    Column("state", JSON, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("deadline_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("started_at", BigInteger, nullable=False),
    Index("ix_engine_flows_due_at", "due_at"),
)


class FlowRow(TypedRow, table=flows):
    """A flow."""

    kind: str
    subject: str
    step: str
    state: dict[str, Any]
    due_at: int
    deadline_at: int
    attempts: int
    started_at: int


_WAITING, _HELD = text("claim IS NULL"), text("claim IS NOT NULL")

jobs = Table(
    "engine_jobs",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("given", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("holder", String(32)),
    Column("claim", String(32)),
    Column("beat", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("due_at", BigInteger, nullable=False),
    Column("deadline_at", BigInteger, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("error", String),
    Index("ix_engine_jobs_due", "kind", "due_at", **only(_WAITING)),
    Index("ix_engine_jobs_held", "holder", **only(_HELD)),
)
"""Work with I/O. While somebody works at a job, `holder` is that process, `claim` this go at it, and `beat` grows while
the process lives. `due_at`: when a job that waits is tried next, and when one that ended is forgotten."""


class JobRow(TypedRow, table=jobs):
    """A job."""

    kind: str
    subject: str
    given: dict[str, Any]
    progress: dict[str, Any]
    holder: str | None
    claim: str | None
    beat: int
    tries: int
    due_at: int
    deadline_at: int
    begun_at: int
    ended_at: int | None
    error: str | None


_ENDED = text("event = 'deleted'")

timeline = Table(
    "engine_timeline",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subject", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("event", String(64), nullable=False),
    Column("message", String, nullable=False),
    Column("detail", JSON),
    Column("request_id", String(64)),
    Column("user_id", String(64)),
    Column("user_name", String(255)),
    Column("project_id", String(64)),
    Index("ix_engine_timeline_subject", "subject", "id"),
    Index("ix_engine_timeline_ended", "at", **only(_ENDED)),
)


class TimelineRow(TypedRow, table=timeline):
    """Something that happened."""

    id: int
    subject: str
    at: int
    event: str
    message: str
    detail: Any
    request_id: str | None
    user_id: str | None
    user_name: str | None
    project_id: str | None
