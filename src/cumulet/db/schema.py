"""The schema: a new database gets all tables at once, an older one the migrations it lacks.

That both ways lead to the same tables is a test. Nothing is migrated while requests are answered. All that an upgrade
does is one transaction: one that fails, or is killed, has changed nothing. SQLite's file is copied before it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Index, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

import cumulet
from cumulet.db import aside, tables
from cumulet.db.database import Database, Transaction, metadata

log = logging.getLogger("cumulet.db")

FIRST, HEAD = "0001", "0004"
"""The revision that the first databases say they are at, and the newest one under ``migrations/versions``."""

MIGRATIONS = Path(__file__).with_name("migrations")

ADDED_TO_FIRST = ("fleet_join_tokens", "fleet_links.previous_hash", "network_ports.named_at", "network_ports.plugged")
"""What some databases at `FIRST` lack: it was changed after it had been in use. No other revision ever is."""


class SchemaError(Exception):
    """The database cannot be reached, is newer than this program, or is not a database of Cumulet."""


class AwayError(SchemaError):
    """The database, or its disk, does not serve now; it may the next time."""


def prepare(db: Database, say: Callable[[str], None] = log.info) -> None:
    """Bring the database to `HEAD`; `say` is told what that is. Raises SchemaError when it cannot be."""
    try:
        _prepare(db, say)
    except DatabaseError as error:  # what the driver says names host and user, never the password
        if db.trouble(error) == "damaged":
            raise SchemaError(
                f"{db.where if isinstance(db.where, Path) else 'the database'} is damaged ({error.orig}). "
                "Restore a backup: docs/backup.md. Nothing was changed"
            ) from None
        if not isinstance(error, OperationalError):
            raise
        raise AwayError(f"the database cannot be used: {error.orig}") from None


def _prepare(db: Database, say: Callable[[str], None]) -> None:
    if isinstance(db.where, Path):
        db.where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with db.transaction() as tx:  # of several controllers that start at once, one makes the tables
        if not _versioned(tx):
            if inspect(tx.connection).get_table_names():
                raise SchemaError(f"{db.engine.url!r} is not a database of Cumulet")
            metadata.create_all(tx.connection, checkfirst=False)
            tx.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            tx.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
            _remember(tx)
            return
        complete = _revision(tx) == HEAD and not _lacking(tx.connection)
    if not complete:
        migrate(db, say)


def _versioned(tx: Transaction) -> bool:
    return bool(inspect(tx.connection).has_table("alembic_version"))


def _revision(tx: Transaction) -> str | None:
    return tx.scalar(text("SELECT version_num FROM alembic_version")) if _versioned(tx) else None


def _remember(tx: Transaction) -> None:
    """Write down which version of Cumulet brought the database to `HEAD`."""
    tx.insert(tables.upgrades, {"revision": HEAD, "version": cumulet.__version__, "at": tx.now})


def _writer(tx: Transaction) -> str:
    """The version of Cumulet that brought the database to where it is."""
    if not inspect(tx.connection).has_table(tables.upgrades.name):
        return "0.1.0"
    return str(tx.scalar(text("SELECT version FROM store_upgrades ORDER BY number DESC LIMIT 1")))


def _lacking(connection: Connection) -> str | None:
    """A table, or a column or an index of one, that the database at `HEAD` should have and does not."""
    there = _names(connection)
    for table in metadata.sorted_tables:
        if table.name not in there:
            return f"table {table.name}"
        if lacking := [column.name for column in table.columns if f"{table.name}.{column.name}" not in there]:
            return f"column {table.name}.{lacking[0]}"
    return next((f"index {index.name}" for index in _lacking_indexes(connection)), None)


def _lacking_indexes(connection: Connection) -> list[Index]:
    """Indexes of our tables that are not there. One statement: every start asks."""
    every = "SELECT name FROM sqlite_master WHERE type = 'index'"
    if connection.dialect.name != "sqlite":
        every = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
    there = {str(row[0]) for row in connection.execute(text(every))}
    return [index for table in metadata.sorted_tables for index in table.indexes if index.name not in there]


def _names(connection: Connection) -> set[str]:
    """Names of all tables, and of their columns as ``table.column``."""
    if connection.dialect.name == "sqlite":  # in one statement, as every start asks; the inspector has one per table
        rows = connection.execute(
            text("SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'")
        ).all()
        return {row[0] for row in rows} | {f"{row[0]}.{row[1]}" for row in rows}
    found = inspect(connection).get_multi_columns()
    return {table for _, table in found} | {
        f"{table}.{column['name']}" for (_, table), columns in found.items() for column in columns
    }


def _before_first(connection: Connection) -> str | None:
    """What a database that says `FIRST` lacks of it, and cannot be given: it is older than any that comes along."""
    there = _names(connection)
    for line in (MIGRATIONS / "shapes" / f"{FIRST}.txt").read_text().splitlines():
        kind, name, *_ = line.split()
        given = name in ADDED_TO_FIRST or name.split(".")[0] in ADDED_TO_FIRST
        if kind in ("table", "column") and name not in there and not given:
            return f"{kind} {name}"
    return None


def migrate(db: Database, say: Callable[[str], None] = log.info, to: str = HEAD) -> None:
    """Take the steps that the database lacks, in one transaction. Raises SchemaError; nothing has changed then."""
    with db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        if db.alone:  # SQLite heeds this outside of transactions only; a table that is made anew is dropped once
            connection.execute(text("PRAGMA foreign_keys = OFF"))
        db.kind.begin(driver, writes=True)
        tx = Transaction(connection, db.kind, writes=True)
        before = None
        try:
            before = _revision(tx)
            if before == HEAD and not _lacking(connection):
                return  # somebody else was faster
            _refuse(tx, before)
            if before is not None:
                _announce(db, tx, before, say)
            _upgrade(tx, before, to)
            driver.execute("COMMIT")
        except aside.NoCopy as error:
            raise SchemaError(f"{error}. Nothing was changed") from error
        except SchemaError:
            raise
        except Exception as error:
            if before is None:
                raise
            raise SchemaError(_failed(before, to, getattr(error, "orig", None) or error)) from error
        finally:
            if db.kind.usable(driver) and db.kind.within(driver):
                driver.execute("ROLLBACK")


def _refuse(tx: Transaction, before: str | None) -> None:
    """Raise SchemaError for a database that no step leads on from."""
    if before is not None and before > HEAD:
        raise SchemaError(
            f"this cloud was made by a newer Cumulet (schema {before} by {_writer(tx)}; this one, "
            f"{cumulet.__version__}, knows {HEAD}); install that one"
        )
    if before == FIRST and (lacking := _before_first(tx.connection)):
        raise SchemaError(
            f"the database has no {lacking}: a Cumulet from before the first release made it. There is no way on "
            "from those; make the cloud anew (cumulet down --purge, then cumulet up)"
        )


def _announce(db: Database, tx: Transaction, before: str, say: Callable[[str], None]) -> None:
    """Say from where to where, after the copy is made. Nobody writes the database meanwhile: `tx` is begun."""
    if isinstance(db.where, Path):
        name = f"before-{HEAD}" if before != HEAD else f"before-more-of-{HEAD}"
        kept = f"a copy is in {aside.keep(db.where, name, say)}"
    else:
        kept = "it is one transaction, and no copy of PostgreSQL's rows is made here: pg_dump is the way back"
    say(f"Upgrading the database from {before} ({_writer(tx)}) to {HEAD} ({cumulet.__version__}); {kept}")


def _failed(before: str, to: str, error: object) -> str:
    said = str(error).partition("\n")[0]  # PostgreSQL's second line shows the statement
    return (
        f"the database cannot be upgraded from {before} to {to}, and is as it was: {said}. Start the cloud with the "
        f"version that it had before, and report this"
    )


def _upgrade(tx: Transaction, before: str | None, to: str) -> None:
    from alembic import command  # imported here: a cloud that is up to date starts without it
    from alembic.config import Config
    from alembic.util import CommandError

    if before == HEAD:  # the newest revision has grown since, before its release: its steps look first
        tx.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": f"{int(HEAD) - 1:04d}"})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = tx.connection
    try:
        command.upgrade(config, to)
    except CommandError as error:
        raise SchemaError(f"the database cannot be brought to revision {to}: {error}") from error
    if to != HEAD:
        return
    if before == HEAD:  # what an operator dropped is no step's to make
        for index in _lacking_indexes(tx.connection):
            index.create(tx.connection)
    if lacking := _lacking(tx.connection):
        raise SchemaError(_failed(str(before), to, f"no step makes {lacking}"))
    if tx.connection.dialect.name == "sqlite" and tx.rows(text("PRAGMA foreign_key_check")):
        raise SchemaError(_failed(str(before), to, "rows would refer to rows that are not there"))
    _remember(tx)
