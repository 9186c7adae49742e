"""A database that a copy is put into: whether it may be, and a label on it that says how far that came.

The label is a comment of PostgreSQL, written in the transaction that brings the rows: whoever finds it knows that they
are all there. SQLite needs none, as its file is made anew.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, select, table, text
from sqlalchemy.exc import OperationalError

from cumulet.db.copies import VERSIONS
from cumulet.db.database import Database, Transaction

_OURS = (VERSIONS, "store_upgrades")
"""Tables in which making the others leaves rows."""


def vacant(tx: Transaction) -> bool:
    """Whether nothing is in the database: no tables, or a Cumulet's without a row."""
    names = inspect(tx.connection).get_table_names()
    if names and VERSIONS not in names:
        return False
    return not any(tx.row(select(text("1")).select_from(table(name)).limit(1)) for name in names if name not in _OURS)


def clear(tx: Transaction) -> None:
    """Drop the tables of a database that is `vacant`: they may be of another revision."""
    from psycopg import sql

    for name in inspect(tx.connection).get_table_names():
        tx.driver.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(name)))


def label(tx: Transaction, words: str | None) -> None:
    """Put the label on the database; None takes it away."""
    from psycopg import sql

    tx.driver.execute(sql.SQL("COMMENT ON TABLE alembic_version IS {}").format(sql.Literal(words)))


def labelled(tx: Transaction) -> str | None:
    """The label of a database of PostgreSQL."""
    if not inspect(tx.connection).has_table(VERSIONS):
        return None
    found = inspect(tx.connection).get_table_comment(VERSIONS)["text"]
    return None if found is None else str(found)


def checkpoint(db: Database) -> bool:
    """Move all that SQLite's log has into its file; whether nothing was in the way. Nothing to do on PostgreSQL."""
    if not isinstance(db.where, Path):
        return True
    try:
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=1000")
            busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    except OperationalError:  # the disk is full or away: the rows are in the log, and stay there
        return False
    return not busy


def integrity(tx: Transaction) -> str | None:
    """What SQLite finds wrong with the whole file or with references between rows; None for nothing."""
    found = tx.driver.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        return str(found)
    broken = tx.driver.execute("PRAGMA foreign_key_check").fetchone()
    return None if broken is None else f"a row of {broken[0]} names one of {broken[2]} that is not there"
