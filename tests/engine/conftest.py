"""A database with the tables of jobs, and books of what was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.db import Database
from cumulet.engine.tables import flows
from cumulet.engine.tables import jobs as table
from tests.databases import KINDS, place
from tests.engine.working import Books


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(place(tmp_path / "db.sqlite", request.param), durable=False)
    with made.engine.connect() as connection:
        table.metadata.create_all(connection, tables=[table, flows])
        connection.commit()
    yield made
    made.close()


@pytest.fixture
def books() -> Books:
    return Books()
