"""All tables of compute. Times are microseconds since the epoch."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, String, Table, UniqueConstraint, text

from cumulet.db.database import metadata
from cumulet.db.partial import only
from cumulet.db.rows import TypedRow

flavors = Table(
    "compute_flavors",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("vcpus", Integer, nullable=False),
    Column("ram", Integer, nullable=False),
    Column("disk", Integer, nullable=False),
    Column("ephemeral", Integer, nullable=False, default=0),
    Column("swap", Integer, nullable=False, default=0),
    Column("rxtx_factor", Float, nullable=False, default=1.0),
    Column("is_public", Boolean, nullable=False, default=True),
    Column("description", String),
    Column("extra_specs", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
)


class FlavorRow(TypedRow, table=flavors):
    """A flavor."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int
    swap: int
    rxtx_factor: float
    is_public: bool
    description: str | None
    extra_specs: dict[str, str]
    created_at: int
    updated_at: int | None


flavor_access = Table(
    "compute_flavor_access",
    metadata,
    Column("flavor_id", String(255), primary_key=True),
    Column("project_id", String(64), primary_key=True),
)


keypairs = Table(
    "compute_keypairs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(8), nullable=False, default="ssh"),
    Column("fingerprint", String(255), nullable=False),
    Column("public_key", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("user_id", "name"),
)


class KeypairRow(TypedRow, table=keypairs):
    """A keypair."""

    id: int
    user_id: str
    name: str
    type: str
    fingerprint: str
    public_key: str
    created_at: int


_LIVING, _DEAD = text("deleted_at IS NULL"), text("deleted_at IS NOT NULL")

# `flavor` and `image` are snapshots of the moment of creation: deleting a flavor or an image hurts no server.
# `power`, `hard_reboots` and `soft_reboots` are what is wanted of the guest; the states are what is known of it.
servers = Table(
    "compute_servers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255)),
    Column("hostname", String(255), nullable=False),
    Column("vm_state", String(32), nullable=False),
    Column("task_state", String(32)),
    Column("power_state", Integer, nullable=False, default=0),
    Column("progress", Integer, nullable=False, default=0),
    Column("host", String(255)),
    Column("link_id", String(36)),
    Column("availability_zone", String(255)),
    Column("image_id", String(36), nullable=False, default=""),
    Column("image", JSON),
    Column("flavor_id", String(255), nullable=False),
    Column("flavor", JSON, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram", Integer, nullable=False),
    Column("key_name", String(255)),
    Column("key_type", String(8)),
    Column("public_key", String),
    Column("user_data", String),
    Column("meta", JSON, nullable=False),
    Column("personality", JSON, nullable=False),
    Column("config_drive", Boolean, nullable=False, default=False),
    Column("disk_config", String(8), nullable=False, default="MANUAL"),
    Column("access_ip_v4", String(39)),
    Column("access_ip_v6", String(39)),
    Column("reservation_id", String(64), nullable=False),
    Column("launch_index", Integer, nullable=False, default=0),
    Column("seed", String(64), nullable=False),
    Column("power", String(8), nullable=False, default="on"),
    Column("hard_reboots", Integer, nullable=False, default=0),
    Column("soft_reboots", Integer, nullable=False, default=0),
    Column("locked_by", String(16)),
    Column("locked_reason", String(255)),
    Column("fault", JSON),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("launched_at", BigInteger),
    Column("terminated_at", BigInteger),
    Column("deleted_at", BigInteger),
    Index("ix_compute_servers_project", "project_id", "deleted_at", "created_at"),
    Index("ix_compute_servers_host", "host", "deleted_at"),
    Index("ix_compute_servers_created", "created_at"),
    Index("ix_compute_servers_changed", "updated_at"),
    Index("ix_compute_servers_project_changed", "project_id", "updated_at"),
    Index("ix_compute_servers_living", "created_at", "id", **only(_LIVING)),
    Index("ix_compute_servers_dead", "deleted_at", **only(_DEAD)),
    sqlite_autoincrement=True,
)


class ServerRow(TypedRow, table=servers):
    """A server."""

    number: int
    id: str
    project_id: str
    user_id: str
    name: str
    description: str | None
    hostname: str
    vm_state: str
    task_state: str | None
    power_state: int
    progress: int
    host: str | None
    link_id: str | None
    availability_zone: str | None
    image_id: str
    image: dict[str, Any] | None
    flavor_id: str
    flavor: dict[str, Any]
    vcpus: int
    ram: int
    key_name: str | None
    key_type: str | None
    public_key: str | None
    user_data: str | None
    meta: dict[str, str]
    personality: Any
    config_drive: bool
    disk_config: str
    access_ip_v4: str | None
    access_ip_v6: str | None
    reservation_id: str
    launch_index: int
    seed: str
    power: str
    hard_reboots: int
    soft_reboots: int
    locked_by: str | None
    locked_reason: str | None
    fault: dict[str, Any] | None
    created_at: int
    updated_at: int
    launched_at: int | None
    terminated_at: int | None
    deleted_at: int | None


server_tags = Table(
    "compute_server_tags",
    metadata,
    Column("server_id", String(36), primary_key=True),
    Column("tag", String(60), primary_key=True),
)


class ServerTagRow(TypedRow, table=server_tags):
    """A server tag."""

    server_id: str
    tag: str


actions = Table(
    "compute_actions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("server_id", String(36), nullable=False),
    Column("action", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("project_id", String(64)),
    Column("user_id", String(64)),
    Column("message", String),
    Column("event", String(64), nullable=False),
    Column("host", String(255)),
    Column("result", String(16)),
    Column("details", String),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Index("ix_compute_actions_server", "server_id", "id"),
)


class ActionRow(TypedRow, table=actions):
    """What was asked of a server."""

    id: int
    server_id: str
    action: str
    request_id: str
    project_id: str | None
    user_id: str | None
    message: str | None
    event: str
    host: str | None
    result: str | None
    details: str | None
    started_at: int
    finished_at: int | None
    updated_at: int


# What a project's servers use: kept in the transaction that creates or deletes one.
usages = Table(
    "compute_usages",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("instances", Integer, nullable=False, default=0),
    Column("cores", Integer, nullable=False, default=0),
    Column("ram", Integer, nullable=False, default=0),
)


class UsageRow(TypedRow, table=usages):
    """How much of its quotas a project uses."""

    project_id: str
    instances: int
    cores: int
    ram: int


quotas = Table(
    "compute_quotas",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("hard_limit", Integer, nullable=False),
)


class QuotaRow(TypedRow, table=quotas):
    """A quota."""

    project_id: str
    resource: str
    hard_limit: int


console_tokens = Table(
    "compute_console_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("server_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_compute_console_tokens_expires_at", "expires_at"),
)


class ConsoleTokenRow(TypedRow, table=console_tokens):
    """A console token."""

    token_hash: str
    server_id: str
    kind: str
    expires_at: int
