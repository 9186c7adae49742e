"""All rows of a database as of one moment, in a form that either kind of database takes, and back into an empty one.

A copy is a sequence of pieces: the `Form` of a table, then `Rows` of it, table by table. Values are what both kinds
agree on: text, whole numbers, floats, None; JSON is its text, and yes and no may be numbers. What is read is what the
database has, whichever revision of the schema that is. Rows are streamed, never held all at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import JSON, Text, cast, column, func, inspect, select, table, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError

from cumulet.db.database import Transaction

VERSIONS = "alembic_version"
BATCH = 1000
"""Rows of a piece."""


class CopyError(Exception):
    """Rows that the database does not take, or a database that is damaged. The text says which."""


class Form(msgspec.Struct, frozen=True, array_like=True):
    """A table begins. `counted`: the last number that it gave out by itself, 0 when it gives none."""

    name: str
    columns: tuple[str, ...]
    counted: int = 0


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """Rows of the table that began last, their values in the order of its columns."""

    rows: list[list[Any]]


Piece = Form | Rows


def revision(tx: Transaction) -> str | None:
    """The schema's revision; None for a database without tables of ours."""
    if not inspect(tx.connection).has_table(VERSIONS):
        return None
    return str(tx.scalar(text("SELECT version_num FROM alembic_version")))


def check(tx: Transaction) -> None:
    """Let SQLite look at its own pages; PostgreSQL does as it reads. Raises CopyError for a damaged file."""
    if isinstance(tx.driver, sqlite3.Connection):
        try:
            found = tx.driver.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            raise CopyError(f"the database is damaged: {error}") from None
        if found[0] != "ok":
            raise CopyError(f"the database is damaged: {found[0]}")


def pieces(tx: Transaction) -> Iterator[Piece]:
    """All that the database holds, as of the transaction's moment. One query for each table, and two for all."""
    found = inspect(tx.connection).get_multi_columns()
    counted = _counted(tx, found)
    for (_, name), columns in sorted(found.items(), key=lambda each: each[0][1]):
        if name == VERSIONS:
            continue
        yield Form(name, tuple(each["name"] for each in columns), counted.get(name, 0))
        shown = [
            cast(column(each["name"]), Text) if isinstance(each["type"], JSON) else column(each["name"])
            for each in columns
        ]
        asked = select(*shown).select_from(table(name))
        try:
            answer = tx.connection.execute(asked, execution_options={"yield_per": BATCH})
            for batch in answer.partitions(BATCH):
                yield Rows([list(row) for row in batch])
        except DatabaseError as error:
            raise CopyError(f"table {name} cannot be read: {error.orig}") from None


def _counted(tx: Transaction, found: Any) -> dict[str, int]:
    """The last number that each table gave out, of those that never give one twice."""
    if isinstance(tx.driver, sqlite3.Connection):
        there = tx.driver.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone()
        return dict(tx.driver.execute("SELECT name, seq FROM sqlite_sequence").fetchall()) if there else {}
    last = dict(tx.driver.execute("SELECT sequencename, last_value FROM pg_sequences").fetchall())
    return {
        name: last.get(f"{name}_{each['name']}_seq") or 0
        for (_, name), columns in found.items()
        for each in columns
        if each.get("autoincrement") is True
    }


def load(
    tx: Transaction, copy: Iterable[Piece], *, emptied: bool = False, staying: Collection[str] = ()
) -> dict[str, int]:
    """Put rows into the tables, which are empty (or are `emptied` first); how many came into each. Tables that are
    `staying` keep what they have.

    Foreign keys are looked at when all is in: here on PostgreSQL, at the commit on SQLite. Raises CopyError.
    """
    writer = _Postgresql(tx) if _is_postgresql(tx) else _Sqlite(tx)
    there = {name: [each["name"] for each in columns] for (_, name), columns in writer.found.items()}
    writer.begin()
    if emptied:
        _empty(tx, {VERSIONS, *staying})
    counts: dict[str, int] = {}
    form = Form("", ())
    for piece in copy:
        if isinstance(piece, Form):
            form = piece
            unknown = [each for each in form.columns if each not in there.get(form.name, ())]
            if unknown or form.name == VERSIONS:
                raise CopyError(f"this schema has no {form.name}.{unknown[0] if unknown else 'version_num'}")
            if form.name not in staying:
                counts[form.name] = 0
                writer.table(form)
            continue
        if form.name in staying:
            continue
        try:
            writer.rows(form, piece.rows)
        except (writer.refused, OverflowError) as error:
            raise CopyError(f"the database does not take rows of {form.name}: {_first_line(error)}") from None
        counts[form.name] += len(piece.rows)
    writer.end()
    return counts


