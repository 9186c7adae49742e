"""Bindings of ports have a table.

Date: 2026-12-01

Until it is released this revision grows: see CONTRIBUTING.md.
"""

import sqlalchemy as sa
from alembic import op

from cumulet.db import steps

revision = "0004"
down_revision = "0003"


OWN = ("network:dhcp", "network:router_interface", "network:router_gateway", "network:floatingip")


def upgrade() -> None:
    declared()
    bindings()


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
