"""Work with I/O has rows: imports that were flows become jobs.

Date: 2026-12-01. Until it is released it grows: see CONTRIBUTING.md.
"""

import sqlalchemy as sa
from alembic import op

from cumulet.db import steps

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    steps.create_table(
        "engine_jobs",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("given", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("claim", sa.String(length=32), nullable=True),
        sa.Column("beat", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject"),
    )
    # An import is a job from now on; what it was to do stays as it was.
    op.execute(
        "INSERT INTO engine_jobs (kind, subject, given, progress, beat, tries, due_at, deadline_at, begun_at) "
        "SELECT kind, subject, state, '{}', 0, 0, due_at, deadline_at, started_at FROM engine_flows "
        "WHERE kind = 'image_import'"
    )
    op.execute("DELETE FROM engine_flows WHERE kind = 'image_import'")
    # From here on by `python -m tests.revise`.
    steps.create_table(
        "engine_jobs",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("given", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("claim", sa.String(length=32), nullable=True),
        sa.Column("beat", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject"),
    )
    steps.create_index(
        "ix_engine_jobs_due",
        "engine_jobs",
        ["kind", "due_at"],
        unique=False,
        sqlite_where=sa.text("claim IS NULL"),
        postgresql_where=sa.text("claim IS NULL"),
    )
    steps.create_index(
        "ix_engine_jobs_held",
        "engine_jobs",
        ["holder"],
        unique=False,
        sqlite_where=sa.text("claim IS NOT NULL"),
        postgresql_where=sa.text("claim IS NOT NULL"),
    )
