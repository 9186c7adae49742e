"""Trusts: their life, their faults, tokens of them, and chains of them (case 21)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from cumulet.db import iso
from cumulet.db.times import now_us

from .conftest import PASSWORD, Cloud
from .test_credentials import me
from .test_nouns import fresh, made, message
from .test_roles import role_id

TRUSTS = "/v3/OS-TRUST/trusts"


@dataclass
class Side:
    """One side of a trust: a user, with a client on the project, or an unscoped one for who has no role there."""

    id: str
    name: str
    client: httpx.Client


@dataclass
class Pair:
    """Somebody who is a manager of a project, and others who have no role anywhere."""

    cloud: Cloud
    admin: httpx.Client
    project: str
    trustor: Side
    trustee: Side
    third: Side

    def body(self, **fields: Any) -> dict[str, Any]:
        trust = {
            "trustor_user_id": self.trustor.id,
            "trustee_user_id": self.trustee.id,
            "project_id": self.project,
            "impersonation": False,
            "roles": [{"name": "member"}],
        }
        return {"trust": trust | fields}

    def trust(self, client: httpx.Client | None = None, **fields: Any) -> dict[str, Any]:
        answer = (client or self.trustor.client).post(TRUSTS, json=self.body(**fields))
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["trust"])

    def log_in(self, trust: dict[str, Any], side: Side | None = None) -> httpx.Response:
        scope = {"OS-TRUST:trust": {"id": trust["id"]}}
        return self.cloud.login((side or self.trustee).name, PASSWORD, scope)

    @contextmanager
    def using(self, trust: dict[str, Any], side: Side | None = None) -> Iterator[httpx.Client]:
        answer = self.log_in(trust, side)
        assert answer.status_code == 201, answer.text
        with self.cloud.client(answer.headers["x-subject-token"]) as client:
            yield client

    def grant(self, role: str) -> str:
        return f"/v3/projects/{self.project}/users/{self.trustor.id}/roles/{role_id(self.admin, role)}"


@pytest.fixture
def pair(cloud: Cloud, admin: httpx.Client) -> Iterator[Pair]:
    project = made(admin, "project", name=fresh())
    users = [made(admin, "user", name=fresh(), password=PASSWORD) for _ in range(3)]
    path = f"/v3/projects/{project['id']}/users/{users[0]['id']}/roles"
    admin.put(f"{path}/{role_id(admin, 'manager')}")
    tokens = [cloud.token(users[0]["name"], project=project["name"])]
    tokens += [cloud.token(user["name"], project=None) for user in users[1:]]
    sides = [Side(user["id"], user["name"], cloud.client(token)) for user, token in zip(users, tokens, strict=True)]
    yield Pair(cloud, admin, project["id"], *sides)
    for side in sides:
        side.client.close()


def test_life_of_a_trust(pair: Pair) -> None:
    found = pair.trust(colour="plum")
    assert found["colour"] == "plum"
    expected = {
        "trustor_user_id": pair.trustor.id,
        "trustee_user_id": pair.trustee.id,
        "project_id": pair.project,
        "impersonation": False,
        "expires_at": None,
        "remaining_uses": None,
        "redelegated_trust_id": None,
        "redelegation_count": 0,
        "deleted_at": None,
    }
    assert {key: found[key] for key in expected} == expected
    assert [role["name"] for role in found["roles"]] == ["member"]
    one = f"{TRUSTS}/{found['id']}"
    assert found["links"]["self"].endswith(one) and found["roles_links"]["self"].endswith(f"{one}/roles")
    for client in (pair.trustor.client, pair.trustee.client, pair.admin):
        assert client.get(one).json()["trust"] == found
        roles = client.get(f"{one}/roles").json()
        assert roles["roles"] == found["roles"] and "links" in roles
        member = role_id(pair.admin, "member")
        assert client.get(f"{one}/roles/{member}").json()["role"] == found["roles"][0]
        assert client.head(f"{one}/roles/{member}").status_code == 200
        absent = client.get(f"{one}/roles/{role_id(pair.admin, 'reader')}")
        assert absent.status_code == 404 and message(absent).startswith("Could not find role: ")
    assert pair.trustee.client.delete(one).status_code == 403
    assert pair.trustor.client.delete(one).status_code == 204
    gone = pair.trustor.client.get(one)
    assert gone.status_code == 404 and message(gone) == f"Could not find trust: {found['id']}."
    assert pair.trustor.client.delete(one).status_code == 404
    assert pair.trustee.client.get(one).status_code == 404


def test_lists(pair: Pair) -> None:
    found = pair.trust()
    expected = {key: value for key, value in found.items() if key not in ("roles", "roles_links")}
    for client, query in (
        (pair.trustor.client, {"trustor_user_id": pair.trustor.id}),
        (pair.trustee.client, {"trustee_user_id": pair.trustee.id}),
        (pair.admin, {"trustor_user_id": pair.trustor.id}),
        (pair.admin, {"trustee_user_id": pair.trustee.id}),
    ):
        assert client.get(TRUSTS, params=query).json()["trusts"] == [expected]
    assert expected in pair.admin.get(TRUSTS).json()["trusts"]
    for client in (pair.trustor.client, pair.trustee.client, pair.third.client):
        assert client.get(TRUSTS).status_code == 403
    for query in ({"trustor_user_id": pair.trustor.id}, {"trustee_user_id": pair.trustee.id}):
        assert pair.third.client.get(TRUSTS, params=query).status_code == 403
    nothing = {"trustee_user_id": pair.third.id}
    assert pair.third.client.get(TRUSTS, params=nothing).json()["trusts"] == []


def test_others_have_no_part_in_it(pair: Pair, demo: httpx.Client) -> None:
    one = f"{TRUSTS}/{pair.trust()['id']}"
    for client in (pair.third.client, demo):
        for answer in (
            client.get(one),
            client.delete(one),
            client.get(f"{one}/roles"),
            client.get(f"{one}/roles/{role_id(pair.admin, 'member')}"),
        ):
            assert answer.status_code == 403
    assert pair.cloud.http.get(one).status_code == 401
    assert pair.cloud.http.post(TRUSTS, json=pair.body()).status_code == 401
    for client in (pair.trustee.client, pair.third.client, demo, pair.admin):
        assert client.post(TRUSTS, json=pair.body()).status_code == 403, "only the trustor makes it"


def test_what_cannot_be_a_trust(pair: Pair) -> None:
    def refused(**fields: Any) -> tuple[int, str]:
        answer = pair.trustor.client.post(TRUSTS, json=pair.body(**fields))
        assert answer.status_code != 201, fields
        return answer.status_code, message(answer)

    assert refused(roles=[])[0] == 403 and "At least one role" in refused(roles=[])[1]
    assert refused(roles=[{"name": "admin"}])[0] == 404
    assert refused(roles=[{"name": "no such role"}]) == (404, "Could not find role: no such role.")
    assert refused(roles=[{"id": "0" * 32}])[0] == 404
    assert refused(trustee_user_id="nobody") == (404, "Could not find user: nobody.")
    assert refused(project_id="nowhere") == (404, "Could not find project: nowhere.")
    assert refused(expires_at="bad.123Z")[0] == 400
    assert refused(expires_at="2001-01-01T00:00:00Z")[1].startswith("The 'expires_at' must not be before now.")
    assert refused(remaining_uses=0)[0] == refused(remaining_uses=-1)[0] == refused(remaining_uses="2")[0] == 400
    assert refused(remaining_uses=2**40)[0] == 400
    assert refused(impersonation="yes")[0] == 400
    assert refused(allow_redelegation=True, remaining_uses=1)[0] == 400
    assert refused(allow_redelegation=True, redelegation_count=4)[0] == 403
    assert refused(roles=[{}])[0] == 400
    for name in ("trustor_user_id", "trustee_user_id", "impersonation"):
        body = pair.body()
        del body["trust"][name]
        answer = pair.trustor.client.post(TRUSTS, json=body)
        assert answer.status_code in (400, 403), name
    mine = {"trustor_user_id": pair.trustor.id}
    assert pair.trustor.client.get(TRUSTS, params=mine).json()["trusts"] == []


@pytest.mark.parametrize("impersonation", [False, True])
def test_a_token_of_a_trust(impersonation: bool, pair: Pair) -> None:
    found = pair.trust(impersonation=impersonation, roles=[{"name": "reader"}])
    answer = pair.log_in(found)
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert token["user"]["id"] == (pair.trustor.id if impersonation else pair.trustee.id)
    assert token["project"]["id"] == pair.project and [role["name"] for role in token["roles"]] == ["reader"]
    assert token["OS-TRUST:trust"] == {
        "id": found["id"],
        "impersonation": impersonation,
        "trustor_user": {"id": pair.trustor.id},
        "trustee_user": {"id": pair.trustee.id},
    }
    with pair.using(found) as client:
        assert me(client)["OS-TRUST:trust"] == token["OS-TRUST:trust"]
        assert me(client)["roles"] == token["roles"]
        identity = {"methods": ["token"], "token": {"id": client.headers["X-Auth-Token"]}}
        again = pair.cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": "unscoped"}})
        assert again.status_code == 403 and "trust-scoped token" in message(again)


def test_only_the_trustee_gets_one(pair: Pair) -> None:
    found = pair.trust()
    for side in (pair.trustor, pair.third):
        assert pair.log_in(found, side).status_code == 403
    assert pair.log_in({"id": "0" * 32}).status_code == 401
    pair.trustor.client.delete(f"{TRUSTS}/{found['id']}")
    assert pair.log_in(found).status_code == 401


def test_21_a_trust_hands_on_its_roles_alone(pair: Pair) -> None:
    """CVE-2020-12690, OSSA-2020-005: the trustor is a manager, the token is a reader's."""
    found = pair.trust(impersonation=True, roles=[{"name": "reader"}])
    with pair.using(found) as client:
        assert {role["name"] for role in me(client)["roles"]} == {"reader"}
        path = f"/v3/users/{pair.trustor.id}"
        assert client.post(f"{path}/credentials/OS-EC2", json={"tenant_id": pair.project}).status_code == 403
        body = {"application_credential": {"name": fresh()}}
        assert client.post(f"{path}/application_credentials", json=body).status_code == 403
        assert client.get(f"{path}/application_credentials").status_code == 403
        assert client.get(f"{path}/access_rules").status_code == 403
        assert client.get("/v3/credentials").json()["credentials"] == []
        credential = {"credential": {"blob": "x", "type": "cert", "user_id": pair.trustor.id}}
        assert client.post("/v3/credentials", json=credential).status_code == 403


