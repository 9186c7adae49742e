"""Migrations add up to the declared tables, and a new database is what migrations would have made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from cumulet.db import Database, metadata
from cumulet.db.schema import HEAD, SchemaError, migrate, prepare
from cumulet.engine import jobs, waiting
from cumulet.fleet.tables import desired, revision
from cumulet.services.network.tables import port_bindings
from tests.databases import KINDS, place
from tests.db.shapes import declare_everything


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    declare_everything()
    made = Database(place(tmp_path / "db.sqlite", request.param), durable=False)
    yield made
    made.close()


def differences(db: Database) -> list[object]:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_migrations_add_up_to_the_tables(db: Database) -> None:
    migrate(db)
    assert differences(db) == []


def test_a_new_database_is_at_the_head(db: Database) -> None:
    prepare(db)
    prepare(db)
    assert differences(db) == []
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_a_foreign_database_is_refused(db: Database) -> None:
    with db.engine.connect() as connection:
        connection.execute(text("CREATE TABLE someone_elses (id INTEGER)"))
    with pytest.raises(SchemaError):
        prepare(db)


def first(db: Database, *changes: str) -> None:
    """Make the tables of revision 0001, then change them."""
    migrate(db, to="0001")
    with db.engine.begin() as connection:
        for change in changes:
            connection.execute(text(change))


def test_a_database_from_before_the_first_release_is_refused(db: Database) -> None:
    """It says that it is at the first revision, and lacks what no revision gives it. Nothing of it changes."""
    first(db, "DROP TABLE fleet_join_tokens", "DROP TABLE image_locations")
    before = differences(db)
    with pytest.raises(SchemaError, match=r"has no table image_locations: .*cumulet down --purge"):
        prepare(db)
    assert repr(differences(db)) == repr(before)


def test_what_the_first_revision_was_given_later_is_given(db: Database) -> None:
    columns = ("network_ports.named_at", "network_ports.plugged", "fleet_links.previous_hash")
    dropped = [f"ALTER TABLE {name.split('.')[0]} DROP COLUMN {name.split('.')[1]}" for name in columns]
    first(db, "DROP TABLE fleet_join_tokens", *dropped)
    prepare(db)
    assert differences(db) == []


@pytest.mark.parametrize("name", ["ix_compute_servers_changed", "ix_compute_servers_host"])
def test_an_index_that_is_lacking_is_made(db: Database, name: str) -> None:
    """One that the newest revision was given late, and one that somebody dropped."""
    prepare(db)
    with db.engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {name}"))
    assert differences(db) != []
    prepare(db)
    assert differences(db) == []


def test_a_database_of_an_unfinished_revision_is_brought_along(db: Database) -> None:
    """Whoever runs the head of development has had half of the newest revision."""
    prepare(db)
    with db.engine.begin() as connection:
        connection.execute(text("DROP TABLE network_port_bindings"))
    prepare(db)
    assert differences(db) == []


def test_a_database_from_the_future_is_refused(db: Database) -> None:
    prepare(db)
    with db.engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError):
        prepare(db)


def test_objects_are_named_relative_to_their_stores_from_0002_on(db: Database) -> None:
    """Finding B8. Whatever the folder was, and whatever the bucket's prefix."""
    image, upload = "8d1d5c30-0000-4000-8000-000000000000", "0" * 32
    places = {
        f"file:///srv/a%20b/images/{image}": image,
        f"s3://host:9000/bucket/cumulet-{image}.{upload}": f"{image}.{upload}",
        "http://mirror.lan/disk.raw": "http://mirror.lan/disk.raw",
    }
    first(db)
    with db.engine.begin() as connection:
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
    migrate(db)
    with db.engine.connect() as connection:
        found = connection.execute(text("SELECT url FROM image_locations ORDER BY id")).scalars().all()
        claimed = connection.execute(text("SELECT url FROM image_erasures")).scalars().all()
    assert found == list(places.values()) and f"{image}.{upload}" in claimed


@pytest.mark.parametrize("times", [1, 2])
def test_names_that_differ_by_their_case_come_along(db: Database, caplog: pytest.LogCaptureFixture, times: int) -> None:
    """decisions/0047: none is lost or changed, and each is found by its own spelling."""
    first(db)
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
    with db.engine.begin() as connection:
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
        migrate(db)
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert "'ADMIN'" in caplog.text and "differ by their case alone" in caplog.text
    keys = [("admin", "1"), ("admin", ""), ("admin", "3"), ("strasse", ""), ("admin", "")]
    with db.engine.connect() as connection:
        for table in rows:
            query = text(f"SELECT id, name, domain_id, name_key, namesake FROM {table} ORDER BY id")
            found = [tuple(row) for row in connection.execute(query)]
            assert found[:5] == [(*row, *key) for row, key in zip(spelled, keys, strict=True)]
            assert found[5:] == ([(id, "ADMIN", "d", "admin", "") for id in "67"] if table.endswith("users") else [])


