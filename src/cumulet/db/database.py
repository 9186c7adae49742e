"""The database: one engine, short transactions on plain threads.

Every thread keeps its connection. Writers of this process queue on one lock in the process, so that none of them
sleeps in the database's; what begins a transaction on which database is in ``dialects.py``. Nothing here may do I/O
other than the database's.
"""

from __future__ import annotations

import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Executable,
    MetaData,
    Row,
    Table,
    insert,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError

from cumulet.db import prepared
from cumulet.db.dialects import Kind, Postgresql, kind_of
from cumulet.db.prepared import Prepared, Row_co
from cumulet.db.relay import relay
from cumulet.db.reserve import Reserve
from cumulet.db.rows import R, TypedSelect
from cumulet.db.times import now_us
from cumulet.db.trouble import Why, of_system
from cumulet.db.wakeups import Wakeups

metadata = MetaData()

Unstorable = DataError
"""A value that a column cannot hold. SQLite keeps any text and 64 bits; PostgreSQL minds what is declared."""


class Actor(Struct, frozen=True):
    """Who has a transaction done, by which request."""

    user_id: str
    user_name: str
    project_id: str | None
    request_id: str


class Transaction:
    """One transaction of the database. `now` (µs) is the same for everything in it, and so is the `actor`: None when
    the cloud itself acts."""

    def __init__(self, connection: Connection, kind: Kind, *, writes: bool) -> None:
        self._connection = connection
        self._kind = kind
        self.driver: Any = connection.connection.driver_connection
        self.writes = writes
        self.actor: Actor | None = None
        self.now = now_us()
        self.statements = 0
        self.local: dict[Any, Any] = {}  # what rooms remember for the length of this transaction
        self._after_commit: list[Callable[[], None]] = []
        self._topics: set[str] = set()

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's, for what makes and looks at tables."""
        return self._connection

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement of SQLAlchemy Core."""
        self.statements += 1
        return self._connection.execute(statement, parameters)

    def execute_prepared(self, statement: Prepared[Any], values: Mapping[str, Any] | None = None) -> int:
        """Run a prepared statement that changes rows; how many it changed."""
        compiled = statement.compiled(self._connection.dialect)
        return int(self._driven(compiled, compiled.parameters(values or {})).rowcount)

    def _driven(self, compiled: prepared.Compiled, parameters: Sequence[Any], *, many: bool = False) -> Any:
        self.statements += 1
        try:
            if many:
                return self.driver.cursor().executemany(compiled.text, parameters)
            return self.driver.execute(compiled.text, parameters, **compiled.options)
        except self._kind.integrity_error as error:
            raise IntegrityError(compiled.text, None, error) from error
        except self._kind.data_error as error:
            raise DataError(compiled.text, None, error) from error

    @overload
    def rows(self, statement: Prepared[Row_co], parameters: Any = None) -> Sequence[Row_co]: ...
    @overload
    def rows(self, statement: TypedSelect[R], parameters: Any = None) -> Sequence[R]: ...  # type: ignore[overload-overlap]
    @overload
    def rows(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]: ...
    def rows(self, statement: Executable | Prepared[Any], parameters: Any = None) -> Sequence[Any]:
        """All rows."""
        if not isinstance(statement, Prepared):
            return self.execute(statement, parameters).fetchall()
        compiled = statement.compiled(self._connection.dialect)
        found = self._driven(compiled, compiled.parameters(parameters or {}))
        return [*map(compiled.row, found.fetchall())]

    def tuples(self, statement: Prepared[Any], parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows as the driver gives them: for thousands of rows of texts and numbers."""
        compiled = statement.compiled(self._connection.dialect)
        return list(self._driven(compiled, compiled.parameters(parameters or {})).fetchall())

    @overload
    def row(self, statement: Prepared[Row_co], parameters: Any = None) -> Row_co | None: ...
    @overload
    def row(self, statement: TypedSelect[R], parameters: Any = None) -> R | None: ...  # type: ignore[overload-overlap]
    @overload
    def row(self, statement: Executable, parameters: Any = None) -> Row[Any] | None: ...
    def row(self, statement: Executable | Prepared[Any], parameters: Any = None) -> Any:
        """The first row, or None."""
        if not isinstance(statement, Prepared):
            return self.execute(statement, parameters).first()
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def scalar(self, statement: Executable | Prepared[Any], parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        found = self.row(statement, parameters)
        return None if found is None else found[0]

    @overload
    def rows_by_key(self, table: type[R], **equal: Any) -> Sequence[R]: ...
    @overload
    def rows_by_key(self, table: Table, **equal: Any) -> Sequence[Row[Any]]: ...
    def rows_by_key(self, table: Any, **equal: Any) -> Sequence[Any]:
        """Whole rows of a table, or of a typed row's table, by equality of columns."""
        table = table if isinstance(table, Table) else table.__table__
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
            compiled,
            [compiled.parameters(prepared.complete(table, names, row)) for row in rows],
            many=True,
        )

    def update(self, table: Table, where: ColumnElement[bool], **values: Any) -> int:
        """Update the rows that match; how many there were. Zero is how a compare-and-set says no."""
        return self.execute(update(table).where(where).values(**values)).rowcount

    def update_by_key(self, table: Table, keys: Mapping[str, Any], **values: Any) -> int:
        """Give plain values to the rows whose columns equal `keys`; how many there were."""
        bound = {f"k_{name}": value for name, value in keys.items()}
        return self.execute_prepared(prepared.change(table, tuple(keys), tuple(values)), {**values, **bound})

    def count_on(self, column: Column[Any]) -> None:
        """After rows came with numbers of their own: the database's next number is above all of `column`."""
        self._kind.count_on(self._connection, column)

    def upsert(self, table: Table, keys: Mapping[str, Any], **values: Any) -> None:
        """Insert the row of `keys` with `values`, or give `values` to the one that is there."""
        names = (*keys, *values)
        row = prepared.complete(table, names, {**keys, **values})
        self.execute_prepared(prepared.upsertion(table, tuple(keys), tuple(values)), row)

    def delete(self, table: Table, where: ColumnElement[bool]) -> int:
        """Delete the rows that match; how many there were."""
        return self.execute(table.delete().where(where)).rowcount

    def delete_by_key(self, table: Table, **equal: Any) -> int:
        """Delete rows by equality of columns; how many there were."""
        return self.execute_prepared(prepared.deletion(table, tuple(equal)), equal)

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
            if self._kind.within(driver):
                driver.execute("RELEASE here")

    def on_commit(self, action: Callable[[], None]) -> None:
        """Run `action` after the commit; never when the transaction rolls back."""
        self._after_commit.append(action)

    def wake(self, topic: str) -> None:
        """Wake who waits for `topic`, after the commit."""
        self._topics.add(topic)


