"""Rows go from either kind of database to the other and back, and are what they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, insert, select, text

from cumulet.db import Database, copies, metadata, targets
from cumulet.db.copies import CopyError, Form, Rows
from cumulet.db.schema import prepare
from cumulet.services.compute.tables import servers
from cumulet.services.image.tables import images
from tests.databases import KINDS, place
from tests.db.shapes import declare_everything

ROWS = 3


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Any]:
    declare_everything()
    made: list[Database] = []

    def make(kind: str) -> Database:
        made.append(Database(place(tmp_path / f"{len(made)}.sqlite", kind), durable=False))
        prepare(made[-1])
        return made[-1]

    yield make
    for each in made:
        each.close()


def value(column: Column[Any], number: int) -> Any:
    """A value of the column that is the same in every table, so that whatever refers to it finds it."""
    kind = column.type
    if isinstance(kind, JSON):
        return [None, 5, {"ä": [1.5, "\n", True]}, "text"][number % 4]
    if isinstance(kind, Boolean):
        return bool(number % 2)
    if isinstance(kind, Float):
        return number + 0.1
    if isinstance(kind, BigInteger):
        return 2**40 + number
    if isinstance(kind, Integer):
        return number
    if column.nullable and not column.foreign_keys and number == 2:
        return None
    return f"ü{number}"


def fill(db: Database) -> None:
    """Rows in every table."""
    with db.transaction() as tx:
        for table in metadata.sorted_tables:
            tx.execute(table.delete())
            for number in range(1, ROWS + 1):
                tx.execute(insert(table), {column.name: value(column, number) for column in table.columns})


def everything(db: Database) -> dict[str, list[Any]]:
    with db.read() as tx:
        return {
            table.name: sorted((tuple(row) for row in tx.rows(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def carried(source: Database, target: Database) -> dict[str, int]:
    """Copy all rows, through what is kept of them in a file."""
    with source.read() as read, target.transaction() as tx:
        return copies.load(tx, copies.pieces(read), emptied=True)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_go_to_the_other_kind_and_back(stores: Any, kind: str) -> None:
    source, other, back = stores(kind), stores(next(each for each in KINDS if each != kind)), stores(kind)
    fill(source)
    before = everything(source)
    counts = carried(source, other)
    assert counts == dict.fromkeys(before, ROWS)
    assert everything(other) == before
    carried(other, back)
    assert everything(back) == before
    with back.read() as tx:
        assert copies.counts(tx) == counts
        assert kind == "postgresql" or targets.integrity(tx) is None


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_a_table_gives_go_on(stores: Any, kind: str) -> None:
    """A table that never gives a number twice does not do so after a restore, whoever gave the last ones."""
    source, target = stores("sqlite"), stores(kind)

    def add(db: Database, name: str) -> int:
        row = {column.name: value(column, 1) for column in servers.columns} | {"id": name}
        del row["number"]
        with db.transaction() as tx:
            tx.execute(insert(servers), row)
            return int(tx.scalar(select(servers.c.number).where(servers.c.id == name)))

    add(source, "first")
    last = add(source, "last")
    with source.transaction() as tx:
        tx.delete(servers, servers.c.id == "last")
    carried(source, target)
    assert add(target, "next") == last + 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_makes_no_sense_changes_nothing(stores: Any, kind: str) -> None:
    db = stores(kind)
    fill(db)
    before = everything(db)
    table = images.name
    wrong: list[list[Form | Rows]] = [
        [Form("nobodys", ("id",)), Rows([["1"]])],
        [Form(table, ("id", "nobodys"))],
        [Form("alembic_version", ("version_num",)), Rows([["0000"]])],
        [Form(table, ("id",)), Rows([["1"]])],
    ]
    for pieces in wrong:
        with pytest.raises(CopyError), db.transaction() as tx:
            copies.load(tx, pieces, emptied=True)
        assert everything(db) == before


def test_texts_that_only_sqlite_takes_are_told_by_table(stores: Any) -> None:
    source, target = stores("sqlite"), stores("postgresql")
    fill(source)
    with source.transaction() as tx:
        tx.execute(text("UPDATE identity_users SET default_project_id = 'a' || char(0)"))
    with pytest.raises(CopyError, match="identity_users"):
        carried(source, target)


def test_a_damaged_file_is_no_source(stores: Any, tmp_path: Path) -> None:
    db = stores("sqlite")
    fill(db)
    targets.checkpoint(db)
    db.close()
    file = tmp_path / "0.sqlite"
    raw = bytearray(file.read_bytes())
    raw[8192:40960] = b"\xff" * (40960 - 8192)
    file.write_bytes(raw)
    broken = Database(file)
    with pytest.raises(CopyError, match="damaged"), broken.read() as tx:
        copies.check(tx)
    broken.close()