@pytest.mark.parametrize(
    "end",
    [
        "role lost",
        "trustor disabled",
        "trustor deleted",
        "trustee disabled",
        "project disabled",
        "project deleted",
        "trust deleted",
        "trustor's password",
    ],
)
def test_21_what_ends_a_token_of_a_trust(end: str, pair: Pair) -> None:
    found = pair.trust(impersonation=True)
    disabled = {"enabled": False}
    changes: dict[str, tuple[str, str, Any]] = {
        "role lost": ("DELETE", pair.grant("manager"), None),
        "trustor disabled": ("PATCH", f"/v3/users/{pair.trustor.id}", {"user": disabled}),
        "trustor deleted": ("DELETE", f"/v3/users/{pair.trustor.id}", None),
        "trustee disabled": ("PATCH", f"/v3/users/{pair.trustee.id}", {"user": disabled}),
        "project disabled": ("PATCH", f"/v3/projects/{pair.project}", {"project": disabled}),
        "project deleted": ("DELETE", f"/v3/projects/{pair.project}", None),
        "trust deleted": ("DELETE", f"{TRUSTS}/{found['id']}", None),
        "trustor's password": ("PATCH", f"/v3/users/{pair.trustor.id}", {"user": {"password": "other"}}),
    }
    with pair.using(found) as client:
        assert client.get("/v3/auth/projects").status_code == 200
        method, path, body = changes[end]
        answer = pair.admin.request(method, path, json=body)
        assert answer.status_code in (200, 204), answer.text
        assert client.get("/v3/auth/projects").status_code == 401
    wanted = {201} if end == "trustor's password" else {401, 403}
    assert pair.log_in(found).status_code in wanted


