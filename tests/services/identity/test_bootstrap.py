"""A fresh cloud's rows, and that starting again changes nothing."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from cumulet import services
from cumulet.db import Database, metadata
from cumulet.services.identity import door
from cumulet.services.identity.model import generation, passwords
from cumulet.services.identity.tables import assignments, endpoints, projects, roles, users
from cumulet.services.identity.tables import generation as generation_table
from cumulet.services.identity.tables import services as catalog
from tests.databases import place

from .conftest import PASSWORD, URLS, Cloud
from .test_nouns import fresh, made


def prepared(folder: Path) -> tuple[Database, Path]:
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    for name in ("admin", "demo", "service"):
        (secrets / f"{name}_password").write_text(PASSWORD)
    db = Database(place(folder / "test.db"), durable=False)
    metadata.create_all(db.engine)
    return db, secrets


def test_starting_again_changes_nothing(tmp_path: Path) -> None:
    db, secrets = prepared(tmp_path)
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne")
    tables = [table for name, table in metadata.tables.items() if name.startswith("identity_")]
    with db.read() as tx:
        before = {table.name: sorted(map(repr, tx.rows(select(table)))) for table in tables}
        assert generation.current(tx) == 1
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne")
    with db.read() as tx:
        assert {table.name: sorted(map(repr, tx.rows(select(table)))) for table in tables} == before


def test_the_alternate_user_comes_once_and_never_in_the_place_of_another(tmp_path: Path) -> None:
    db, secrets = prepared(tmp_path)
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne", alternate=True)
    found = select(users.c.id, users.c.password_hash).where(users.c.name == "alt_demo")
    with db.read() as tx:
        assert tx.row(found) is None  # nobody has made a password for him: a cloud with real hosts
    (secrets / "alt_demo_password").write_text(f"{PASSWORD}2")
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne", alternate=True)
    with db.transaction() as tx:
        row = tx.row(found)
        assert row is not None
        granted = select(projects.c.name, roles.c.name.label("role")).select_from(assignments)
        granted = granted.join(projects, projects.c.id == assignments.c.target_id)
        granted = granted.join(roles, roles.c.id == assignments.c.role_id).where(assignments.c.actor_id == row.id)
        assert [tuple(each) for each in tx.rows(granted)] == [("alt_demo", "member")]
        tx.delete(users, users.c.id == row.id)
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne", alternate=True)
    with db.read() as tx:
        assert tx.row(found) is None  # what was deleted stays deleted


def test_an_operators_user_of_the_alternates_name_stays_his(tmp_path: Path) -> None:
    db, secrets = prepared(tmp_path)
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne")
    (secrets / "alt_demo_password").write_text(f"{PASSWORD}2")
    with db.transaction() as tx:
        tx.update(users, users.c.name == "demo", name="alt_demo", name_key="alt_demo", password_hash="his own")
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne", alternate=True)
    with db.read() as tx:
        hashes = tx.rows(select(users.c.password_hash).where(users.c.name == "alt_demo"))
        assert [each.password_hash for each in hashes] == ["his own"]
        assert tx.row(select(projects.c.id).where(projects.c.name == "alt_demo")) is None


def test_users_with_one_password_have_one_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    monkeypatch.setattr(passwords, "digest", lambda text: computed.append(text) or f"hash of {text}")
    db, secrets = prepared(tmp_path)
    (secrets / "service_password").write_text("the services'")
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne")
    assert sorted(computed) == sorted([PASSWORD, PASSWORD, "the services'"])


def test_a_changed_password_stays_and_a_changed_address_follows(tmp_path: Path) -> None:
    db, secrets = prepared(tmp_path)
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne")
    with db.transaction() as tx:
        tx.update(users, users.c.name == "admin", password_hash="changed")
    moved = URLS | {"image": "http://10.0.0.1:9292"}
    door.bootstrap(db, secrets=secrets, endpoints=moved, region="RegionOne")
    with db.read() as tx:
        assert tx.scalar(select(users.c.password_hash).where(users.c.name == "admin")) == "changed"
        found = {row.url for row in tx.rows(select(endpoints.c.url))}
        assert "http://10.0.0.1:9292" in found and URLS["image"] not in found
        assert tx.scalar(select(generation_table.c.value)) == 2


def test_the_door(cloud: Cloud, admin: httpx.Client) -> None:
    project = made(admin, "project", name=fresh())
    with cloud.db.read() as tx:
        names = door.project_names(tx, [project["id"], project["id"], "default", "none"])
        assert names == {project["id"]: project["name"]}
        assert door.project_names(tx, []) == {} and tx.statements == 1
        assert door.project_exists(tx, project["id"])
        assert not door.project_exists(tx, "default") and not door.project_exists(tx, "none")
        caller = cloud.context.authenticate(tx, cloud.token("demo", project="demo"))
    assert caller.roles == ("member", "reader") and caller.project_name == "demo" and not caller.is_admin
    assert caller.project_domain_id == "default" and caller.methods == ("password",)


def test_a_service_that_a_newer_version_brings_gets_its_user_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, secrets = prepared(tmp_path)
    door.bootstrap(db, secrets=secrets, endpoints=URLS, region="RegionOne")
    monkeypatch.setattr(services, "SERVICES", (*services.SERVICES, "tests.extending.bells"))
    more = URLS | {"bell": "http://127.0.0.1:9990/v1"}
    found = select(users.c.id).where(users.c.name == "belfry")
    door.bootstrap(db, secrets=secrets, endpoints=more, region="RegionOne")
    with db.transaction() as tx:
        row = tx.row(found)
        assert row is not None
        granted = select(projects.c.name, roles.c.name.label("role")).select_from(assignments)
        granted = granted.join(projects, projects.c.id == assignments.c.target_id)
        granted = granted.join(roles, roles.c.id == assignments.c.role_id).where(assignments.c.actor_id == row.id)
        assert {tuple(each) for each in tx.rows(granted)} == {("service", "admin"), ("service", "service")}
        assert tx.scalar(select(catalog.c.name).where(catalog.c.type == "bell")) == "belfry"
        tx.delete(users, users.c.id == row.id)
    door.bootstrap(db, secrets=secrets, endpoints=more, region="RegionOne")
    with db.read() as tx:
        assert tx.row(found) is None  # what was deleted stays deleted
