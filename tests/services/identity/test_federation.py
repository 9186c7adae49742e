"""Logins through a real OpenID Connect provider over real HTTP: who is let in, as whom, and for how long."""

from __future__ import annotations

import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from keystoneauth1 import session
from keystoneauth1.identity.v3 import OidcAccessToken, OidcClientCredentials

from cumulet.services.identity.model import oidc
from cumulet.services.identity.tables import expiring_memberships

from .conftest import Cloud
from .federating import FEDERATION, Trust, declare, rescoped
from .provider import AUDIENCE, Provider, running
from .test_nouns import fresh, made, message
from .test_roles import role_id


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_federated_login(cloud: Cloud, admin: httpx.Client, provider: Provider, algorithm: str) -> None:
    trust = Trust(cloud, admin, provider)
    group = (
        made(admin, "group", name="devs")
        if algorithm == "RS256"
        else admin.get("/v3/groups?name=devs").json()["groups"][0]
    )
    project = made(admin, "project", name=fresh())
    admin.put(f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{role_id(admin, 'member')}")
    answer = trust.login(algorithm=algorithm, groups=["devs", "admins"])
    assert answer.status_code == 201, answer.text
    token, told = answer.headers["x-subject-token"], answer.json()["token"]
    assert told["methods"] == ["openid"] and "project" not in told and "roles" not in told
    assert told["user"]["name"] == "alice" and told["user"]["domain"]["id"] == trust.domain
    assert "password_expires_at" not in told["user"]
    assert told["user"]["OS-FEDERATION"] == {
        "groups": [{"id": group["id"]}],
        "identity_provider": {"id": trust.id},
        "protocol": {"id": "openid"},
    }
    with cloud.client(token) as alice:
        for path in (f"{FEDERATION}/projects", "/v3/auth/projects"):
            assert project["id"] in [each["id"] for each in alice.get(path).json()["projects"]]
        assert alice.get(f"{FEDERATION}/domains").json()["domains"] == []
    scoped = rescoped(cloud, token, {"project": {"id": project["id"]}})
    assert scoped.status_code == 201, scoped.text
    body = scoped.json()["token"]
    assert {role["name"] for role in body["roles"]} == {"member", "reader"}
    assert body["user"]["OS-FEDERATION"]["groups"] == [{"id": group["id"]}] and "catalog" in body
    assert body["expires_at"] == told["expires_at"] and set(body["methods"]) == {"openid", "token"}
    assert rescoped(cloud, token, {"domain": {"id": "default"}}).status_code == 401
    shown = admin.get("/v3/auth/tokens", headers={"X-Subject-Token": scoped.headers["x-subject-token"]})
    assert shown.json() == scoped.json()


def test_who_comes_again_is_the_same_and_may_have_another_name(
    cloud: Cloud, admin: httpx.Client, provider: Provider
) -> None:
    rules = [
        {
            "local": [{"user": {"id": "{0}", "name": "{1}", "email": "{2}"}}],
            "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-preferred_username"}, {"type": "OIDC-email"}],
        }
    ]
    trust = Trust(cloud, admin, provider, rules)
    _, first = trust.token(sub="a b")
    _, again = trust.token(sub="a b", preferred_username="alicia", email="a@b.c")
    _, other = trust.token(sub="other", preferred_username="alicia")
    assert again["user"]["id"] == first["user"]["id"] != other["user"]["id"] and again["user"]["name"] == "alicia"
    user = admin.get(f"/v3/users/{first['user']['id']}").json()["user"]
    assert user["email"] == "a@b.c" and user["name"] == "alicia" and user["enabled"]
    assert user["federated"] == [{"idp_id": trust.id, "protocols": [{"protocol_id": "openid", "unique_id": "a%20b"}]}]
    found = admin.get("/v3/users", params={"idp_id": trust.id, "unique_id": "a%20b"}).json()["users"]
    assert [each["id"] for each in found] == [user["id"]]
    assert len(admin.get("/v3/users", params={"idp_id": trust.id}).json()["users"]) == 2
    assert admin.get("/v3/users", params={"protocol_id": "none"}).json()["users"] == []
    assert len(admin.get("/v3/users", params={"name": "alicia"}).json()["users"]) == 2, "names are not unique here"
    made(admin, "user", name="alicia", domain_id=trust.domain)


