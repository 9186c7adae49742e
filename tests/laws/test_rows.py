"""Rows are typed: each class says what its table has, and `Row[Any]` leaves the signatures."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from cumulet.db import TypedRow, rows, select_as
from tests import typed_rows
from tests.db import shapes
from tests.laws.source import ROOT, modules

MOST_UNTYPED = 0
"""How many parameters and results of functions are rows of which nothing is known. The number may only fall."""


def classes(kind: type[TypedRow] = TypedRow) -> Iterator[type[TypedRow]]:
    for below in kind.__subclasses__():
        yield below
        yield from classes(below)


def untyped() -> list[str]:
    found = []
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                said = [each.annotation for each in given] + [node.returns]
                found += [
                    f"{name}.{node.name}" for each in said if each is not None and "Row[Any]" in ast.unparse(each)
                ]
    return found


def test_rows_of_which_nothing_is_known_become_fewer() -> None:
    found = [name for name in untyped() if not name.startswith("cumulet.db.")]
    assert len(found) <= MOST_UNTYPED, found


def test_a_class_says_what_its_table_has() -> None:
    shapes.declare_everything()
    mine = [kind for kind in classes() if kind.__module__.startswith("cumulet.")]
    assert len(mine) >= 4
    found = [typed_rows.faults(kind, kind.__table__.columns, exact=True) for kind in mine if "__table__" in vars(kind)]
    assert [fault for of_one in found for fault in of_one] == []


def test_a_table_has_one_class() -> None:
    shapes.declare_everything()
    tables = [kind.__table__.name for kind in classes() if "__table__" in vars(kind) and "cumulet" in kind.__module__]
    assert len(tables) == len(set(tables))


things = Table("things", MetaData(), Column("id", String, primary_key=True), Column("size", Integer))


class ThingRow(TypedRow, table=things):
    """True."""

    id: str
    size: int | None


class Lying(TypedRow):
    """Nothing in it is true."""

    id: int
    size: int
    color: str


def test_lies_are_seen() -> None:
    typed_rows.look_at_every_statement()
    assert typed_rows.faults(ThingRow, things.columns, exact=True) == []
    select_as(ThingRow).where(things.c.size == 1)
    with pytest.raises(AssertionError) as error:
        select_as(Lying, things)
    for lie in ("color is no column", "id is <class 'int'>, not str", "size may be NULL"):
        assert lie in str(error.value)
    with pytest.raises(AssertionError, match="size is no column"):
        select_as(ThingRow, things.c.id)
    with pytest.raises(TypeError, match="rows come from the database"):
        ThingRow(id="a", size=1)
    assert rows.look is not None


SNIPPET = """
from cumulet.services.placement.tables import ProviderRow, providers
from cumulet.db import Prepared, Transaction, select_as

_PREPARED = Prepared(select_as(ProviderRow).where(providers.c.uuid == "1"))


def each(tx: Transaction) -> None:
    for row in tx.rows_by_key(ProviderRow, uuid="1"):
        print(row.name, row.nmae)
    for row in tx.rows(_PREPARED):
        print(row.name, row.nmae)
    found = tx.row(select_as(ProviderRow).where(providers.c.uuid == "1").limit(1))
    print(found.name)
    if found is not None:
        print(found.name, found.nmae)
        found.name = "other"
"""


@pytest.mark.slow
def test_a_misspelt_column_is_a_fault_of_types(tmp_path: Path) -> None:
    """Whatever way the row came."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--follow-imports=silent"]
    cache = ["--cache-dir", str(tmp_path / "cache")]
    environment = {"MYPYPATH": str(ROOT / "src"), "PATH": ""}
    asked = subprocess.run(
        [*command, *cache, str(snippet)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert asked.stdout.count('"ProviderRow" has no attribute "nmae"') == 3, asked.stdout + asked.stderr
    assert 'Item "None" of "ProviderRow | None" has no attribute "name"' in asked.stdout
    assert 'Property "name" defined in "ProviderRow" is read-only' in asked.stdout
    assert "Found 5 errors" in asked.stdout