def _empty(tx: Transaction, staying: Collection[str]) -> None:
    """Delete all rows but those of `staying`: of tables that name others first, so that few deletes look for those who
    name them."""
    ordered = inspect(tx.connection).get_sorted_table_and_fkc_names()
    for name in reversed([name for name, _ in ordered if name and name not in staying]):
        tx.execute(table(name).delete())


def counts(tx: Transaction) -> dict[str, int]:
    """How many rows each table has."""
    names = [name for name in inspect(tx.connection).get_table_names() if name != VERSIONS]
    return {name: int(tx.scalar(select(func.count()).select_from(table(name)))) for name in names}


def _is_postgresql(tx: Transaction) -> bool:
    return not isinstance(tx.driver, sqlite3.Connection)


def _first_line(error: BaseException) -> str:
    """What the driver says, without the values of the row that it may show below."""
    return str(error).strip().split("\n")[0]


class _Sqlite:
    """Rows into SQLite: prepared inserts, foreign keys at the commit."""

    refused: type[Exception] = sqlite3.Error

    def __init__(self, tx: Transaction) -> None:
        self.driver = tx.driver
        self.found: Any = inspect(tx.connection).get_multi_columns()
        self._insert = ""
        self._counted: dict[str, int] = {}

    def begin(self) -> None:
        self.driver.execute("PRAGMA defer_foreign_keys=ON")

    def table(self, form: Form) -> None:
        named = table(form.name, *map(column, form.columns))
        self._insert = str(named.insert().compile(dialect=sqlite.dialect()))
        if form.counted:
            self._counted[form.name] = form.counted

    def rows(self, form: Form, rows: list[list[Any]]) -> None:
        self.driver.executemany(self._insert, rows)

    def end(self) -> None:
        for name, number in self._counted.items():
            made = self.driver.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
            if made and "AUTOINCREMENT" in made[0].upper():
                self.driver.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                self.driver.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number))


class _Postgresql:
    """Rows into PostgreSQL: COPY, foreign keys deferred until all is in."""

    def __init__(self, tx: Transaction) -> None:
        import psycopg

        self.refused: type[Exception] = psycopg.Error
        self.tx, self.driver = tx, tx.driver
        looked = inspect(tx.connection)
        self.found: Any = looked.get_multi_columns()
        self._keys = [
            (name, each["name"]) for (_, name), keys in looked.get_multi_foreign_keys().items() for each in keys
        ]
        self._counters: dict[str, tuple[str, int]] = {}

    def begin(self) -> None:
        for name, key in self._keys:
            self._alter(name, key, "DEFERRABLE INITIALLY DEFERRED")

    def _alter(self, name: str, key: str | None, how: str) -> None:
        from psycopg import sql

        words = sql.SQL("ALTER TABLE {} ALTER CONSTRAINT {} ").format(sql.Identifier(name), sql.Identifier(key or ""))
        self.driver.execute(words + sql.SQL(how))

    def table(self, form: Form) -> None:
        columns = self.found[(None, form.name)]
        own = [each["name"] for each in columns if each.get("autoincrement") is True]
        if own:
            self._counters[form.name] = (own[0], form.counted)

    def rows(self, form: Form, rows: list[list[Any]]) -> None:
        from psycopg import sql

        names = sql.SQL(", ").join(map(sql.Identifier, form.columns))
        words = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(form.name), names)
        with self.driver.cursor().copy(words) as out:
            for row in rows:
                out.write_row(row)

    def end(self) -> None:
        try:
            self.driver.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except self.refused as error:
            raise CopyError(f"rows name others that are not there: {_first_line(error)}") from None
        for name, key in self._keys:
            self._alter(name, key, "NOT DEFERRABLE")
        for name, (own, counted) in self._counters.items():
            last = max(counted, self.tx.scalar(select(func.max(column(own))).select_from(table(name))) or 0)
            self.driver.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s, %s)", (name, own, max(1, last), last > 0)
            )