def test_imports_that_were_flows_are_jobs_from_0003_on(db: Database) -> None:
    """What they were to do and by when stays; other flows stay flows. Twice is as once."""
    migrate(db, to="0002")
    flow = "INSERT INTO engine_flows (kind, subject, step, state, due_at, deadline_at, attempts, started_at) "
    with db.engine.begin() as connection:
        for kind in ("image_import", "create"):
            values = {"kind": kind, "subject": f"a {kind}", "state": '{"task": "t"}'}
            connection.execute(text(f"{flow} VALUES (:kind, :subject, 'work', :state, 5, 7, 1, 3)"), values)
    migrate(db)
    prepare(db)
    with db.read() as tx:
        (job,) = jobs.of_subject(tx, "a image_import")
        assert (job.kind, job.given, job.progress, job.held, job.tries) == ("image_import", {"task": "t"}, {}, False, 0)
        assert (job.begun_at, job.deadline_at) == (3, 7)
        (row,) = jobs.due(tx, "image_import", 9)
        assert row.due_at == 5
        assert waiting(tx) == {"image_import": (1, 3), "create": (1, 3)}


@pytest.mark.parametrize("times", [1, 2])
def test_ports_have_bindings_from_0004_on(db: Database, times: int) -> None:
    """Where ports are, in a table of its own: but for DHCP servers and routers, which nobody binds."""
    migrate(db, to="0003")
    rows = {
        "guest": ("compute:nova", "one", "'l'", "{}"),
        "chosen": ("", "gone", "NULL", '{"a": 1}'),
        "free": ("", "", "NULL", "{}"),
        "dhcp": ("network:dhcp", "one", "'l'", "{}"),
    }
    with db.engine.begin() as connection:
        connection.execute(text("DELETE FROM fleet_revision"))
        connection.execute(text("INSERT INTO fleet_revision (id, value) VALUES (1, 7)"))
        connection.execute(
            text(
                "INSERT INTO network_networks (id, project_id, description, created_at, updated_at, revision_number, "
                "name, admin_state_up, shared, external, is_default, mtu, kind, port_security_enabled, dns_domain, "
                "availability_zone_hints) VALUES ('n', 'p', '', 0, 0, 0, '', true, false, false, false, 1450, 'local', "
                "true, '', '[]')"
            )
        )
        for number, (id, (owner, host, link, profile)) in enumerate(rows.items()):
            connection.execute(
                text(
                    "INSERT INTO network_ports (id, project_id, description, created_at, updated_at, revision_number, "
                    "network_id, name, mac_address, admin_state_up, status, device_id, device_owner, "
                    "port_security_enabled, host, link_id, vnic_type, profile, extra_dhcp_opts, allowed_address_pairs, "
                    "dns_name, dns_domain, named_at, plugged, by_compute, position) VALUES (:id, 'p', '', 0, 0, 0, "
                    f"'n', '', :mac, true, 'DOWN', '', :owner, true, :host, {link}, 'normal', :profile, '[]', "
                    "'[]', '', '', 0, :plugged, false, 0)"
                ),
                {
                    "id": id,
                    "mac": str(number),
                    "owner": owner,
                    "host": host,
                    "profile": profile,
                    "plugged": id == "guest",
                },
            )
    for _ in range(times):
        migrate(db)
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    with db.read() as tx:
        found = [tuple(row) for row in tx.rows(select(port_bindings).order_by(port_bindings.c.port_id))]
    assert found == [
        ("chosen", "gone", "ACTIVE", "binding_failed", {}, {"a": 1}),
        ("guest", "one", "ACTIVE", "bridge", {"port_filter": True, "connectivity": "l2"}, {}),
    ]
    with db.read() as tx:
        told = tx.rows(select(desired.c.link_id, desired.c.ref, desired.c.host, desired.c.revision, desired.c.gone))
        number = tx.scalar(select(revision.c.value))
    assert [tuple(row) for row in told] == [("l", "guest", "one", 8, False)] and number == 8