def test_keystoneauths_plugins(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    trust = Trust(cloud, admin, provider)
    project = made(admin, "project", name=fresh())
    group = made(admin, "group", name="ops")
    admin.put(f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{role_id(admin, 'reader')}")
    where: dict[str, Any] = {
        "auth_url": f"{cloud.url}/v3",
        "identity_provider": trust.id,
        "protocol": "openid",
        "project_id": project["id"],
    }
    claims = {"preferred_username": "robot", "email": "r@b.t", "groups": ["ops"]}
    provider.extra = claims
    by_token = OidcAccessToken(access_token=provider.token(**claims), **where)  # type: ignore[arg-type]
    by_client = OidcClientCredentials(
        client_id="robot",
        client_secret="secret",
        discovery_endpoint=f"{provider.issuer}/.well-known/openid-configuration",
        **where,
    )
    for plugin in (by_token, by_client):
        opened = session.Session(auth=plugin)
        access = plugin.get_access(opened)
        assert access.project_id == project["id"] and access.role_names == ["reader"] and access.username == "robot"
        answer = opened.get(f"{cloud.url}/v3/auth/projects", authenticated=True)
        assert [each["id"] for each in answer.json()["projects"]] == [project["id"]]


def test_tokens_end_with_their_provider(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    trust = Trust(cloud, admin, provider)
    token, told = trust.token()
    path = f"{FEDERATION}/identity_providers/{trust.id}"
    with cloud.client(token) as alice:
        assert alice.get("/v3/auth/projects").status_code == 200
        admin.patch(path, json={"identity_provider": {"enabled": False}})
        assert alice.get("/v3/auth/projects").status_code == 401
        refused = trust.login()
        assert (refused.status_code, message(refused)) == (403, f"Identity Provider {trust.id} is disabled")
        admin.patch(path, json={"identity_provider": {"enabled": True}})
        assert alice.get("/v3/auth/projects").status_code == 200
        assert admin.delete(path).status_code == 204
        assert alice.get("/v3/auth/projects").status_code == 401
    assert admin.get(f"/v3/users/{told['user']['id']}").status_code == 404, "who came from nowhere else is gone"
    assert trust.login().status_code == 404


def test_a_domain_takes_its_providers_along(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    trust = Trust(cloud, admin, provider)
    trust.token()
    admin.patch(f"/v3/domains/{trust.domain}", json={"domain": {"enabled": False}})
    assert trust.login().status_code == 401
    assert admin.delete(f"/v3/domains/{trust.domain}").status_code == 204
    assert admin.get(f"{FEDERATION}/identity_providers/{trust.id}").status_code == 404


def test_projects_of_a_mapping(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    name = fresh()
    projects = [{"name": f"{name}-{{0}}", "roles": [{"name": "member"}]}, {"name": name, "roles": [{"name": "reader"}]}]
    rules = [{"local": [{"user": {"name": "{0}"}, "projects": projects}], "remote": [{"type": "OIDC-sub"}]}]
    trust = Trust(cloud, admin, provider, rules)
    token, told = trust.token(sub="bob")
    scope = {"project": {"name": f"{name}-bob", "domain": {"id": trust.domain}}}
    assert {role["name"] for role in rescoped(cloud, token, scope).json()["token"]["roles"]} == {"member", "reader"}
    trust.token(sub="bob")
    assert len(admin.get("/v3/projects", params={"domain_id": trust.domain}).json()["projects"]) == 2
    mine = f"/v3/role_assignments?user.id={told['user']['id']}"
    trust.map([{**rules[0], "local": [{"user": {"name": "{0}"}, "projects": projects[1:]}]}])
    trust.token(sub="bob")
    assert len(admin.get(mine).json()["role_assignments"]) == 2, "before version 3.0 roles stay"
    trust.map([{**rules[0], "local": [{"user": {"name": "{0}"}, "projects": projects[1:]}]}], version="3.0")
    trust.token(sub="bob")
    assert len(admin.get(mine).json()["role_assignments"]) == 1
    assert rescoped(cloud, token, scope).status_code == 401
    trust.map(
        [{**rules[0], "local": [{"user": {"name": "{0}"}, "projects": [{"name": "x", "roles": [{"name": "?"}]}]}]}]
    )
    refused = trust.login(sub="carol")
    assert (refused.status_code, message(refused)) == (401, "Could not find role: ?.")
    assert admin.get("/v3/users", params={"name": "carol"}).json()["users"] == [], "who is refused leaves nothing"


def test_a_mapping_to_a_local_user(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    user = made(admin, "user", name=fresh())
    local = {"user": {"name": "{0}", "type": "local", "domain": {"name": "Default"}}}
    trust = Trust(cloud, admin, provider, [{"local": [local], "remote": [{"type": "OIDC-sub"}]}])
    _, told = trust.token(sub=user["name"])
    assert told["user"]["id"] == user["id"] and "OS-FEDERATION" not in told["user"]
    assert trust.login(sub="nobody").status_code == 401
    admin.patch(f"/v3/users/{user['id']}", json={"user": {"enabled": False}})
    assert trust.login(sub=user["name"]).status_code == 401


def test_memberships_that_outlive_the_token(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    group = made(admin, "group", name=fresh())
    project = made(admin, "project", name=fresh())
    admin.put(f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{role_id(admin, 'reader')}")
    remote = [{"type": "OIDC-sub"}, {"type": "OIDC-groups"}]
    rules = [{"local": [{"user": {"name": "{0}"}, "groups": "{1}", "domain": {"id": "default"}}], "remote": remote}]
    trust = Trust(cloud, admin, provider, rules, authorization_ttl=10)
    _, told = trust.token(sub="dave", groups=[group["name"]])
    user = f"/v3/users/{told['user']['id']}"

    def groups() -> list[str]:
        return [each["id"] for each in admin.get(f"{user}/groups").json()["groups"]]

    assert groups() == [group["id"]]
    assert [each["id"] for each in admin.get(f"{user}/projects").json()["projects"]] == [project["id"]]
    members = admin.get(f"/v3/groups/{group['id']}/users").json()["users"]
    assert [each["id"] for each in members] == [told["user"]["id"]]
    with cloud.db.transaction() as tx:
        tx.update(expiring_memberships, expiring_memberships.c.group_id == group["id"], expires_at=tx.now - 1)
    assert groups() == [] and admin.get(f"{user}/projects").json()["projects"] == []
    trust.token(sub="dave", groups=[group["name"]])
    assert groups() == [group["id"]]
    trust.login(sub="dave", groups=["something"])
    assert groups() == [], "the newest word counts"
    trust.token(sub="dave", groups=[group["name"]])
    path = f"{FEDERATION}/identity_providers/{trust.id}"
    admin.patch(path, json={"identity_provider": {"authorization_ttl": 0}})
    assert groups() == []


def test_users_with_federated_objects(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    trust = Trust(cloud, admin, provider)
    objects = [{"idp_id": trust.id, "protocols": [{"protocol_id": "openid", "unique_id": "alice"}]}]
    user = made(admin, "user", name=fresh(), federated=objects)
    assert user["federated"] == objects
    assert admin.get(f"/v3/users/{user['id']}").json()["user"]["federated"] == objects
    _, told = trust.token()
    assert told["user"]["id"] == user["id"] and told["user"]["name"] == user["name"], "a local user keeps its name"
    taken = admin.post("/v3/users", json={"user": {"name": fresh(), "federated": objects}})
    assert taken.status_code == 409
    for field, value in (("idp_id", "nobody"), ("protocols", [{"protocol_id": "none", "unique_id": "x"}])):
        bad = admin.post("/v3/users", json={"user": {"name": fresh(), "federated": [{**objects[0], field: value}]}})
        assert bad.status_code == 400 and "Could not find" in message(bad)
    bad = admin.post("/v3/users", json={"user": {"name": fresh(), "federated": [{"idp_id": trust.id}]}})
    assert bad.status_code == 400
    other = [{"idp_id": trust.id, "protocols": [{"protocol_id": "openid", "unique_id": "else"}]}]
    changed = admin.patch(f"/v3/users/{user['id']}", json={"user": {"federated": other}})
    assert changed.json()["user"]["federated"] == other
    assert (
        admin.patch(f"/v3/users/{user['id']}", json={"user": {"description": "d"}}).json()["user"]["federated"] == other
    )
    _, told = trust.token()
    assert told["user"]["id"] != user["id"]
    assert "federated" not in made(admin, "user", name=fresh())


def test_the_provider_must_call_itself_by_one_of_its_ids(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    trust = Trust(cloud, admin, provider, remote_ids=["https://somebody.else"])
    refused = trust.login()
    assert refused.status_code == 403 and "not included among the accepted identifiers" in message(refused)
    body = {"identity_provider": {"remote_ids": [provider.issuer]}}
    assert admin.patch(f"{FEDERATION}/identity_providers/{trust.id}", json=body).status_code == 200
    assert trust.login().status_code == 201
    admin.patch(f"{FEDERATION}/identity_providers/{trust.id}", json={"identity_provider": {"remote_ids": []}})


def test_forged_tokens_of_the_provider(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    """No algorithm, the public key as a secret, another key, other times, another audience or issuer."""
    trust = Trust(cloud, admin, provider)
    now = int(time.time())
    told = {
        "iss": provider.issuer,
        "aud": AUDIENCE,
        "sub": "eve",
        "exp": now + 300,
        "preferred_username": "eve",
        "email": "e",
    }
    pem = provider.rsa.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with running() as evil:
        forged = {
            "no algorithm": jwt.encode(told, None, "none", headers={"kid": "r1"}),  # type: ignore[arg-type]
            "public key as secret": _hs256(told, pem),
            "another key": evil.token(**told),  # type: ignore[arg-type]
            "unknown key": jwt.encode(told, evil.rsa, "RS256", headers={"kid": "zz"}),
            "key of its own": jwt.encode(told, evil.rsa, "RS256", headers={"kid": "r1", "jku": f"{evil.issuer}/keys"}),
            "not pinned": provider.token("RS384"),
            "expired": provider.token(exp=now - 60),
            "not yet": provider.token(nbf=now + 3600),
            "no end": provider.token(exp=None),
            "audience": provider.token(aud="somebody"),
            "no audience": provider.token(aud=None),
            "issuer": provider.token(iss=evil.issuer),
            "cut": provider.token()[:-5],
            "nonsense": "a.b.c",
            "long": "a" * 20_000,
        }
        before = admin.get("/v3/users").json()["users"]
        for name, token in forged.items():
            answer = cloud.http.post(trust.auth, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401, (name, answer.text)
            assert message(answer) == oidc.REFUSED
        assert evil.requests == {}, "no key is fetched from where a token says"
    assert admin.get("/v3/users").json()["users"] == before
    for header in ({}, {"Authorization": "Basic YTpi"}, {"X-Auth-Token": provider.token()}):
        assert cloud.http.post(trust.auth, headers=header).status_code == 401
    assert trust.login().status_code == 201


def _hs256(claims: dict[str, Any], secret: bytes) -> str:
    """By hand: the library refuses to sign with a key that looks like a public one."""
    import base64
    import hashlib
    import hmac
    import json

    def part(raw: bytes) -> bytes:
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "kid": "r1"}).encode()) + b"." + part(json.dumps(claims).encode())
    return (head + b"." + part(hmac.new(secret, head, hashlib.sha256).digest())).decode()


def test_keys_are_kept_and_a_new_one_is_found(cloud: Cloud, admin: httpx.Client) -> None:
    with running() as provider:
        trust = Trust(cloud, admin, provider)
        for _ in range(5):
            trust.token()
        assert provider.requests["/keys"] == 1
    gone = Trust(cloud, admin, provider)
    answer = gone.login()
    assert answer.status_code == 503 and "cannot be read now" in message(answer)


def test_what_is_not_configured_says_so(cloud: Cloud, admin: httpx.Client, provider: Provider) -> None:
    trust = Trust(cloud, admin, provider)
    declare(cloud, {trust.id: {}})
    answer = trust.login()
    assert answer.status_code == 401 and "not configured for OpenID Connect" in message(answer)
    for verb, path in (
        ("GET", f"{FEDERATION}/saml2/metadata"),
        ("POST", "/v3/auth/OS-FEDERATION/saml2"),
        ("POST", "/v3/auth/OS-FEDERATION/saml2/ecp"),
        ("GET", "/v3/auth/OS-FEDERATION/websso/openid?origin=http://evil"),
        ("POST", "/v3/auth/OS-FEDERATION/websso/openid?origin=http://evil"),
        ("GET", f"/v3/auth/OS-FEDERATION/identity_providers/{trust.id}/protocols/openid/websso?origin=http://evil"),
        ("POST", f"/v3/auth/OS-FEDERATION/identity_providers/{trust.id}/protocols/openid/websso?origin=http://evil"),
    ):
        answer = cloud.http.request(verb, path)
        assert answer.status_code == 404 and "not configured" in message(answer)
    assert cloud.http.get(f"{FEDERATION}/identity_providers/nobody/protocols/openid/auth").status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "a: 1",
        "a: {b: {}}",
        "a: {b: {issuer: 'http://far.away', audience: x}}",
        "a: {b: {issuer: 'https://x', audience: []}}",
        "a: {b: {issuer: 'https://x', audience: x, algorithms: [HS256]}}",
        "a: {b: {issuer: 'https://x', audience: x, algorithms: [none]}}",
        "a: {b: {issuer: 'https://x', audience: x, jwks_url: 'file:///etc/passwd'}}",
        "a: {b: {issuer: 'https://x', audience: x, secret: y}}",
    ],
)
def test_a_faulty_declaration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        oidc.parsed(text)


def test_claims_become_attributes() -> None:
    claims = {
        "iss": "i",
        "ISS": "evil",
        "groups": ["a", "b;c"],
        "n": 1,
        "yes": True,
        "o": {"a": 1},
        "sub": "s",
        "no": None,
    }
    found = oidc.assertion(claims)
    assert found["HTTP_OIDC_ISS"] == ["i"] and found["OIDC-ISS"] == ["evil"]
    assert found["OIDC-groups"] == ["a", "b;c"] and found["OIDC-n"] == ["1"] and found["OIDC-yes"] == ["1"]
    assert found["OIDC-o"] == ['{"a": 1}'] and found["REMOTE_USER"] == ["s"] and "OIDC-no" not in found
