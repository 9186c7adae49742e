"""What differs between SQLite and PostgreSQL: connecting, beginning, and what the driver's errors mean.

Both keep the same promise: one writer at a time, who sees everything that writers before it committed, and readers
who see one moment and never wait. On SQLite that is ``BEGIN IMMEDIATE`` and WAL. On PostgreSQL a writer takes one
advisory lock for the length of its transaction and reads what is committed, statement by statement (nobody else
commits meanwhile); a reader has a snapshot. See decisions/0020-postgresql-through-psycopg.md. No table is known here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from sqlalchemy import URL, Column, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.pool import NullPool

from cumulet.db import trouble

WRITERS = 0x63756D75
"""Key of the advisory lock of PostgreSQL that a writer holds (``cumu``)."""

CHANNEL = "cumulet"
"""Channel of PostgreSQL on which woken topics travel to other processes."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=15000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
    "PRAGMA mmap_size=134217728",
)


class MissingPart(Exception):
    """A part of Cumulet that was not installed; a sentence."""


class Kind(Protocol):
    """One kind of database. `alone`: no other process writes it. Errors are classes of the driver."""

    alone: bool
    integrity_error: type[Exception]
    data_error: type[Exception]
    engine: Engine

    def begin(self, driver: Any, *, writes: bool) -> None:
        """Begin a transaction on the driver's connection."""

    def within(self, driver: Any) -> bool:
        """Whether the connection is in a transaction."""

    def usable(self, driver: Any) -> bool:
        """Whether the connection still reaches the database."""

    def trouble(self, error: BaseException) -> trouble.Why | None:
        """Why the database does not serve now, when this error of a statement or of a connection says so."""

    def tell(self, driver: Any, topics: Iterable[str], origin: str) -> None:
        """Let other processes know at the commit that these topics are woken."""

    def count_on(self, connection: Connection, column: Column[Any]) -> None:
        """Number on above the highest of a column that the database numbers."""


def kind_of(where: Path | str, *, durable: bool) -> Kind:
    """SQLite for a path, PostgreSQL for a URL. Raises ValueError for a URL of anything else."""
    return Sqlite(where, durable=durable) if isinstance(where, Path) else Postgresql(where, durable=durable)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Sqlite:
    """A file that this process alone writes."""

    alone = True
    integrity_error: type[Exception] = sqlite3.IntegrityError
    data_error: type[Exception] = OverflowError  # a number that no column can hold

    def __init__(self, path: Path, *, durable: bool) -> None:
        self._durable = durable
        self.engine = create_engine(
            f"sqlite:///{path}",
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "timeout": 15, "cached_statements": 500},
            json_serializer=_json,
            json_deserializer=msgspec.json.decode,
            query_cache_size=2000,
            hide_parameters=True,  # values of a statement that failed would stand in the log
        )
        event.listen(self.engine, "connect", self._prepare)

    def _prepare(self, connection: Any, _record: Any) -> None:
        connection.create_function("regexp", 2, None)  # SQLAlchemy's, which runs Python's `re`: nothing may call it
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        cursor.close()

    def begin(self, driver: Any, *, writes: bool) -> None:
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    def within(self, driver: Any) -> bool:
        return bool(driver.in_transaction)

    def usable(self, driver: Any) -> bool:
        return True

    def trouble(self, error: BaseException) -> trouble.Why | None:
        return trouble.of_sqlite(getattr(error, "orig", error))

    def tell(self, driver: Any, topics: Iterable[str], origin: str) -> None:
        """Nobody else is there."""

    def count_on(self, connection: Connection, column: Column[Any]) -> None:
        """An autoincremented column does by itself."""


class Postgresql:
    """A database that several controllers write."""

    alone = False

    def __init__(self, url: str, *, durable: bool) -> None:
        try:
            import psycopg  # imported here: a cloud on SQLite starts without it
        except ModuleNotFoundError:
            raise MissingPart("a database of PostgreSQL needs psycopg: pip install 'cumulet[postgresql]'") from None

        self.url = postgresql_url(url)
        self._durable = durable
        self.integrity_error: type[Exception] = psycopg.IntegrityError
        self.data_error: type[Exception] = psycopg.DataError
        self._operational = psycopg.OperationalError  # lost, refused, shutting down, out of room or of connections
        self._idle = psycopg.pq.TransactionStatus.IDLE
        self._unknown = psycopg.pq.TransactionStatus.UNKNOWN
        self.engine = create_engine(
            self.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            paramstyle="format",  # statements that the driver runs itself have their values by position
            connect_args={"connect_timeout": 10, "application_name": "cumulet"},
            json_serializer=_json,
            json_deserializer=msgspec.json.decode,
            query_cache_size=2000,
            hide_parameters=True,  # values of a statement that failed would stand in the log
        )
        event.listen(self.engine, "connect", self._prepare)

    def _prepare(self, connection: Any, _record: Any) -> None:
        connection.prepared_max = 500
        if not self._durable:
            connection.execute("SET synchronous_commit = off")

    def begin(self, driver: Any, *, writes: bool) -> None:
        if writes:  # a snapshot would be older than the lock: each statement sees what is committed
            driver.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({WRITERS})")
        else:
            driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def within(self, driver: Any) -> bool:
        return driver.info.transaction_status not in (self._idle, self._unknown)

    def usable(self, driver: Any) -> bool:
        return not driver.closed

    def trouble(self, error: BaseException) -> trouble.Why | None:
        return trouble.of_postgresql(getattr(error, "orig", error), self._operational)

    def tell(self, driver: Any, topics: Iterable[str], origin: str) -> None:
        texts = [_json([origin, topic]) for topic in topics]
        driver.execute(f"SELECT pg_notify('{CHANNEL}', topic) FROM unnest(%s::text[]) AS topic", [texts])

    def count_on(self, connection: Connection, column: Column[Any]) -> None:
        sequence = func.pg_get_serial_sequence(column.table.name, column.name)
        connection.execute(select(func.setval(sequence, func.coalesce(func.max(column), 1))))


def postgresql_url(text: str) -> URL:
    """The URL with the driver that is used. Raises ValueError, which never shows the password."""
    try:
        url = make_url(text.replace("postgres://", "postgresql://", 1) if text.startswith("postgres://") else text)
    except Exception:
        raise ValueError("the database's URL cannot be read") from None
    if url.get_backend_name() != "postgresql":
        raise ValueError("the database's URL has to begin with postgresql://")
    return url.set(drivername="postgresql+psycopg")
