"""The database: one engine, short transactions on plain threads.

On SQLite (WAL) every thread keeps its connection; writers queue on one lock in this process, so that none of them
sleeps in SQLite's busy loop, and take the write lock at once (``BEGIN IMMEDIATE``), so that none is refused in
the middle. Nothing here may do I/O other than the database's.
"""

from __future__ import annotations

import sqlite3
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
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from cumulet.store import prepared
from cumulet.store.prepared import Prepared
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
        self.driver: Any = connection.connection.driver_connection
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

    def run(self, statement: Prepared, values: Mapping[str, Any] | None = None) -> int:
        """Run a prepared statement that changes rows; how many it changed."""
        compiled = statement.compiled(self._connection.dialect)
        return int(self._driven(compiled.text, compiled.parameters(values or {})).rowcount)

    def _driven(self, text: str, parameters: Sequence[Any], *, many: bool = False) -> Any:
        self.statements += 1
        try:
            return self.driver.executemany(text, parameters) if many else self.driver.execute(text, parameters)
        except sqlite3.IntegrityError as error:
            raise IntegrityError(text, None, error) from error

    def rows(self, statement: Executable | Prepared, parameters: Any = None) -> Sequence[Row[Any]]:
        """All rows."""
        if not isinstance(statement, Prepared):
            return self.execute(statement, parameters).fetchall()
        compiled = statement.compiled(self._connection.dialect)
        found = self._driven(compiled.text, compiled.parameters(parameters or {}))
        return [*map(compiled.row, found.fetchall())]

    def raw(self, statement: Prepared, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows as the driver gives them: for thousands of rows of texts and numbers."""
        compiled = statement.compiled(self._connection.dialect)
        return list(self._driven(compiled.text, compiled.parameters(parameters or {})).fetchall())

    def row(self, statement: Executable | Prepared, parameters: Any = None) -> Row[Any] | None:
        """The first row, or None."""
        if not isinstance(statement, Prepared):
            return self.execute(statement, parameters).first()
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def scalar(self, statement: Executable | Prepared, parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        found = self.row(statement, parameters)
        return None if found is None else found[0]

    def where(self, table: Table, **equal: Any) -> Sequence[Row[Any]]:
        """Whole rows of `table` by equality of columns."""
        return self.rows(prepared.selection(table, tuple(equal)), equal)

    def insert(self, table: Table, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Insert one row, or several with one statement; an empty sequence does nothing."""
        rows = [values] if isinstance(values, Mapping) else values
        if not rows:
            return
        if not all(map(prepared.plain, rows)):
            self.execute(insert(table), values)
            return
        names = tuple(rows[0])
        compiled = prepared.insertion(table, names).compiled(self._connection.dialect)
        self._driven(
            compiled.text,
            [compiled.parameters(prepared.complete(table, names, row)) for row in rows],
            many=True,
        )

    def update(self, table: Table, where: ColumnElement[bool], **values: Any) -> int:
        """Update the rows that match; how many there were. Zero is how a compare-and-set says no."""
        return self.execute(update(table).where(where).values(**values)).rowcount

    def change(self, table: Table, keys: Mapping[str, Any], **values: Any) -> int:
        """Give plain values to the rows whose columns equal `keys`; how many there were."""
        bound = {f"k_{name}": value for name, value in keys.items()}
        return self.run(prepared.change(table, tuple(keys), tuple(values)), {**values, **bound})

    def upsert(self, table: Table, keys: Mapping[str, Any], **values: Any) -> None:
        """Insert the row of `keys` with `values`, or give `values` to the one that is there."""
        names = (*keys, *values)
        row = prepared.complete(table, names, {**keys, **values})
        self.run(prepared.upsertion(table, tuple(keys), tuple(values)), row)

    def delete(self, table: Table, where: ColumnElement[bool]) -> int:
        """Delete the rows that match; how many there were."""
        return self.execute(table.delete().where(where)).rowcount

    def drop(self, table: Table, **equal: Any) -> int:
        """Delete rows by equality of columns; how many there were."""
        return self.run(prepared.deletion(table, tuple(equal)), equal)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What the block did is undone when it raises, and only that; the transaction goes on. Not for nesting."""
        driver = self.driver
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
            connect_args={"check_same_thread": False, "timeout": 15, "cached_statements": 500},
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
    driver = tx.driver
    assert not driver.in_transaction, "this thread is in a transaction already: hand its `tx` down instead"
    return driver
