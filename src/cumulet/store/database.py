"""The database: one engine, short transactions on plain threads.

On SQLite (WAL) every thread keeps its connection; writers queue on one lock in this process, so that none of them
sleeps in SQLite's busy loop, and take the write lock at once (``BEGIN IMMEDIATE``), so that none is refused in
the middle. Nothing here may do I/O other than the database's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Executable,
    MetaData,
    Row,
    Table,
    create_engine,
    event,
    insert,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool

from cumulet.store.times import now_us
from cumulet.store.wakeups import Wakeups

metadata = MetaData()

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=15000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
    "PRAGMA mmap_size=134217728",
)


class Transaction:
    """One transaction of the database. `now` (µs) is the same for everything in it."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self.writes = writes
        self.now = now_us()
        self.statements = 0
        self.local: dict[Any, Any] = {}  # what rooms remember for the length of this transaction
        self._after_commit: list[Callable[[], None]] = []
        self._topics: set[str] = set()

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement of SQLAlchemy Core."""
        self.statements += 1
        return self._connection.execute(statement, parameters)

    def rows(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        """All rows."""
        return self.execute(statement, parameters).fetchall()

    def row(self, statement: Executable, parameters: Any = None) -> Row[Any] | None:
        """The first row, or None."""
        return self.execute(statement, parameters).first()

    def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        return self.execute(statement, parameters).scalar()

    def insert(self, table: Table, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Insert one row, or several with one statement; an empty sequence does nothing."""
        if values:
            self.execute(insert(table), values)

    def update(self, table: Table, where: ColumnElement[bool], **values: Any) -> int:
        """Update the rows that match; how many there were. Zero is how a compare-and-set says no."""
        return self.execute(update(table).where(where).values(**values)).rowcount

    def upsert(self, table: Table, keys: Mapping[str, Any], **values: Any) -> None:
        """Insert the row of `keys` with `values`, or give `values` to the one that is there."""
        dialect: Any = sqlite if self._connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(table).values(**keys, **values)
        self.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))

    def delete(self, table: Table, where: ColumnElement[bool]) -> int:
        """Delete the rows that match; how many there were."""
        return self.execute(table.delete().where(where)).rowcount

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What the block did is undone when it raises, and only that; the transaction goes on. Not for nesting."""
        driver = self._connection.connection.driver_connection
        assert driver is not None
        kept = dict(self.local), list(self._after_commit), set(self._topics)
        driver.execute("SAVEPOINT here")
        try:
            yield
        except Exception:
            driver.execute("ROLLBACK TO here")
            self.local, self._after_commit, self._topics = kept
            raise
        finally:
            if driver.in_transaction:
                driver.execute("RELEASE here")

    def on_commit(self, action: Callable[[], None]) -> None:
        """Run `action` after the commit; never when the transaction rolls back."""
        self._after_commit.append(action)

    def wake(self, topic: str) -> None:
        """Wake who waits for `topic`, after the commit."""
        self._topics.add(topic)


class Store:
    """The database and its wake-ups. `path` is a file of SQLite; `durable` makes each commit survive power loss."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self.wakeups = Wakeups()
        self._durable = durable
        self._write_lock = threading.Lock()
        self._local = threading.local()
        self.engine: Engine = create_engine(
            f"sqlite:///{path}",
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "timeout": 15},
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
            query_cache_size=2000,
        )
        event.listen(self.engine, "connect", self._prepare)

    def _prepare(self, connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        cursor.close()

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.engine.connect()
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that writes: commits at the end of the block, rolls back when it raises."""
        with self._write_lock:
            tx = Transaction(self._connection(), writes=True)
            driver = _driver(tx)
            driver.execute("BEGIN IMMEDIATE")
            try:
                yield tx
                driver.execute("COMMIT")
            except BaseException:
                if driver.in_transaction:
                    driver.execute("ROLLBACK")
                raise
        for topic in tx._topics:
            self.wakeups.wake(topic)
        for action in tx._after_commit:
            action()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot to read from; writing in it is an error."""
        tx = Transaction(self._connection(), writes=False)
        driver = _driver(tx)
        driver.execute("BEGIN")
        try:
            yield tx
        finally:
            if driver.in_transaction:
                driver.execute("ROLLBACK")

    def close(self) -> None:
        """Close this thread's connection and the engine."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None
        self.engine.dispose()


def _driver(tx: Transaction) -> Any:
    """The driver's connection, on which the transaction is begun and ended."""
    driver = tx._connection.connection.driver_connection
    assert driver is not None
    assert not driver.in_transaction, "this thread is in a transaction already: hand its `tx` down instead"
    return driver
