"""Migrations add up to the declared tables, and a new database is what migrations would have made."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

import cumulet.services
from cumulet.store import Store, metadata
from cumulet.store.schema import HEAD, MIGRATIONS, SchemaError, migrate, prepare
from tests.databases import KINDS, place


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    declare_everything()
    made = Store(place(tmp_path / "db.sqlite", request.param), durable=False)
    yield made
    made.close()


def declare_everything() -> None:
    """Import every module that holds tables."""
    for name in ("cumulet.engine.tables", "cumulet.fleet.tables"):
        importlib.import_module(name)
    for service in pkgutil.iter_modules(cumulet.services.__path__, "cumulet.services."):
        importlib.import_module(f"{service.name}.tables")


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_migrations_add_up_to_the_tables(store: Store) -> None:
    migrate(store.engine.url)
    assert differences(store) == []


def test_a_new_database_is_at_the_head(store: Store) -> None:
    prepare(store)
    prepare(store)
    assert differences(store) == []
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_the_head_is_the_newest_file() -> None:
    assert max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")) == HEAD


def test_a_foreign_database_is_refused(store: Store) -> None:
    with store.engine.connect() as connection:
        connection.execute(text("CREATE TABLE someone_elses (id INTEGER)"))
    with pytest.raises(SchemaError):
        prepare(store)


@pytest.mark.parametrize(
    ("older", "lacking"),
    [
        ("ALTER TABLE fleet_links DROP COLUMN previous_hash", "column fleet_links.previous_hash"),
        ("DROP TABLE fleet_join_tokens", "table fleet_join_tokens"),
    ],
)
def test_a_database_from_before_the_first_release_is_refused(store: Store, older: str, lacking: str) -> None:
    """It says that it is at the head, and each request would fail."""
    prepare(store)
    with store.engine.begin() as connection:
        connection.execute(text(older))
    with pytest.raises(SchemaError, match=f"has no {lacking}: .*cumulet down --purge"):
        prepare(store)


def test_a_database_from_the_future_is_refused(store: Store) -> None:
    prepare(store)
    with store.engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError):
        prepare(store)
