"""The tables as text: a line for each thing that a migration would have to make."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Column, ForeignKeyConstraint, Index, MetaData, Table, UniqueConstraint

import cumulet
from cumulet.db.schema import MIGRATIONS

SHAPES = MIGRATIONS / "shapes"


def declare_everything() -> None:
    """Import every module that holds tables."""
    for found in pkgutil.walk_packages(cumulet.__path__, "cumulet."):
        if "tables" in found.name.split(".") and ".node." not in found.name:
            importlib.import_module(found.name)


def shape_of(metadata: MetaData) -> str:
    """All tables, sorted: the same text for the same tables, whoever declares them in which order."""
    return "".join(f"{line}\n" for table in sorted(metadata.tables) for line in _lines(metadata.tables[table]))


def recorded(revision: str) -> str:
    """The shape that was written down for a revision; empty when there is none."""
    path = SHAPES / f"{revision}.txt"
    return path.read_text() if path.exists() else ""


def write(revision: str, shape: str) -> Path:
    """Write the shape of a revision down."""
    path = SHAPES / f"{revision}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(shape)
    return path


def _lines(table: Table) -> Iterator[str]:
    name = table.name
    yield f"table {name}{_options(table)}"
    yield from (_column(name, column) for column in table.columns)
    uniques = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    yield from sorted(f"unique {name} ({', '.join(column.name for column in each.columns)})" for each in uniques)
    foreign = [c for c in table.constraints if isinstance(c, ForeignKeyConstraint)]
    yield from sorted(_foreign(name, each) for each in foreign)
    yield from sorted(_index(name, each) for each in table.indexes)


def _options(table: Table) -> str:
    words = []
    if table.dialect_options["sqlite"]["autoincrement"]:
        words.append(" autoincrement")
    if not table.dialect_options["sqlite"]["with_rowid"]:
        words.append(" without-rowid")
    return "".join(words)


def _column(table: str, column: Column[object]) -> str:
    words = [f"column {table}.{column.name}", repr(column.type)]
    words += ["null"] if column.nullable else ["not-null"]
    words += ["primary"] if column.primary_key else []
    if column.server_default is not None:
        words.append(f"default={column.server_default.arg!s}")  # type: ignore[attr-defined]
    return " ".join(words)


def _foreign(table: str, constraint: ForeignKeyConstraint) -> str:
    pairs = ", ".join(f"{e.parent.name} -> {e.target_fullname}" for e in constraint.elements)
    return f"foreign {table} {pairs}" + (f" on-delete={constraint.ondelete}" if constraint.ondelete else "")


def _index(table: str, index: Index) -> str:
    text = f"index {table}.{index.name} ({', '.join(str(each) for each in index.expressions)})"
    text += " unique" if index.unique else ""
    where = index.dialect_options["sqlite"]["where"]
    return text + (f" where {where}" if where is not None else "")
