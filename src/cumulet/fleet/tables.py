"""All tables of the fleet: links of nodes, tokens to join with, hosts, what those shall look like, questions."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table

from cumulet.db.database import metadata
from cumulet.db.rows import TypedRow
from cumulet.desired.kinds import Kind

JobKind = Literal["console_log", "diagnostics", "screenshot", "simulate"]

links = Table(
    "fleet_links",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("secret_hash", String(64), nullable=False),
    Column("previous_hash", String(64)),
    Column("joined_at", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("cloud_id", String(36)),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("revision", BigInteger, nullable=False, default=0),
    Column("hold", String),
)
"""`cloud_id`, `epoch` and `revision` are the newest that the node has seen, in its own words; `hold` is why it takes
nothing from this controller."""


class LinkRow(TypedRow, table=links):
    """A link."""

    id: str
    name: str
    secret_hash: str
    previous_hash: str | None
    joined_at: int
    last_seen: int
    cloud_id: str | None
    epoch: int
    revision: int
    hold: str | None


join_tokens = Table(
    "fleet_join_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("name", String(255)),
    Column("expires_at", BigInteger, nullable=False),
)


class JoinTokenRow(TypedRow, table=join_tokens):
    """A join token."""

    token_hash: str
    name: str | None
    expires_at: int


hosts = Table(
    "fleet_hosts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("link_id", ForeignKey("fleet_links.id"), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("disabled_reason", String(255)),
    Column("forced_down", Boolean, nullable=False, default=False),
    Column("left_at", BigInteger),
    Column("dropped", JSON),
    Column("joined_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("ix_fleet_hosts_link_id", "link_id"),
)
"""`left_at`: since when its node does not name it any more; `dropped`: what an operator does not want to see of a host
that is gone (binaries of agents), until it returns."""


class HostRow(TypedRow, table=hosts):
    """A host."""

    id: str
    number: int
    name: str
    link_id: str
    facts: Any
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    left_at: int | None
    dropped: Any
    joined_at: int
    updated_at: int


desired = Table(
    "fleet_desired",
    metadata,
    Column("link_id", String(36), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("ref", String(36), primary_key=True),
    Column("host", String(255), nullable=False, default=""),
    Column("revision", BigInteger, nullable=False),
    Column("gone", Boolean, nullable=False, default=False),
    Column("touched_at", BigInteger, nullable=False),
    Column("reported_revision", BigInteger, nullable=False, default=0),
    Column("reported_at", BigInteger),
    Column("state", String(16), nullable=False, default="wanted"),
    Column("error", String),
    Column("detail", String),
    Column("facts", JSON),
    Index("ix_fleet_desired_link_revision", "link_id", "revision"),
    Index("ix_fleet_desired_ref", "kind", "ref"),
)


class DesiredRow(TypedRow, table=desired):
    """What a node shall have, and what it said of it."""

    link_id: str
    kind: Kind
    ref: str
    host: str
    revision: int
    gone: bool
    touched_at: int
    reported_revision: int
    reported_at: int | None
    state: str
    error: str | None
    detail: str | None
    facts: Any


revision = Table(
    "fleet_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

jobs = Table(
    "fleet_jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("link_id", String(36), nullable=False),
    Column("host", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("args", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("result", String),
    Column("deadline_at", BigInteger, nullable=False),
    Index("ix_fleet_jobs_link_state", "link_id", "state"),
)


class JobRow(TypedRow, table=jobs):
    """A job."""

    id: str
    link_id: str
    host: str
    kind: JobKind
    args: dict[str, Any]
    state: str
    result: str | None
    deadline_at: int


cloud = Table(
    "fleet_cloud",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("run", String(32), nullable=False),
    Column("made_at", BigInteger, nullable=False),
)
"""One row: whose rows these are."""


epochs = Table(
    "fleet_epochs",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("last_revision", BigInteger, nullable=False),
)
"""The past of these rows: each run of a controller that is over, and the revision at which it ended."""


class EpochRow(TypedRow, table=epochs):
    """An epoch of this cloud."""

    run: str
    epoch: int
    last_revision: int


kept = Table(
    "fleet_kept",
    metadata,
    Column("link_id", String(36), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("ref", String(36), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("cloud_id", String(36), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("why", String(16), nullable=False),
    Column("spec", JSON),
    Column("facts", JSON, nullable=False),
    Column("size", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("round", BigInteger, nullable=False),
)
"""What nodes have and were not told to have by this controller."""


class KeptRow(TypedRow, table=kept):
    """What a node has and was not told to have."""

    link_id: str
    kind: Kind
    ref: str
    host: str
    cloud_id: str
    epoch: int
    revision: int
    why: str
    spec: Any
    facts: Any
    size: int
    since: int
    round: int
