"""Migrations add up to the declared tables, and a new database is what migrations would have made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from cumulet.store import Store, metadata
from cumulet.store.schema import HEAD, SchemaError, migrate, prepare
from tests.databases import KINDS, place
from tests.store.shapes import declare_everything


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    declare_everything()
    made = Store(place(tmp_path / "db.sqlite", request.param), durable=False)
    yield made
    made.close()


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_migrations_add_up_to_the_tables(store: Store) -> None:
    migrate(store)
    assert differences(store) == []


def test_a_new_database_is_at_the_head(store: Store) -> None:
    prepare(store)
    prepare(store)
    assert differences(store) == []
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_a_foreign_database_is_refused(store: Store) -> None:
    with store.engine.connect() as connection:
        connection.execute(text("CREATE TABLE someone_elses (id INTEGER)"))
    with pytest.raises(SchemaError):
        prepare(store)


def first(store: Store, *changes: str) -> None:
    """Make the tables of revision 0001, then change them."""
    migrate(store, to="0001")
    with store.engine.begin() as connection:
        for change in changes:
            connection.execute(text(change))


def test_a_database_from_before_the_first_release_is_refused(store: Store) -> None:
    """It says that it is at the first revision, and lacks what no revision gives it. Nothing of it changes."""
    first(store, "DROP TABLE fleet_join_tokens", "DROP TABLE image_locations")
    before = differences(store)
    with pytest.raises(SchemaError, match=r"has no table image_locations: .*cumulet down --purge"):
        prepare(store)
    assert repr(differences(store)) == repr(before)


def test_what_the_first_revision_was_given_later_is_given(store: Store) -> None:
    columns = ("network_ports.named_at", "network_ports.plugged", "fleet_links.previous_hash")
    dropped = [f"ALTER TABLE {name.split('.')[0]} DROP COLUMN {name.split('.')[1]}" for name in columns]
    first(store, "DROP TABLE fleet_join_tokens", *dropped)
    prepare(store)
    assert differences(store) == []


@pytest.mark.parametrize("name", ["ix_compute_servers_changed", "ix_compute_servers_host"])
def test_an_index_that_is_lacking_is_made(store: Store, name: str) -> None:
    """One that the newest revision was given late, and one that somebody dropped."""
    prepare(store)
    with store.engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {name}"))
    assert differences(store) != []
    prepare(store)
    assert differences(store) == []


def test_a_database_of_an_unfinished_revision_is_brought_along(store: Store) -> None:
    """Whoever runs the head of development has had half of the newest revision."""
    prepare(store)
    with store.engine.begin() as connection:
        connection.execute(text("DROP TABLE store_upgrades"))
    prepare(store)
    assert differences(store) == []


def test_a_database_from_the_future_is_refused(store: Store) -> None:
    prepare(store)
    with store.engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError):
        prepare(store)


def test_objects_are_named_relative_to_their_stores_from_0002_on(store: Store) -> None:
    """Finding B8. Whatever the folder was, and whatever the bucket's prefix."""
    image, upload = "8d1d5c30-0000-4000-8000-000000000000", "0" * 32
    places = {
        f"file:///srv/a%20b/images/{image}": image,
        f"s3://host:9000/bucket/cumulet-{image}.{upload}": f"{image}.{upload}",
        "http://mirror.lan/disk.raw": "http://mirror.lan/disk.raw",
    }
    first(store)
    with store.engine.begin() as connection:
        for url in places:
            row = {"image": image, "url": url}
            connection.execute(
                text(
                    "INSERT INTO image_locations (image_id, store, url, detail, created_at) "
                    "VALUES (:image, 'x', :url, '{}', 0)"
                ),
                row,
            )
            connection.execute(text("INSERT INTO image_erasures (store, url, due_at) VALUES ('x', :url, 0)"), row)
    migrate(store)
    with store.engine.connect() as connection:
        found = connection.execute(text("SELECT url FROM image_locations ORDER BY id")).scalars().all()
        claimed = connection.execute(text("SELECT url FROM image_erasures")).scalars().all()
    assert found == list(places.values()) and f"{image}.{upload}" in claimed


@pytest.mark.parametrize("times", [1, 2])
def test_names_that_differ_by_their_case_come_along(store: Store, caplog: pytest.LogCaptureFixture, times: int) -> None:
    """decisions/0047: none is lost or changed, and each is found by its own spelling."""
    first(store)
    rows = {
        "identity_projects": (
            "is_domain, enabled, description, epoch, options, extra",
            "false, true, '', 0, '{}', '{}'",
        ),
        "identity_users": ("enabled, failed_logins, created_at, epoch, options, extra", "true, 0, 0, 0, '{}', '{}'"),
        "identity_groups": ("description, extra", "'', '{}'"),
        "identity_roles": ("options, extra", "'{}', '{}'"),
    }
    spelled = [("1", "ADMIN", "d"), ("2", "admin", "d"), ("3", "Admin", "d"), ("4", "Straße", "d"), ("5", "Admin", "e")]
    with store.engine.begin() as connection:
        for table, (columns, values) in rows.items():
            insert = text(
                f"INSERT INTO {table} (id, name, domain_id, {columns}) VALUES (:id, :name, :domain, {values})"
            )
            for id, name, domain in spelled:
                connection.execute(insert, {"id": id, "name": name, "domain": domain})
        extra = "enabled, failed_logins, created_at, epoch, options, extra, origin"
        for id in ("6", "7"):  # of a directory
            values = f"('{id}', 'ADMIN', 'd', true, 0, 0, 0, '{{}}', '{{}}', 'ldap')"
            connection.execute(text(f"INSERT INTO identity_users (id, name, domain_id, {extra}) VALUES {values}"))
    for _ in range(times):
        migrate(store)
        with store.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert "'ADMIN'" in caplog.text and "differ by their case alone" in caplog.text
    keys = [("admin", "1"), ("admin", ""), ("admin", "3"), ("strasse", ""), ("admin", "")]
    with store.engine.connect() as connection:
        for table in rows:
            query = text(f"SELECT id, name, domain_id, name_key, namesake FROM {table} ORDER BY id")
            found = [tuple(row) for row in connection.execute(query)]
            assert found[:5] == [(*row, *key) for row, key in zip(spelled, keys, strict=True)]
            assert found[5:] == ([(id, "ADMIN", "d", "admin", "") for id in "67"] if table.endswith("users") else [])
