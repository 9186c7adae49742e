"""Names are compared without their case, as Keystone on MySQL does: what is unique, what logs in, what lists find."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cumulet.services.identity.model import names
from cumulet.services.identity.tables import folded, groups, projects, roles, users

from .conftest import PASSWORD, Cloud, on_project, password_auth
from .test_application_credentials import create, somebody
from .test_nouns import fresh, made
from .test_roles import role_id

__all__ = ["somebody"]
NOUNS = ["domain", "project", "user", "group", "role"]
STEMS = ["Straße", "Größe", "ΣΊΣΥΦΟΣ", "ǅabc", "plain", "Ångström", "Ünïcode ﬁ"]
TABLES = {"domain": projects, "project": projects, "user": users, "group": groups, "role": roles}


def variants(text: str, dice: random.Random) -> list[str]:
    """Other spellings of it that fold alike."""
    mixed = "".join(dice.choice([letter.upper(), letter.lower(), letter]) for letter in text)
    found = [text.upper(), text.lower(), text.title(), text.swapcase(), text.casefold(), mixed]
    return [each for each in dict.fromkeys(found) if folded(each) == folded(text)]


@pytest.fixture(params=STEMS)
def name(request: pytest.FixtureRequest) -> str:
    return f"{request.param}-{fresh()}"


@pytest.mark.parametrize("noun", NOUNS)
def test_a_name_is_taken_in_every_spelling(admin: httpx.Client, noun: str, name: str) -> None:
    first = made(admin, noun, name=name)
    other = made(admin, noun, name=fresh())
    path = f"/v3/{noun}s"
    assert admin.get(f"{path}/{first['id']}").json()[noun]["name"] == name, "it stays as it was given"
    for spelling in variants(name, random.Random(name)):
        answer = admin.post(path, json={noun: {"name": spelling}})
        assert answer.status_code == 409 and answer.json()["error"]["code"] == 409, (spelling, answer.text)
        assert admin.patch(f"{path}/{other['id']}", json={noun: {"name": spelling}}).status_code == 409
        changed = admin.patch(f"{path}/{first['id']}", json={noun: {"name": spelling}})
        assert (changed.status_code, changed.json()[noun]["name"]) == (200, spelling), "its own it may spell otherwise"
    accented = made(admin, noun, name="é" + name)
    assert made(admin, noun, name="e" + name)["id"] != accented["id"], "accents count"


@pytest.mark.parametrize("noun", NOUNS)
def test_lists_find_every_spelling(admin: httpx.Client, noun: str, name: str) -> None:
    wanted = made(admin, noun, name=f"{name}{name}")["id"]
    made(admin, noun, name=fresh())

    def found(**query: str) -> list[str]:
        return [row["id"] for row in admin.get(f"/v3/{noun}s", params=query).json()[f"{noun}s"]]

    for spelling in variants(name, random.Random(name)):
        assert found(name=spelling * 2) == [wanted]
        for comparator in ("contains", "startswith", "endswith", "icontains", "istartswith", "iendswith"):
            assert found(**{f"name__{comparator}": spelling}) == [wanted], comparator


def test_logging_in_by_any_spelling(cloud: Cloud, admin: httpx.Client, name: str) -> None:
    """Guides write `user_domain_name = default`; the domain is called Default."""
    domain = made(admin, "domain", name=name)
    project = made(admin, "project", name=name, domain_id=domain["id"])
    user = made(admin, "user", name=name, domain_id=domain["id"], password=PASSWORD)
    for target in (f"projects/{project['id']}", f"domains/{domain['id']}"):
        answer = admin.put(f"/v3/{target}/users/{user['id']}/roles/{role_id(admin, 'member')}")
        assert answer.status_code == 204
    for spelling in variants(name, random.Random(name)):
        its = {"name": spelling}
        auth = password_auth(spelling, PASSWORD)
        auth["auth"]["identity"]["password"]["user"]["domain"] = its
        for scope in ({"project": {"name": spelling, "domain": its}}, {"domain": its}):
            auth["auth"]["scope"] = scope
            answer = cloud.http.post("/v3/auth/tokens", json=auth)
            assert answer.status_code == 201, (spelling, answer.text)
            token = answer.json()["token"]
            assert (token["user"]["name"], token["user"]["domain"]["name"]) == (name, name)
    auth = password_auth("ADMIN", PASSWORD, {"project": {"name": "Admin", "domain": {"name": "default"}}})
    auth["auth"]["identity"]["password"]["user"]["domain"] = {"name": "dEFAULT"}
    assert cloud.http.post("/v3/auth/tokens", json=auth).status_code == 201
    auth["auth"]["identity"]["password"]["user"]["name"] = "ádmin"
    assert cloud.http.post("/v3/auth/tokens", json=auth).status_code == 401


def test_roles_by_any_spelling(somebody: httpx.Client) -> None:
    assert [role["name"] for role in create(somebody, roles=[{"name": "MeMber"}])["roles"]][:1]


def twins(cloud: Cloud, admin: httpx.Client, noun: str, name: str, **more: Any) -> tuple[str, str]:
    """Ids of two whose names differ by their case alone, as a cloud of an earlier version may hold."""
    one, two = made(admin, noun, name=name, **more)["id"], made(admin, noun, name=fresh(), **more)["id"]
    table = TABLES[noun]
    with cloud.db.transaction() as tx:
        tx.update(table, table.c.id == two, name=name.swapcase(), name_key=folded(name), namesake=two)
    return one, two


@pytest.mark.parametrize("noun", NOUNS)
def test_namesakes_of_before(cloud: Cloud, admin: httpx.Client, noun: str) -> None:
    name = f"abc{fresh()}def"
    one, two = twins(cloud, admin, noun, name)
    table = TABLES[noun]
    with cloud.db.read() as tx:

        def best(text: str) -> str:
            return str(tx.scalar(names.best(select(table.c.id), table, text)))

        assert (best(name), best(name.swapcase()), best(name.title())) == (one, two, one)
    path = f"/v3/{noun}s"
    assert {row["id"] for row in admin.get(path, params={"name": name}).json()[f"{noun}s"]} == {one, two}
    for identifier, spelling in ((one, name), (two, name.swapcase())):
        answer = admin.patch(f"{path}/{identifier}", json={noun: {"name": spelling, "description": "same name"}})
        assert answer.status_code == 200, "nothing about its name changes"
    assert admin.post(path, json={noun: {"name": name.title()}}).status_code == 409
    assert admin.patch(f"{path}/{two}", json={noun: {"name": name.title()}}).status_code == 409
    new = fresh()
    assert admin.patch(f"{path}/{two}", json={noun: {"name": new}}).status_code == 200
    assert admin.post(path, json={noun: {"name": new.upper()}}).status_code == 409, "it is like any other from now on"


def test_namesakes_log_in(cloud: Cloud, admin: httpx.Client) -> None:
    name = f"abc{fresh()}def"
    domains = twins(cloud, admin, "domain", name)
    people = {domain: twins(cloud, admin, "user", name, domain_id=domain, password=PASSWORD) for domain in domains}
    spellings = (name, name.swapcase())
    for domain, called in zip(domains, spellings, strict=True):
        for user, spelling in zip(people[domain], spellings, strict=True):
            auth = password_auth(spelling, PASSWORD)
            auth["auth"]["identity"]["password"]["user"]["domain"] = {"name": called}
            answer = cloud.http.post("/v3/auth/tokens", json=auth)
            assert (answer.status_code, answer.json()["token"]["user"]["id"]) == (201, user)


@pytest.mark.parametrize("noun", ["user", "group"])
def test_a_name_is_found_by_an_index(cloud: Cloud, noun: str) -> None:
    table = TABLES[noun]
    if cloud.db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads a small table as a whole")
    wanted = names.best(select(table.c.id).where(table.c.domain_id == names.domain_id("x")), table, "y")
    with cloud.db.engine.connect() as connection:
        text = str(wanted.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    steps = [step for step in plan if step.startswith(("SCAN", "SEARCH"))]
    assert len(steps) == 2 and all("name_key" in step and step.startswith("SEARCH") for step in steps), plan


@pytest.mark.parametrize("write", [str.upper, str.title])
def test_first_users_under_other_spellings_are_not_made_twice(
    cloud: Cloud, admin: httpx.Client, write: Callable[[str], str]
) -> None:
    from cumulet.services.identity import door

    (user,) = admin.get("/v3/users", params={"name": "demo"}).json()["users"]
    path = f"/v3/users/{user['id']}"
    assert admin.patch(path, json={"user": {"name": write("demo")}}).status_code == 200
    urls = {"identity": f"{cloud.url}/v3"}
    door.bootstrap(cloud.db, secrets=cloud.secrets, endpoints=urls, region="RegionOne")
    assert [each["id"] for each in admin.get("/v3/users?name=demo").json()["users"]] == [user["id"]]
    assert cloud.login("demo", scope=on_project("DEMO")).status_code == 201
    admin.patch(path, json={"user": {"name": "demo"}})
