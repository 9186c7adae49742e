"""OAuth 1.0a with its own clients: consumers, the three steps, tokens made by it, and what must not work (case 21)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from keystoneauth1.extras.oauth1.v3 import OAuth1
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from keystoneclient.v3.client import Client
from oauthlib import oauth1
from sqlalchemy import select

from cumulet.db import iso
from cumulet.services.identity.tables import (
    oauth1_access_tokens,
    oauth1_consumers,
    oauth1_nonces,
    oauth1_request_tokens,
)

from .conftest import PASSWORD, Cloud
from .test_nouns import fresh, made, message
from .test_roles import role_id

CONSUMERS = "/v3/OS-OAUTH1/consumers"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Actor:
    """An administrator of a project of its own, who authorizes, with a consumer that asks."""

    cloud: Cloud
    admin: httpx.Client
    user: str
    name: str
    project: str
    consumer: str
    secret: str
    client: httpx.Client

    def signed(self, path: str, headers: dict[str, str] | None = None, **keys: Any) -> dict[str, str]:
        signer = oauth1.Client(
            keys.pop("consumer", self.consumer), client_secret=keys.pop("secret", self.secret), **keys
        )
        return dict(signer.sign(f"{self.cloud.url}{path}", "POST", headers=headers or {})[1])

    def ask(self, project: str | None = None, **keys: Any) -> httpx.Response:
        path = "/v3/OS-OAUTH1/request_token"
        keys = {"callback_uri": "oob", **keys}
        headers = self.signed(path, {"Requested-Project-Id": project or self.project}, **keys)
        return self.cloud.http.post(path, headers=headers)

    def asked(self) -> dict[str, str]:
        answer = self.ask()
        assert answer.status_code == 201 and answer.headers["content-type"].startswith(FORM), answer.text
        return {key: values[0] for key, values in parse_qs(answer.text).items()}

    def authorize(self, token: str, *roles: str, client: httpx.Client | None = None) -> httpx.Response:
        body = {"roles": [{"name": name} for name in roles]}
        return (client or self.client).put(f"/v3/OS-OAUTH1/authorize/{token}", json=body)

    def exchange(self, token: dict[str, str], verifier: str, **keys: Any) -> httpx.Response:
        path = "/v3/OS-OAUTH1/access_token"
        keys = {"resource_owner_secret": token["oauth_token_secret"], **keys}
        headers = self.signed(path, resource_owner_key=token["oauth_token"], verifier=verifier, **keys)
        return self.cloud.http.post(path, headers=headers)

    def access(self, *roles: str) -> dict[str, str]:
        token = self.asked()
        answer = self.authorize(token["oauth_token"], *roles)
        assert answer.status_code == 200, answer.text
        answer = self.exchange(token, answer.json()["token"]["oauth_verifier"])
        assert answer.status_code == 201, answer.text
        return {key: values[0] for key, values in parse_qs(answer.text).items()}

    def headers(self, access: dict[str, str], **keys: Any) -> dict[str, str]:
        owner = {"resource_owner_key": access["oauth_token"], "resource_owner_secret": access["oauth_token_secret"]}
        return self.signed("/v3/auth/tokens", **{**owner, **keys})

    def log_in(self, headers: dict[str, str]) -> httpx.Response:
        body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
        return self.cloud.http.post("/v3/auth/tokens", json=body, headers=headers)


@pytest.fixture
def actor(cloud: Cloud, admin: httpx.Client) -> Iterator[Actor]:
    project = made(admin, "project", name=fresh())
    user = made(admin, "user", name=fresh(), password=PASSWORD)
    admin.put(f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role_id(admin, 'admin')}")
    consumer = admin.post(CONSUMERS, json={"consumer": {"description": "robot"}}).json()["consumer"]
    answer = cloud.login(user["name"], PASSWORD, {"project": {"id": project["id"]}})
    with cloud.client(answer.headers["x-subject-token"]) as client:
        yield Actor(cloud, admin, user["id"], user["name"], project["id"], consumer["id"], consumer["secret"], client)


def test_life_of_a_consumer(cloud: Cloud, admin: httpx.Client) -> None:
    answer = admin.post(CONSUMERS, json={"consumer": {"description": "robot", "colour": "red", "secret": "mine"}})
    assert answer.status_code == 201
    row = answer.json()["consumer"]
    path = f"{CONSUMERS}/{row['id']}"
    assert row["colour"] == "red" and len(row.pop("secret")) == 32 and row["links"]["self"].endswith(path)
    assert admin.get(path).json()["consumer"] == row
    assert row in admin.get(CONSUMERS).json()["consumers"]
    changed = admin.patch(path, json={"consumer": {"description": None, "shape": "round"}}).json()["consumer"]
    assert (changed["description"], changed["colour"], changed["shape"]) == (None, "red", "round")
    assert "secret" not in changed
    for refused in ({}, {"secret": "mine"}, {"id": "other"}, {"description": 5}, {"description": "d" * 256}):
        assert admin.patch(path, json={"consumer": refused}).status_code == 400
    assert admin.delete(path).status_code == 204
    for answer in (admin.get(path), admin.delete(path), admin.patch(path, json={"consumer": {"description": "x"}})):
        assert (answer.status_code, message(answer)) == (404, "Consumer not found")


def test_with_the_clients_of_openstack(cloud: Cloud, actor: Actor) -> None:
    """python-keystoneclient makes the tokens, keystoneauth1 logs in by them."""
    url = f"{cloud.url}/v3"
    project = {"project_id": actor.project}
    auth = Password(url, username=actor.name, password=PASSWORD, user_domain_id="default", **project)  # type: ignore[arg-type]
    session = Session(auth=auth)
    client = Client(session=session)
    consumer = client.oauth1.consumers.create(description="robot")
    request = client.oauth1.request_tokens.create(consumer.id, consumer.secret, actor.project)
    verifier = client.oauth1.request_tokens.authorize(request.key, [role_id(actor.admin, "member")]).oauth_verifier
    access = client.oauth1.access_tokens.create(consumer.id, consumer.secret, request.key, request.secret, verifier)
    robot = Session(auth=OAuth1(url, consumer.id, consumer.secret, access.key, access.secret))
    found = robot.get("/auth/tokens", endpoint_filter={"service_type": "identity", "interface": "public"},
                      headers={"X-Subject-Token": robot.get_token()}).json()["token"]  # fmt: skip
    assert found["user"]["id"] == actor.user and found["project"]["id"] == actor.project
    assert [role["name"] for role in found["roles"]] == ["member"]
    assert found["OS-OAUTH1"] == {"access_token_id": access.key, "consumer_id": consumer.id}
    assert found["methods"] == ["oauth1"]


def test_21_a_token_has_the_authorized_roles_and_no_other(cloud: Cloud, actor: Actor) -> None:
    """CVE-2020-12690, OSSA-2020-005."""
    answer = actor.log_in(actor.headers(actor.access("reader")))
    assert answer.status_code == 201
    assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]
    with cloud.client(answer.headers["x-subject-token"]) as robot:
        assert robot.get("/v3/users").status_code == 403
        body = {"trust": {"trustor_user_id": actor.user, "trustee_user_id": actor.user, "impersonation": False}}
        assert robot.post("/v3/OS-TRUST/trusts", json=body).status_code == 403
        ec2 = robot.post(f"/v3/users/{actor.user}/credentials/OS-EC2", json={"tenant_id": actor.project})
        assert ec2.status_code == 403
        again = {"identity": {"methods": ["token"], "token": {"id": answer.headers["x-subject-token"]}}}
        assert robot.post("/v3/auth/tokens", json={"auth": again}).status_code == 403
    nothing = actor.log_in(actor.headers(actor.access()))
    assert nothing.status_code == 401


def test_a_delegated_administrator_authorizes_nothing_further(cloud: Cloud, actor: Actor) -> None:
    answer = actor.log_in(actor.headers(actor.access("admin")))
    with cloud.client(answer.headers["x-subject-token"]) as robot:
        refused = actor.authorize(actor.asked()["oauth_token"], "admin", client=robot)
        assert (refused.status_code, message(refused)) == (
            403,
            "Cannot authorize a request token with a token issued via delegation.",
        )
        assert robot.get(f"/v3/users/{actor.user}/OS-OAUTH1/access_tokens").status_code == 403


def test_a_token_ends_with_its_role_its_access_token_and_its_consumer(actor: Actor) -> None:
    def token(*roles: str) -> tuple[str, dict[str, str]]:
        access = actor.access(*roles)
        return actor.log_in(actor.headers(access)).headers["x-subject-token"], access

    def good(token: str) -> bool:
        return actor.cloud.http.get("/v3/auth/catalog", headers={"X-Auth-Token": token}).status_code == 200

    first, access = token("admin")
    second, _ = token("member")
    assert good(first) and good(second)
    path = f"/v3/users/{actor.user}/OS-OAUTH1/access_tokens/{access['oauth_token']}"
    assert actor.client.delete(path).status_code == 204
    assert not good(first) and good(second)
    assert actor.log_in(actor.headers(access)).status_code == 404
    assert actor.admin.delete(f"{CONSUMERS}/{actor.consumer}").status_code == 204
    assert not good(second)


def test_a_user_who_loses_the_role_hands_on_nothing(actor: Actor) -> None:
    access = actor.access("admin", "member")
    token = actor.log_in(actor.headers(access)).headers["x-subject-token"]
    path = f"/v3/projects/{actor.project}/users/{actor.user}/roles/"
    actor.admin.put(path + role_id(actor.admin, "reader"))
    actor.admin.delete(path + role_id(actor.admin, "admin"))
    assert actor.cloud.http.get("/v3/auth/catalog", headers={"X-Auth-Token": token}).status_code == 401
    assert actor.log_in(actor.headers(access)).status_code == 401


def test_access_tokens_of_a_user(actor: Actor, demo: httpx.Client) -> None:
    access = actor.access("member", "reader")
    path = f"/v3/users/{actor.user}/OS-OAUTH1/access_tokens"
    rows = actor.client.get(path).json()["access_tokens"]
    assert [row["id"] for row in rows] == [access["oauth_token"]]
    row = rows[0]
    assert (row["consumer_id"], row["authorizing_user_id"]) == (actor.consumer, actor.user)
    assert row["project_id"] == actor.project and row["links"]["roles"].endswith(f"{path}/{row['id']}/roles")
    assert not {"access_secret", "sealed", "role_ids"} & set(row)
    one = f"{path}/{row['id']}"
    assert actor.client.get(one).json()["access_token"] == row
    roles = actor.client.get(f"{one}/roles").json()["roles"]
    assert sorted(role["name"] for role in roles) == ["member", "reader"]
    assert actor.client.get(f"{one}/roles/{roles[0]['id']}").json()["role"]["name"] == roles[0]["name"]
    absent = actor.client.get(f"{one}/roles/{role_id(actor.admin, 'admin')}")
    assert (absent.status_code, message(absent)) == (404, f"Could not find role: {role_id(actor.admin, 'admin')}.")
    other = f"/v3/users/{made(actor.admin, 'user', name=fresh())['id']}/OS-OAUTH1/access_tokens/{row['id']}"
    assert [actor.client.get(other).status_code, actor.client.get(f"{other}/roles").status_code] == [404, 404]
    assert [actor.client.get(f"{other}/roles/x").status_code, actor.client.delete(other).status_code] == [401, 401]
    assert demo.get(path).status_code == 403 and demo.delete(one).status_code == 403
    gone = actor.client.get(f"{path}/{'0' * 32}")
    assert (gone.status_code, message(gone)) == (404, "Access token not found")


def test_what_a_consumer_is_refused(cloud: Cloud, actor: Actor) -> None:
    path = "/v3/OS-OAUTH1/request_token"
    bare = cloud.http.post(path)
    assert (bare.status_code, message(bare)) == (400, "OAuth headers missing")
    assert cloud.http.post(path, headers=actor.signed(path, callback_uri="oob")).status_code == 400  # for no project
    absent = actor.ask("0" * 32)
    assert (absent.status_code, message(absent)) == (404, f"Could not find project: {'0' * 32}.")
    stranger = actor.ask(consumer="0" * 32)
    assert (stranger.status_code, message(stranger)) == (404, "Consumer not found")
    wrong = actor.ask(secret="wrong")
    assert (wrong.status_code, message(wrong)) == (401, "Invalid signature")
    assert actor.ask("0" * 32, secret="wrong").status_code == 401  # who signs badly learns of no project
    plain = actor.ask(signature_method=oauth1.SIGNATURE_PLAINTEXT)
    assert plain.status_code == 400 and "invalid_signature_method" in message(plain)
    assert actor.ask(timestamp="1000000000").status_code == 400
    assert actor.ask(nonce="a nonce, with signs").status_code == 400
    for junk in ("OAuth", "OAuth oauth_consumer_key", 'OAuth oauth_consumer_key="%zz"', "Basic x", 'OAuth a="b",a="c"'):
        assert cloud.http.post(path, headers={"Authorization": junk, "Requested-Project-Id": "x"}).status_code in (
            400,
            404,
        )
    with cloud.db.read() as tx:
        assert tx.rows(select(oauth1_request_tokens).where(oauth1_request_tokens.c.consumer_id == actor.consumer)) == []


def test_a_signature_is_good_once_and_for_one_address(cloud: Cloud, actor: Actor) -> None:
    path = "/v3/OS-OAUTH1/request_token"
    headers = actor.signed(path, {"Requested-Project-Id": actor.project}, callback_uri="oob")
    assert cloud.http.post(f"{path}?more=1", headers=headers).status_code == 401
    assert [cloud.http.post(path, headers=headers).status_code for _ in range(2)] == [201, 401]
    access = actor.headers(actor.access("member"))
    assert [actor.log_in(access).status_code for _ in range(2)] == [201, 401]
    with cloud.db.transaction() as tx:
        tx.update(oauth1_nonces, oauth1_nonces.c.forget_at > 0, forget_at=1)
    actor.asked()
    with cloud.db.read() as tx:
        assert len(tx.rows(select(oauth1_nonces))) == 1  # old ones are forgotten


def test_the_verifier_is_needed_and_good_once(actor: Actor) -> None:
    token = actor.asked()
    early = actor.exchange(token, "aaaaaaaa")
    assert (early.status_code, message(early)) == (401, "Invalid signature")
    assert actor.authorize(token["oauth_token"], "member").status_code == 200
    verifier = actor.authorize(token["oauth_token"], "member").json()["token"]["oauth_verifier"]
    assert len(verifier) == 8
    wrong = "a" * 8 if verifier != "a" * 8 else "b" * 8
    assert actor.exchange(token, wrong).status_code == 401
    assert actor.exchange(token, "too long a one").status_code == 400
    assert actor.exchange(token, verifier, resource_owner_secret="wrong").status_code == 401
    other = actor.admin.post(CONSUMERS, json={"consumer": {}}).json()["consumer"]
    assert actor.exchange(token, verifier, consumer=other["id"], secret=other["secret"]).status_code == 401
    assert [actor.exchange(token, verifier).status_code for _ in range(2)] == [201, 404]


def test_what_cannot_be_authorized(cloud: Cloud, actor: Actor) -> None:
    absent = actor.authorize("0" * 32, "member")
    assert (absent.status_code, message(absent)) == (404, "Request token not found")
    token = actor.asked()["oauth_token"]
    foreign = made(actor.admin, "role", name=fresh())["name"]
    refused = actor.authorize(token, foreign)
    assert (refused.status_code, message(refused)) == (401, "authorizing user does not have role required")
    assert actor.authorize(token, fresh()).status_code in (400, 404)
    for body in ({"roles": [{}]}, {"roles": "member"}, {"roles": [{"id": "a", "name": "b"}]}):
        assert actor.client.put(f"/v3/OS-OAUTH1/authorize/{token}", json=body).status_code == 400
    with cloud.db.transaction() as tx:
        tx.update(oauth1_request_tokens, oauth1_request_tokens.c.id == token, expires_at=tx.now)
    late = actor.authorize(token, "member")
    assert (late.status_code, message(late)) == (401, "Request token is expired")


def test_an_access_token_that_is_over(cloud: Cloud, actor: Actor) -> None:
    access = actor.access("member")
    assert actor.log_in({}).status_code == 400
    assert actor.log_in(actor.headers(access, secret="wrong")).status_code == 401
    assert actor.log_in(actor.headers(access, resource_owner_secret="wrong")).status_code == 401
    other = actor.admin.post(CONSUMERS, json={"consumer": {}}).json()["consumer"]
    assert actor.log_in(actor.headers(access, consumer=other["id"], secret=other["secret"])).status_code == 401
    row = oauth1_access_tokens.c.id == access["oauth_token"]
    with cloud.db.transaction() as tx:
        ends = tx.now + 60_000_000
        tx.update(oauth1_access_tokens, row, expires_at=ends)
    token = actor.log_in(actor.headers(access)).json()["token"]
    assert token["expires_at"] <= iso(ends, micro=True)  # no token outlives what it was made of
    with cloud.db.transaction() as tx:
        tx.update(oauth1_access_tokens, row, expires_at=tx.now)
    late = actor.log_in(actor.headers(access))
    assert (late.status_code, message(late)) == (401, "Access token is expired")


def test_secrets_are_sealed(cloud: Cloud, actor: Actor) -> None:
    token, access = actor.asked(), actor.access("member")
    secrets = (actor.secret, token["oauth_token_secret"], access["oauth_token_secret"])
    with cloud.db.read() as tx:
        for table in (oauth1_consumers, oauth1_request_tokens, oauth1_access_tokens):
            rows = repr(tx.rows(select(table)))
            assert "gAAAA" in rows and not any(secret in rows for secret in secrets)
