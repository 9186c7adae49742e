"""How many SQL statements the hot operations take: a number that grows with the data is a fault."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from cumulet.auth import Unauthenticated
from cumulet.services.identity.door import IdentityContext
from cumulet.services.identity.model import generation

from ..serving import counting
from .conftest import Cloud, on_project
from .test_nouns import fresh, made
from .test_roles import role_id

Counter = Callable[[], int]


@pytest.fixture
def statements(cloud: Cloud) -> Counter:
    """Statements since the last call."""
    seen = counting(cloud.db)

    def since() -> int:
        count = sum(seen)
        seen.clear()
        return count

    return since


def test_validating_a_known_token_takes_no_statement(cloud: Cloud, admin: httpx.Client, statements: Counter) -> None:
    cloud.token("demo", project="demo")  # the first login of a day is kept
    subject = {"X-Subject-Token": cloud.token("demo", project="demo")}
    statements()
    admin.get("/v3/auth/tokens", headers=subject)
    assert statements() <= 2 * (1 + 4) + 3, "the first time"
    admin.get("/v3/auth/tokens", headers=subject)
    assert statements() == (0 if cloud.db.alone else 2), "the generation, for the caller's token and the subject"
    made(admin, "region", id=fresh())
    admin.get("/v3/users")
    statements()
    admin.get("/v3/auth/tokens", headers=subject)
    assert 0 < statements() <= 1 + 5, "the generation has moved: the subject is looked at again"
    admin.get("/v3/auth/tokens", headers=subject)
    assert statements() == (0 if cloud.db.alone else 2), "the generation, for the caller's token and the subject"


def test_a_process_that_is_not_alone_asks_for_the_generation(cloud: Cloud) -> None:
    other, token = IdentityContext(cloud.secrets), cloud.token()
    for most in (100, 1, 1):
        with cloud.db.read() as tx:
            other.authenticate(tx, token)
            assert 0 < tx.statements <= most
    alone = IdentityContext(cloud.secrets, wakeups=cloud.db.wakeups)
    for most in (100, 0, 0):
        with cloud.db.read() as tx:
            alone.authenticate(tx, token)
            assert tx.statements <= most


def test_a_snapshot_from_before_a_change_makes_nobody_believe_it_is_new(cloud: Cloud, admin: httpx.Client) -> None:
    """A reader whose snapshot is old remembers what it finds as old."""
    alone, token = IdentityContext(cloud.secrets, wakeups=cloud.db.wakeups), cloud.token("demo", project="demo")
    with cloud.db.read() as tx:
        generation.current(tx)  # the snapshot stands from here on
        gone = admin.delete("/v3/auth/tokens", headers={"X-Subject-Token": token})
        assert gone.status_code == 204
        assert alone.authenticate(tx, token), "as of the snapshot"
    with cloud.db.read() as tx, pytest.raises(Unauthenticated):
        alone.authenticate(tx, token)


def test_issuing_a_token(cloud: Cloud, admin: httpx.Client, statements: Counter) -> None:
    admin.get("/v3/users")
    statements()
    cloud.login(scope=on_project("admin"))
    assert statements() <= 8


def test_lists_take_as_many_statements_for_many_rows_as_for_few(
    cloud: Cloud, admin: httpx.Client, statements: Counter
) -> None:
    paths = {
        "/v3/users": 1,
        "/v3/groups": 1,
        "/v3/projects": 2,
        "/v3/domains": 2,
        "/v3/roles": 1,
        "/v3/endpoints": 1,
        "/v3/auth/projects": 2,
        "/v3/role_assignments?effective&include_names": 3 + 5,
    }
    for round_ in range(2):
        for path, most in paths.items():
            admin.get("/v3/regions")
            statements()
            assert admin.get(path).status_code == 200
            assert statements() <= most + 1, (path, round_)
        group, member = made(admin, "group", name=fresh()), role_id(admin, "member")
        for _ in range(5):
            user, project = made(admin, "user", name=fresh()), made(admin, "project", name=fresh())
            admin.put(f"/v3/groups/{group['id']}/users/{user['id']}")
            admin.put(f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{member}")
