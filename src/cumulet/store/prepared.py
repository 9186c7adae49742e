"""Statements that are made once and run by the driver itself, for the ways that every request takes.

Making a statement, keying it and setting up its result cost SQLAlchemy several times what SQLite needs to run it.
A `Prepared` is compiled at its first run; after that a run is a lookup, the driver's call and the rows. Values are
named by bindparams; a list (``expanding``) may have any length. Nothing here opens or ends a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ClauseElement, Executable, Row, Table, and_, bindparam, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.result import SimpleResultMetaData

Process = Callable[[Any], Any]


class Prepared:
    """A statement of SQLAlchemy Core with bindparams, to be kept in a module and run many times."""

    def __init__(self, statement: Executable) -> None:
        self.statement: Any = statement
        self._texts: dict[tuple[int, ...], str] = {}
        self._compiled: Compiled | None = None

    def bound(self, dialect: Any, values: Mapping[str, Any] | None) -> tuple[str, list[Any]]:
        """The text and the driver's parameters for these values."""
        compiled = self.compiled(dialect)
        given = values or {}
        lengths = []
        parameters: list[Any] = []
        for name, fixed, process, many in compiled.places:
            value = given.get(name, fixed) if fixed is not None else given[name]
            if many:
                lengths.append(len(value))
                parameters += value if process is None else map(process, value)
            else:
                parameters.append(value if process is None else process(value))
        key = tuple(lengths)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = compiled.expanded(lengths)
            if len(self._texts) > 200:  # lists of every length: what was needed last is needed next
                self._texts = {key: text}
        return text, parameters

    def compiled(self, dialect: Any) -> Compiled:
        """The statement in SQLite's words."""
        if self._compiled is None:
            self._compiled = Compiled(self.statement, dialect)
        return self._compiled


class Compiled:
    """A statement as the driver takes it, with what turns values and rows into its types and back."""

    def __init__(self, statement: Any, dialect: Any) -> None:
        self._dialect = dialect
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self.places: list[tuple[str, Any, Process | None, bool]] = []
        self.many: list[str] = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            process = self._type(bind.type).bind_processor(dialect)
            self.places.append((name, bind.value, process, bind.expanding))
            if bind.expanding:
                self.many.append(name)
        columns = list(getattr(statement, "exported_columns", ()))
        self._meta = SimpleResultMetaData([column.key for column in columns])
        processes = [self._type(column.type).result_processor(dialect, None) for column in columns]
        self._processes = processes if any(processes) else None

    def _type(self, kind: Any) -> Any:
        return kind.dialect_impl(self._dialect)

    def expanded(self, lengths: Sequence[int]) -> str:
        """The text for lists of these lengths."""
        text = self.text
        for name, length in zip(self.many, lengths, strict=True):
            marks = ", ".join("?" * length) or "SELECT 1 WHERE 1 != 1"
            text = text.replace(f"__[POSTCOMPILE_{name}]", marks, 1)
        return text

    def row(self, values: tuple[Any, ...]) -> Row[Any]:
        """A Row of what the driver gives."""
        return Row(self._meta, self._processes, self._meta._key_to_index, values)


# ---- statements that follow from a table and names of columns --------------------------------------------------


def plain(values: Mapping[str, Any]) -> bool:
    """Whether these are values, not expressions of SQL."""
    return not any(isinstance(value, ClauseElement) for value in values.values())


def complete(table: Table, names: tuple[str, ...], row: Mapping[str, Any]) -> Mapping[str, Any]:
    """`row` with the defaults of the columns that it leaves out."""
    missing = _missing(table, names)
    if not missing:
        return row
    return {**row, **{name: made(None) if callable(made) else made for name, made in missing.items()}}


@lru_cache(maxsize=2000)
def _missing(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    left = [column for column in table.columns if column.name not in names and column.default is not None]
    return {column.name: cast(Any, column.default).arg for column in left}


def _value(table: Table, name: str, prefix: str = "") -> Any:
    return bindparam(f"{prefix}{name}", type_=table.c[name].type)


@lru_cache(maxsize=2000)
def insertion(table: Table, names: tuple[str, ...]) -> Prepared:
    """Insert a row with these columns, and the defaults of those that have one."""
    columns = (*names, *_missing(table, names))
    return Prepared(insert(table).values({name: _value(table, name) for name in columns}))


@lru_cache(maxsize=2000)
def upsertion(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Prepared:
    """Insert the row of `keys`, or give the other columns to the one that is there."""
    columns = (*keys, *names, *_missing(table, (*keys, *names)))
    statement = sqlite.insert(table).values({name: _value(table, name) for name in columns})
    changed = {name: statement.excluded[name] for name in names}
    return Prepared(statement.on_conflict_do_update(index_elements=list(keys), set_=changed))


@lru_cache(maxsize=2000)
def change(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Prepared:
    """Update the rows of `keys`; they are bound as k_…, the values by their names."""
    where = and_(*[table.c[key] == _value(table, key, "k_") for key in keys])
    return Prepared(update(table).where(where).values({name: _value(table, name) for name in names}))


@lru_cache(maxsize=2000)
def selection(table: Table, keys: tuple[str, ...]) -> Prepared:
    """Whole rows by equality of columns."""
    return Prepared(select(table).where(and_(*[table.c[key] == _value(table, key) for key in keys])))


@lru_cache(maxsize=2000)
def deletion(table: Table, keys: tuple[str, ...]) -> Prepared:
    """Delete rows by equality of columns."""
    return Prepared(table.delete().where(and_(*[table.c[key] == _value(table, key) for key in keys])))
