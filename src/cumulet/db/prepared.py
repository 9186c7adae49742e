"""Statements that are made once and run by the driver itself, for the ways that every request takes.

Making a statement, keying it and setting up its result cost SQLAlchemy several times what the database needs to run it.
A `Prepared` is compiled at its first run; after that a run is the driver's call and the rows. Values are named by
bindparams; lists are bound with `in_bound_list`. Nothing here opens or ends a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast, overload

from sqlalchemy import ClauseElement, Executable, Float, Row, Table, and_, bindparam, insert, select, update
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.types import TypeEngine

from cumulet.db.rows import R, TypedSelect

Row_co = TypeVar("Row_co", covariant=True)


class Prepared(Generic[Row_co]):
    """A statement of SQLAlchemy Core with bindparams, to be kept in a module and run many times. One whose words differ
    between databases is a function: dialect's name → statement. Its rows are those of ``select_as``, if that made it.
    `by_values`: PostgreSQL plans each run anew, because the values decide which way is short; otherwise it soon keeps
    one plan for all values."""

    @overload
    def __init__(
        self: Prepared[R], statement: TypedSelect[R] | Callable[[str], TypedSelect[R]], *, by_values: bool = False
    ) -> None: ...
    @overload
    def __init__(
        self: Prepared[Row[Any]], statement: Executable | Callable[[str], Executable], *, by_values: bool = False
    ) -> None: ...
    def __init__(self, statement: Any, *, by_values: bool = False) -> None:
        self._statement = statement
        self._by_values = by_values
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Any) -> Compiled:
        """The statement in the words of the dialect's database."""
        found = self._compiled.get(dialect.name)
        if found is None:
            made = self._statement
            made = made if isinstance(made, ClauseElement) else made(dialect.name)
            found = Compiled(made, dialect)
            if self._by_values and dialect.name == "postgresql":
                found.options = {"prepare": False}
            self._compiled[dialect.name] = found
        return found


_FLOAT8 = 701
"""The object id of PostgreSQL's double precision: what a Float there comes as, which SQLAlchemy asks the driver for."""


def _result(kind: TypeEngine[Any], dialect: Any) -> Any:
    """What turns a value of the driver into one of this type; None when they are the same."""
    return kind.dialect_impl(dialect).result_processor(dialect, _FLOAT8 if isinstance(kind, Float) else None)


class Compiled:
    """A statement as the driver takes it, with what turns values and rows into its types and back."""

    def __init__(self, statement: Any, dialect: Any) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self.options: dict[str, Any] = {}  # words of the driver's `execute`
        binds = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        self._places = [
            (name, bind.value, bind.type.dialect_impl(dialect).bind_processor(dialect)) for name, bind in binds
        ]
        columns = list(getattr(statement, "exported_columns", ()))
        self._meta = SimpleResultMetaData([column.key for column in columns])
        processes = [_result(column.type, dialect) for column in columns]
        self._processes = processes if any(processes) else None

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """What the driver gets; a value that the statement names and `values` lacks is a KeyError."""
        return [
            (values[name] if fixed is None else fixed)
            if process is None
            else process(values[name] if fixed is None else fixed)
            for name, fixed, process in self._places
        ]

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
    context = _Context(row)
    return {**row, **{name: made(context) if callable(made) else made for name, made in missing.items()}}


class _Context:
    """What a default that follows from the rest of a row is given, as by SQLAlchemy."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def get_current_parameters(self) -> Mapping[str, Any]:
        return self._row


@lru_cache(maxsize=2000)
def _missing(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    left = [column for column in table.columns if column.name not in names and column.default is not None]
    return {column.name: cast("Any", column.default).arg for column in left}


def _value(table: Table, name: str, prefix: str = "") -> Any:
    return bindparam(f"{prefix}{name}", type_=table.c[name].type)


@lru_cache(maxsize=2000)
def insertion(table: Table, names: tuple[str, ...]) -> Prepared[Any]:
    """Insert a row with these columns, and the defaults of those that have one."""
    columns = (*names, *_missing(table, names))
    return Prepared(insert(table).values({name: _value(table, name) for name in columns}))


@lru_cache(maxsize=2000)
def upsertion(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Prepared[Any]:
    """Insert the row of `keys`, or give the other columns to the one that is there."""
    columns = (*keys, *names, *_missing(table, (*keys, *names)))

    def made(dialect: str) -> Executable:
        if dialect == "postgresql":  # each here: a process needs one of them, and loads it for its engine
            from sqlalchemy.dialects.postgresql import insert as insert_into
        else:
            from sqlalchemy.dialects.sqlite import insert as insert_into  # type: ignore[assignment]
        statement = insert_into(table).values({name: _value(table, name) for name in columns})
        changed = {name: statement.excluded[name] for name in names}
        return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)

    return Prepared(made)


@lru_cache(maxsize=2000)
def change(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Prepared[Any]:
    """Update the rows of `keys`; they are bound as k_…, the values by their names."""
    where = and_(*[table.c[key] == _value(table, key, "k_") for key in keys])
    return Prepared(update(table).where(where).values({name: _value(table, name) for name in names}))


@lru_cache(maxsize=2000)
def selection(table: Table, keys: tuple[str, ...]) -> Prepared[Any]:
    """Whole rows by equality of columns."""
    return Prepared(select(table).where(and_(*[table.c[key] == _value(table, key) for key in keys])))


@lru_cache(maxsize=2000)
def deletion(table: Table, keys: tuple[str, ...]) -> Prepared[Any]:
    """Delete rows by equality of columns."""
    return Prepared(table.delete().where(and_(*[table.c[key] == _value(table, key) for key in keys])))
