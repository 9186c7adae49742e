"""Bindings of ports have a table, and nodes are told of guests' ports one by one.

Date: 2026-12-01

Until it is released this revision grows: see CONTRIBUTING.md.
"""

import time

import sqlalchemy as sa
from alembic import op

from cumulet.db import steps

revision = "0004"
down_revision = "0003"


OWN = ("network:dhcp", "network:router_interface", "network:router_gateway", "network:floatingip")


def upgrade() -> None:
    declared()
    bindings()
    wanted()


def bindings() -> None:
    """What ports say of where they are, but for those of DHCP servers and routers, which nobody binds."""
    names = ("port_id", "host", "status", "vif_type", "vif_details", "profile")
    made = sa.table(
        "network_port_bindings", *[sa.column(name, sa.JSON() if name in names[4:] else sa.String()) for name in names]
    )
    ports = sa.table(
        "network_ports",
        *[sa.column(name, sa.String()) for name in ("id", "host", "link_id", "device_owner")],
        sa.column("profile", sa.JSON()),
    )
    found = ports.c.link_id.is_not(None)
    plugged, nothing = {"port_filter": True, "connectivity": "l2"}, sa.literal({}, sa.JSON())
    rows = sa.select(
        ports.c.id,
        ports.c.host,
        sa.literal("ACTIVE"),
        sa.case((found, "bridge"), else_="binding_failed"),
        sa.case((found, sa.literal(plugged, sa.JSON())), else_=nothing),
        ports.c.profile,
    ).where(
        ports.c.host != "",
        ports.c.device_owner.not_in(OWN),
        ports.c.id.not_in(sa.select(made.c.port_id)),
    )
    op.execute(sa.insert(made).from_select(names, rows))


def wanted() -> None:
    """Ports of guests are wanted where they are, at a revision that no node has seen. A node of before goes on to be
    told of them with their guests."""
    desired = sa.table(
        "fleet_desired",
        *[sa.column(name, sa.String()) for name in ("link_id", "kind", "ref", "host", "state")],
        *[sa.column(name, sa.BigInteger()) for name in ("revision", "touched_at", "reported_revision")],
        sa.column("gone", sa.Boolean()),
    )
    ports = sa.table(
        "network_ports",
        *[sa.column(name, sa.String()) for name in ("id", "host", "link_id")],
        sa.column("plugged", sa.Boolean()),
    )
    revision = sa.table("fleet_revision", sa.column("value", sa.BigInteger()))
    lacking = sa.and_(
        ports.c.plugged,
        ports.c.link_id.is_not(None),
        ports.c.id.not_in(sa.select(desired.c.ref).where(desired.c.kind == "port")),
    )
    there = sa.exists().select_from(ports).where(lacking)
    op.execute(sa.update(revision).where(there).values(value=revision.c.value + 1))
    number = sa.select(sa.func.coalesce(sa.func.max(revision.c.value), 1)).scalar_subquery()
    now, never = (sa.literal(value, sa.BigInteger()) for value in (time.time_ns() // 1000, 0))
    row = (ports.c.link_id, sa.literal("port"), ports.c.id, ports.c.host, sa.literal("wanted"), number, now, never)
    names = [column.name for column in desired.c]
    op.execute(sa.insert(desired).from_select(names, sa.select(*row, sa.false()).where(lacking)))


def declared() -> None:
    # From here on by `python -m tests.revise`.
    steps.create_table(
        "network_port_bindings",
        sa.Column("port_id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("vif_type", sa.String(length=64), nullable=False),
        sa.Column("vif_details", sa.JSON(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["port_id"],
            ["network_ports.id"],
        ),
        sa.PrimaryKeyConstraint("port_id", "host"),
    )
    steps.create_index("ix_network_port_bindings_host", "network_port_bindings", ["host"], unique=False)
