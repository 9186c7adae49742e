"""What a cloud knows of itself, of who changed it, and of what its nodes keep.

Rows of 83f4699 and of 193ee7e both say that they are at 0001, and the former lack a table and three columns: this
revision brings either along. Until it is released it grows: see CONTRIBUTING.md.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from cumulet.db import steps

log = logging.getLogger("cumulet.db")

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    steps.create_table(
        "fleet_join_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    steps.add_column("fleet_links", sa.Column("previous_hash", sa.String(length=64), nullable=True))
    if not steps.has_column("network_ports", "plugged"):
        steps.add_column("network_ports", sa.Column("plugged", sa.Boolean(), nullable=False), fill="false")
        # A client may give a port the id of a server; only compute gave it the server's host too.
        op.execute(
            "UPDATE network_ports SET plugged = true WHERE link_id IS NOT NULL AND device_owner LIKE 'compute:%' AND "
            "device_id IN (SELECT id FROM compute_servers WHERE deleted_at IS NULL)"
        )
    if not steps.has_column("network_ports", "named_at"):
        steps.add_column("network_ports", sa.Column("named_at", sa.BigInteger(), nullable=False), fill="0")
        op.execute("UPDATE network_ports SET named_at = created_at")
    # An object is named relative to its store: <image> in a folder, <image>.<upload> below a bucket's prefix.
    op.execute("UPDATE image_locations SET url = substr(url, length(url) - 35) WHERE url LIKE 'file://%'")
    op.execute("UPDATE image_locations SET url = substr(url, length(url) - 68) WHERE url LIKE 's3://%'")
    op.execute("UPDATE image_erasures SET url = substr(url, length(url) - 68) WHERE url LIKE 's3://%'")
    fold_names()
    declared()
    done_before()


def fold_names() -> None:
    """Names of people and projects are compared without their case from here on. Of names of one domain that differ by
    nothing else all but one get a mark: each is found by its exact spelling, as before. Every row stays as it is.

    decisions/0047-names-without-their-case.md.
    """
    for name in ("identity_projects", "identity_users", "identity_groups", "identity_roles"):
        steps.add_column(name, sa.Column("name_key", sa.String(), server_default="", nullable=False))
        steps.add_column(name, sa.Column("namesake", sa.String(length=64), server_default="", nullable=False))
        there = ["id", "name", "domain_id", "name_key", "namesake"]
        if name in ("identity_users", "identity_groups"):  # those of directories need not be unique
            there.append("origin")
        table = sa.table(name, *[sa.column(each) for each in there])
        rows = op.get_bind().execute(sa.select(table).order_by(table.c.id)).fetchall()
        keys = list(_keys(name, rows))
        if keys:
            update = table.update().where(table.c.id == sa.bindparam("which"))
            op.get_bind().execute(update.values(name_key=sa.bindparam("key"), namesake=sa.bindparam("mark")), keys)


def _keys(table: str, rows: Sequence[sa.Row[Any]]) -> Iterator[dict[str, str]]:
    """The key and the mark of each row that has no key yet."""
    alike: dict[tuple[str, ...], list[sa.Row[Any]]] = {}
    for row in rows:
        alone = (row.id,) if getattr(row, "origin", "local") != "local" else ()
        alike.setdefault((row.domain_id, row.name.casefold(), *alone), []).append(row)
    for (_, key, *_), found in alike.items():
        found.sort(key=lambda row: (not row.name_key or bool(row.namesake), row.name != row.name.casefold()))
        if len(found) > 1:
            names = ", ".join(ascii(row.name) for row in found)
            log.warning("%s: names that differ by their case alone; each is found as it is written: %s", table, names)
        for row in found:
            if not row.name_key:
                yield {"which": row.id, "key": key, "mark": "" if row is found[0] else row.id}


def done_before() -> None:
    """What each start did until now is done once from now on; in a cloud that is there, it has been done."""
    op.execute(
        "INSERT INTO store_marks (name, at) SELECT 'bootstrap/first', 0 FROM identity_projects WHERE id = 'default' "
        "AND NOT EXISTS (SELECT 1 FROM store_marks WHERE name = 'bootstrap/first')"
    )
    op.execute(
        "INSERT INTO store_marks (name, at) SELECT DISTINCT 'bootstrap/catalog/' || e.region_id || '/' || s.type, 0 "
        "FROM identity_endpoints e JOIN identity_services s ON s.id = e.service_id WHERE e.region_id IS NOT NULL "
        "AND s.type IN ('identity', 'image', 'compute', 'placement', 'network') "
        "AND 'bootstrap/catalog/' || e.region_id || '/' || s.type NOT IN (SELECT name FROM store_marks)"
    )


def declared() -> None:
    # From here on by `python -m tests.revise`.
    steps.create_index("ix_compute_servers_changed", "compute_servers", ["updated_at"], unique=False)
    steps.create_index(
        "ix_compute_servers_dead",
        "compute_servers",
        ["deleted_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    steps.create_index(
        "ix_compute_servers_living",
        "compute_servers",
        ["created_at", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    steps.create_index(
        "ix_compute_servers_project_changed", "compute_servers", ["project_id", "updated_at"], unique=False
    )
    steps.add_column("engine_timeline", sa.Column("user_id", sa.String(length=64), nullable=True))
    steps.add_column("engine_timeline", sa.Column("user_name", sa.String(length=255), nullable=True))
    steps.add_column("engine_timeline", sa.Column("project_id", sa.String(length=64), nullable=True))
    steps.create_index(
        "ix_engine_timeline_ended",
        "engine_timeline",
        ["at"],
        unique=False,
        sqlite_where=sa.text("event = 'deleted'"),
        postgresql_where=sa.text("event = 'deleted'"),
    )
    steps.create_table(
        "fleet_cloud",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    steps.create_table(
        "fleet_epochs",
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("last_revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run"),
    )
    steps.add_column("fleet_hosts", sa.Column("left_at", sa.BigInteger(), nullable=True))
    steps.add_column("fleet_hosts", sa.Column("dropped", sa.JSON(), nullable=True))
    steps.create_table(
        "fleet_kept",
        sa.Column("link_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("ref", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("cloud_id", sa.String(length=36), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("link_id", "kind", "ref"),
    )
    steps.add_column("fleet_links", sa.Column("cloud_id", sa.String(length=36), nullable=True))
    steps.add_column("fleet_links", sa.Column("epoch", sa.BigInteger(), nullable=False), fill="0")
    steps.add_column("fleet_links", sa.Column("revision", sa.BigInteger(), nullable=False), fill="0")
    steps.add_column("fleet_links", sa.Column("hold", sa.String(), nullable=True))
    steps.add_column(
        "identity_application_credential_access_rules", sa.Column("position", sa.Integer(), nullable=False), fill="0"
    )
    steps.add_column("identity_endpoints", sa.Column("follows", sa.Boolean(), nullable=True))
    steps.drop_index("ix_identity_groups_name", "identity_groups")
    steps.drop_index("uq_identity_groups_domain_name", "identity_groups")
    steps.add_column("identity_groups", sa.Column("name_key", sa.String(), server_default="", nullable=False))
    steps.add_column("identity_groups", sa.Column("namesake", sa.String(length=64), server_default="", nullable=False))
    steps.create_index("ix_identity_groups_name_key", "identity_groups", ["name_key"], unique=False)
    steps.create_index(
        "uq_identity_groups_domain_name_key",
        "identity_groups",
        ["domain_id", "name_key", "namesake"],
        unique=True,
        sqlite_where=sa.text("origin = 'local'"),
        postgresql_where=sa.text("origin = 'local'"),
    )
    steps.add_column("identity_projects", sa.Column("name_key", sa.String(), server_default="", nullable=False))
    steps.add_column(
        "identity_projects", sa.Column("namesake", sa.String(length=64), server_default="", nullable=False)
    )
    steps.create_index(
        "uq_identity_projects_domain_name_key", "identity_projects", ["domain_id", "name_key", "namesake"], unique=True
    )
    steps.add_column("identity_roles", sa.Column("name_key", sa.String(), server_default="", nullable=False))
    steps.add_column("identity_roles", sa.Column("namesake", sa.String(length=64), server_default="", nullable=False))
    steps.create_index(
        "uq_identity_roles_domain_name_key", "identity_roles", ["domain_id", "name_key", "namesake"], unique=True
    )
    steps.drop_index("ix_identity_users_name", "identity_users")
    steps.drop_index("uq_identity_users_domain_name", "identity_users")
    steps.add_column("identity_users", sa.Column("name_key", sa.String(), server_default="", nullable=False))
    steps.add_column("identity_users", sa.Column("namesake", sa.String(length=64), server_default="", nullable=False))
    steps.create_index("ix_identity_users_name_key", "identity_users", ["name_key"], unique=False)
    steps.create_index(
        "uq_identity_users_domain_name_key",
        "identity_users",
        ["domain_id", "name_key", "namesake"],
        unique=True,
        sqlite_where=sa.text("origin = 'local'"),
        postgresql_where=sa.text("origin = 'local'"),
    )
    steps.create_index(
        "image_images_dead",
        "image_images",
        ["deleted_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    steps.create_index(
        "image_images_living",
        "image_images",
        ["created_at", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    steps.create_table(
        "store_marks",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    steps.create_table(
        "store_upgrades",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