class Database:
    """The database and its wake-ups. `where` is a file of SQLite or the URL of a database of PostgreSQL; `durable`
    makes each commit survive power loss. `alone`: only this process writes it. `refusal`: why the last write
    failed, None when it did not, or when that was its own fault."""

    def __init__(self, where: Path | str, *, durable: bool = True) -> None:
        self.where = where
        self.wakeups = Wakeups()
        self.kind = kind_of(where, durable=durable)
        self.engine: Engine = self.kind.engine
        self.alone = self.kind.alone
        self.refusal: Why | None = None
        self._reserve = Reserve(where.parent) if isinstance(where, Path) else None
        self._origin = secrets.token_hex(8)
        self._write_lock = threading.Lock()
        self.writes, self.waited_s = 0, 0.0  # transactions that wrote, and how long they waited for their turn
        self._local = threading.local()
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.engine.connect()
            self._connections.add(connection)
        return connection

    def _begun(self, *, writes: bool) -> Transaction:
        """A transaction on this thread's connection; on a new one when the database has ended that."""
        for last in (False, True):
            tx = Transaction(self._connection(), self.kind, writes=writes)
            if self.kind.within(tx.driver):
                raise RuntimeError("this thread is in a transaction already: hand its `tx` down instead")
            try:
                self.kind.begin(tx.driver, writes=writes)
                break
            except Exception:
                if last or self.kind.usable(tx.driver):
                    raise
                self._forget()
        return tx

    def _forget(self) -> None:
        """Drop this thread's connection, which the database has ended."""
        connection, self._local.connection = self._local.connection, None
        self._connections.discard(connection)
        connection.invalidate()
        connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that writes: commits at the end of the block, rolls back when it raises."""
        begun = time.perf_counter()
        with self._write_lock:
            self.writes += 1
            self.waited_s += time.perf_counter() - begun
            if self._reserve is not None:
                self._reserve.look()
            try:
                tx = self._begun(writes=True)
                try:
                    yield tx
                    if tx._topics:
                        self.kind.tell(tx.driver, tx._topics, self._origin)
                    tx.driver.execute("COMMIT")
                except BaseException:
                    self._roll_back(tx)
                    raise
            except Exception as error:
                self.refusal = self.kind.trouble(error) or self.refusal
                if self._reserve is not None and self.refusal == "full":
                    self._reserve.look(now=True)
                raise
            self.refusal = None
        for topic in tx._topics:
            self.wakeups.wake(topic)
        for action in tx._after_commit:
            action()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot to read from; writing in it is an error."""
        tx = self._begun(writes=False)
        try:
            yield tx
        finally:
            self._roll_back(tx)

    def _roll_back(self, tx: Transaction) -> None:
        if not self.kind.usable(tx.driver):
            self._forget()
        elif self.kind.within(tx.driver):
            tx.driver.execute("ROLLBACK")

    def trouble(self, error: BaseException) -> Why | None:
        """Why the database or a disk does not serve now, when an error says so; None for any other error."""
        return self.kind.trouble(error) or of_system(error)

    def listen(self, ended: threading.Event) -> None:
        """Pass on what other processes wake, until `ended`; the body of a thread. Returns at once when none are."""
        if isinstance(self.kind, Postgresql):
            relay(self.kind.url, self.wakeups, self._origin, ended)

    def close(self) -> None:
        """Close the connections and the engine."""
        for connection in list(self._connections):
            mine = connection is getattr(self._local, "connection", None)
            if mine or not self.alone:  # SQLite's are closed by their threads
                connection.close()
        self._local.connection = None
        self.engine.dispose()
