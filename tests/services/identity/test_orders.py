"""Lists of a body come back in the order in which they were given."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .conftest import Cloud
from .test_application_credentials import create, path_of, somebody
from .test_nouns import fresh, made
from .test_oauth1 import Actor, actor
from .test_roles import role_id

__all__ = ["actor", "somebody"]


@pytest.fixture(params=range(4))
def dice(request: pytest.FixtureRequest) -> Iterator[random.Random]:
    yield random.Random(request.param)


def test_access_rules_of_an_application_credential(somebody: httpx.Client, dice: random.Random) -> None:
    """New ones and such that the user has already, by id and in full."""
    rules: list[dict[str, Any]] = [
        {"service": "compute", "path": f"/v2.1/{letter}", "method": method}
        for letter in "edcba"
        for method in ("GET", "POST")
    ]
    before = create(somebody, access_rules=dice.sample(rules, 4))["access_rules"]
    ids = {tuple(each[part] for part in ("path", "method")): each["id"] for each in before}
    wish = dice.sample(rules, len(rules))
    given = [
        {"id": ids[rule["path"], rule["method"]]}
        if (rule["path"], rule["method"]) in ids and dice.random() < 0.5
        else rule
        for rule in wish
    ]
    found = create(somebody, access_rules=given)
    assert [{name: rule[name] for name in wish[0]} for rule in found["access_rules"]] == wish
    shown = somebody.get(f"{path_of(somebody)}/{found['id']}").json()["application_credential"]
    assert shown["access_rules"] == found["access_rules"]
    listed = somebody.get(path_of(somebody)).json()["application_credentials"]
    assert next(each for each in listed if each["id"] == found["id"])["access_rules"] == found["access_rules"]


def test_roles_of_an_access_token(admin: httpx.Client, actor: Actor, dice: random.Random) -> None:
    names = [made(admin, "role", name=fresh())["name"] for _ in range(5)]
    for name in names:
        admin.put(f"/v3/projects/{actor.project}/users/{actor.user}/roles/{role_id(admin, name)}")
    wish = dice.sample(names, len(names))
    token = actor.access(*wish)["oauth_token"]
    path = f"/v3/users/{actor.user}/OS-OAUTH1/access_tokens/{token}/roles"
    assert [role["name"] for role in actor.client.get(path).json()["roles"]] == wish


def test_rules_of_factors_of_a_user(admin: httpx.Client, dice: random.Random) -> None:
    rules = [["password", "totp"], ["totp", "password"], ["password"], ["token", "password", "totp"]]
    wish = dice.sample(rules, len(rules))
    user = made(admin, "user", name=fresh(), options={"multi_factor_auth_rules": wish})
    assert admin.get(f"/v3/users/{user['id']}").json()["user"]["options"]["multi_factor_auth_rules"] == wish


def test_rules_of_a_mapping(cloud: Cloud, admin: httpx.Client, dice: random.Random) -> None:
    remote = [{"type": "A", "any_one_of": dice.sample(["x", "z", "y"], 3)}, {"type": "C"}, {"type": "B"}]
    local = [{"user": {"name": "{0}"}}, {"group": {"id": "9"}}, {"group": {"id": "1"}}]
    wish = [{"local": dice.sample(local, 3), "remote": dice.sample(remote, 3)} for _ in range(3)]
    path = f"/v3/OS-FEDERATION/mappings/{fresh()}"
    assert admin.put(path, json={"mapping": {"rules": wish}}).status_code == 201
    assert admin.get(path).json()["mapping"]["rules"] == wish


def test_limits_that_are_made_at_once(admin: httpx.Client, dice: random.Random) -> None:
    service = made(admin, "service", type=fresh())["id"]
    names = dice.sample(["e", "d", "c", "b", "a"], 5)
    wish = [{"service_id": service, "resource_name": name, "default_limit": 1} for name in names]
    answer = admin.post("/v3/registered_limits", json={"registered_limits": wish})
    assert [each["resource_name"] for each in answer.json()["registered_limits"]] == names