def test_the_trustor_may_lose_other_roles(pair: Pair) -> None:
    pair.admin.put(pair.grant("member"))
    found = pair.trust()
    with pair.using(found) as client:
        assert pair.admin.delete(pair.grant("manager")).status_code == 204
        assert client.get("/v3/auth/projects").status_code == 200


def test_uses_are_counted(pair: Pair) -> None:
    found = pair.trust(remaining_uses=2)
    one = f"{TRUSTS}/{found['id']}"
    first = pair.log_in(found)
    assert first.status_code == 201
    assert pair.trustor.client.get(one).json()["trust"]["remaining_uses"] == 1
    assert pair.log_in(found, pair.third).status_code == 403, "who may not use it takes no use"
    assert pair.log_in(found).status_code == 201
    assert pair.log_in(found).status_code == 401
    assert pair.trustor.client.get(one).status_code == 404
    with pair.cloud.client(first.headers["x-subject-token"]) as client:
        assert client.get("/v3/auth/projects").status_code == 200, "what was issued lives on"


def test_a_trust_ends_when_it_says(pair: Pair) -> None:
    at = (now_us() // 1_000_000 + 3) * 1_000_000
    found = pair.trust(expires_at=iso(at))
    assert found["expires_at"] == iso(at, micro=True)
    with pair.using(found) as client:
        assert me(client)["expires_at"] <= iso(at, micro=True)
        time.sleep(max(0.0, at / 1e6 - time.time()) + 0.1)
        assert client.get("/v3/auth/projects").status_code == 401
    assert pair.log_in(found).status_code == 401
    assert pair.trustor.client.get(f"{TRUSTS}/{found['id']}").status_code == 404


def test_handing_a_trust_on(pair: Pair) -> None:
    at = now_us() + 600_000_000
    first = pair.trust(impersonation=True, allow_redelegation=True, expires_at=iso(at, micro=True))
    assert first["redelegation_count"] == 3
    with pair.using(first) as client:
        onward = {"trustee_user_id": pair.third.id, "impersonation": True}
        second = pair.trust(client, **onward, allow_redelegation=True)
        assert second["redelegated_trust_id"] == first["id"] and second["redelegation_count"] == 2
        assert second["expires_at"] == first["expires_at"]

        def refused(**fields: Any) -> int:
            return client.post(TRUSTS, json=pair.body(**onward | fields)).status_code

        assert refused(roles=[{"name": "manager"}]) == 403, "never more roles"
        assert refused(expires_at=iso(at + 1_000_000)) == 403, "never longer"
        assert refused(allow_redelegation=True, redelegation_count=3) == 403, "never deeper"
        assert refused(remaining_uses=1) == 403
        assert refused(roles=[{"name": "reader"}]) == 403, "not even what its roles imply: it was not given by name"
    with pair.using(second, pair.third) as client:
        assert me(client)["user"]["id"] == pair.trustor.id and client.get("/v3/auth/projects").status_code == 200
        last = pair.trust(client, trustee_user_id=pair.trustee.id)
        assert last["redelegation_count"] == 0 and last["redelegated_trust_id"] == second["id"]
        with pair.using(last) as end:
            body = pair.body(trustor_user_id=me(end)["user"]["id"])
            assert end.post(TRUSTS, json=body).status_code == 403, "not to be handed on"
            assert pair.trustor.client.delete(f"{TRUSTS}/{first['id']}").status_code == 204
            assert end.get("/v3/auth/projects").status_code == 401
        assert client.get("/v3/auth/projects").status_code == 401
    for trust in (first, second, last):
        assert pair.admin.get(f"{TRUSTS}/{trust['id']}").status_code == 404


def test_a_chain_without_impersonation_stands_on_its_first_trustor(pair: Pair) -> None:
    first = pair.trust(allow_redelegation=True, redelegation_count=1)
    with pair.using(first) as client:
        onward = {"trustor_user_id": pair.trustee.id, "trustee_user_id": pair.third.id}
        assert client.post(TRUSTS, json=pair.body(**onward, impersonation=True)).status_code == 403
        second = pair.trust(client, **onward)
    with pair.using(second, pair.third) as client:
        assert me(client)["user"]["id"] == pair.third.id
        disabled = {"user": {"enabled": False}}
        assert pair.admin.patch(f"/v3/users/{pair.trustee.id}", json=disabled).status_code == 200
        assert client.get("/v3/auth/projects").status_code == 401, "who stands between has gone"
        assert pair.admin.patch(f"/v3/users/{pair.trustee.id}", json={"user": {"enabled": True}}).status_code == 200
    with pair.using(second, pair.third) as client:
        assert pair.admin.delete(pair.grant("manager")).status_code == 204
        assert client.get("/v3/auth/projects").status_code == 401


def test_a_chain_is_not_claimed_in_the_body(pair: Pair) -> None:
    """`redelegated_trust_id` comes from the token alone: it would lend the roles of the other trust's trustor."""
    first = pair.trust(allow_redelegation=True)
    with pair.cloud.client(pair.cloud.token("demo", project="demo")) as client:
        mine = {"trustor_user_id": me(client)["user"]["id"], "redelegated_trust_id": first["id"]}
        answer = client.post(TRUSTS, json=pair.body(**mine))
        assert answer.status_code == 404 and message(answer).startswith("Could not find role: ")


def test_keystoneauth_gets_a_token_of_a_trust(pair: Pair) -> None:
    found = pair.trust(impersonation=True)
    auth = Password(auth_url=f"{pair.cloud.url}/v3", user_id=pair.trustee.id, password=PASSWORD, trust_id=found["id"])
    session = Session(auth=auth)
    assert session.get_project_id() == pair.project and session.get_user_id() == pair.trustor.id
    assert auth.get_access(session).trust_id == found["id"]
