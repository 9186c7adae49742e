"""Cases of past advisories that apply to identity, each tried against a real server."""

from __future__ import annotations

import re
from typing import Any

import bcrypt
import httpx
import pytest
from sqlalchemy import select

from cumulet.services.identity.model import passwords
from cumulet.services.identity.service import load
from cumulet.services.identity.tables import users

from .conftest import Cloud
from .test_nouns import fresh, made, message
from .test_roles import role_id

# Where each case is: tests/regressions/test_identity_attacks.py.


def test_26_forged_headers_are_ignored(cloud: Cloud, demo: httpx.Client) -> None:
    """CVE-2026-22797, OSSA-2026-001."""
    forged = {
        "X-Roles": "admin",
        "X-Role": "admin",
        "X-User-Id": "admin",
        "X-Is-Admin-Project": "True",
        "X-Identity-Status": "Confirmed",
        "X-Project-Id": "admin",
        "OpenStack-System-Scope": "all",
        "X-Forwarded-For": "127.0.0.1",
    }
    refused = demo.get("/v3/users", headers=forged)
    assert refused.status_code == 403
    assert message(refused) == "You are not authorized to perform the requested action: identity:list_users."
    assert cloud.http.get("/v3/users", headers=forged).status_code == 401


def test_22_the_chain_of_audit_ids_survives_rescoping(cloud: Cloud) -> None:
    """OSSA-2016-008."""
    token = cloud.token(project=None)
    first = None
    for _ in range(3):
        identity = {"methods": ["token"], "token": {"id": token}}
        answer = cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": "unscoped"}})
        token, ids = answer.headers["x-subject-token"], answer.json()["token"]["audit_ids"]
        assert len(ids) == 2 and first in (None, ids[1])
        first = ids[1]


def test_22_a_mutated_token_is_refused(cloud: Cloud) -> None:
    """OSSA-2016-005."""
    token = cloud.token()
    for spelling in (token[:-2], "A" + token[1:], token[:40] + "AAAA" + token[44:], "gAAAA", "", "\xe9", "x" * 9000):
        headers = {"X-Auth-Token": spelling.encode("latin-1")}
        assert cloud.http.get("/v3/users", headers=headers).status_code == 401


def test_24_an_id_is_no_oracle_either(cloud: Cloud, admin: httpx.Client, demo: httpx.Client) -> None:
    there, absent = made(admin, "user", name=fresh())["id"], "0" * 32
    answers = [demo.get(f"/v3/users/{user_id}") for user_id in (there, absent)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].content == answers[1].content
    body = {"user": {"password": "x", "original_password": "y"}}
    changes = [cloud.http.post(f"/v3/users/{user_id}/password", json=body) for user_id in (there, absent)]
    assert changes[0].status_code == 401 and changes[0].content == changes[1].content


def test_28_a_manager_of_one_domain_is_nobody_in_another(cloud: Cloud, admin: httpx.Client) -> None:
    """CVE-2025-47713 of another cloud."""
    domain = made(admin, "domain", name=fresh())
    manager = made(admin, "user", name=fresh(), password="pw", domain_id=domain["id"])
    admin.put(f"/v3/domains/{domain['id']}/users/{manager['id']}/roles/{role_id(admin, 'manager')}")
    token = cloud.login(manager["name"], "pw", {"domain": {"id": domain["id"]}}, domain=domain["id"])
    root = admin.get("/v3/users", params={"name": "admin"}).json()["users"][0]
    with cloud.client(token.headers["x-subject-token"]) as mine:
        own = made(mine, "user", name=fresh(), domain_id=domain["id"])
        assert mine.patch(f"/v3/users/{own['id']}", json={"user": {"password": "new"}}).status_code == 200
        assert mine.patch(f"/v3/users/{root['id']}", json={"user": {"password": "mine"}}).status_code == 403
        assert mine.delete(f"/v3/users/{root['id']}").status_code == 403
        outside = {"user": {"name": fresh(), "domain_id": "default"}}
        assert mine.post("/v3/users", json=outside).status_code == 403
        assert {user["domain_id"] for user in mine.get("/v3/users").json()["users"]} == {domain["id"]}
        assert mine.get("/v3/users", params={"domain_id": "default"}).json()["users"] == []
        path = f"/v3/domains/{domain['id']}/users/{manager['id']}/roles"
        assert mine.put(f"{path}/{role_id(admin, 'member')}").status_code == 204
        assert mine.put(f"{path}/{role_id(admin, 'admin')}").status_code == 403
        assert mine.patch(f"/v3/projects/{domain['id']}", json={"project": {"name": "mine"}}).status_code == 403
        assert mine.patch("/v3/projects/default", json={"project": {"name": "mine"}}).status_code == 403


def test_29_long_passwords_neither_fail_nor_collide(cloud: Cloud, admin: httpx.Client) -> None:
    """bcrypt looks at 72 bytes."""
    long = "p" * 72
    user = made(admin, "user", name=fresh(), password=long + "one")
    assert cloud.login(user["name"], long + "one").status_code == 201
    assert cloud.login(user["name"], long + "two").status_code == 401
    assert cloud.login(user["name"], long).status_code == 401
    assert cloud.login(user["name"], "p" * 100_000).status_code == 401
    assert cloud.login(user["name"], "a\0b").status_code == 400  # no text of a request has a NUL
    too_long = admin.post("/v3/users", json={"user": {"name": fresh(), "password": "p" * 4097}})
    assert too_long.status_code == 403 and "must be less than or equal to 4096" in message(too_long)


def test_29_bcrypt_hashes_of_elsewhere_work_and_do_not_collide(cloud: Cloud, admin: httpx.Client) -> None:
    user = made(admin, "user", name=fresh())
    for secret in (b"short", b"p" * 72):
        with cloud.store.transaction() as tx:
            hashed = bcrypt.hashpw(secret, bcrypt.gensalt(4)).decode()
            tx.update(users, users.c.id == user["id"], password_hash=hashed)
        assert cloud.login(user["name"], secret.decode()).status_code == 201
        with cloud.store.transaction() as tx:
            assert tx.scalar(select(users.c.password_hash).where(users.c.id == user["id"])).startswith("$argon2id$")
            tx.update(users, users.c.id == user["id"], password_hash=hashed)
        assert cloud.login(user["name"], "p" * 73).status_code == 401
        assert cloud.login(user["name"], "other").status_code == 401


def test_hashes_are_argon2id_and_never_shown(cloud: Cloud, admin: httpx.Client) -> None:
    assert passwords.digest("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    answer = admin.post("/v3/users", json={"user": {"name": fresh(), "password": "tell nobody"}})
    assert "argon2" not in answer.text and "tell nobody" not in answer.text
    assert "password" not in {key for key in answer.json()["user"] if key != "password_expires_at"}


def test_rules_of_several_factors_fail_closed(cloud: Cloud, admin: httpx.Client) -> None:
    user = made(admin, "user", name=fresh(), password="pw", options={"multi_factor_auth_rules": [["password", "totp"]]})
    assert cloud.login(user["name"], "pw").status_code == 401
    path = f"/v3/users/{user['id']}"
    admin.patch(path, json={"user": {"options": {"multi_factor_auth_rules": None}}})
    assert cloud.login(user["name"], "pw").status_code == 201


OPEN = {("GET", "/"), ("GET", "/v3"), ("POST", "/v3/auth/tokens"), ("POST", "/v3/users/{user_id}/password")}
OPEN |= {("GET", "/v3/auth/tokens/OS-PKI/revoked"), ("GET", "/v2.0"), ("POST", "/v2.0/tokens")}
OPEN |= {("POST", "/v3/OS-OAUTH1/request_token"), ("POST", "/v3/OS-OAUTH1/access_token")}
_LOGIN = re.compile(r"^/v3/(auth/)?OS-FEDERATION/(.*/auth$|.*websso|saml2)")
"""Where federated users log in, and what tells that SAML is not configured."""
ANYBODY = {
    "/v3/auth/tokens",  # about one's own token
    "/v3/auth/catalog",
    "/v3/auth/projects",
    "/v3/auth/domains",
    "/v3/auth/system",
    "/v3/regions",
    "/v3/regions/{region_id}",
    "/v3/registered_limits",
    "/v3/registered_limits/{registered_limit_id}",
    "/v3/limits",  # one's own
    "/v3/limits/model",
    "/v3/credentials",  # one's own
    "/v3/OS-FEDERATION/projects",
    "/v3/OS-FEDERATION/domains",
    "/v2.0/tenants",
}
_NOT_THERE = re.compile(r"^/v3/users/.*/OS-EC2/.|^/v3/OS-TRUST/trusts/.")  # Keystone looks before it asks whose
_LIMIT = {"service_id": "f", "resource_name": "n"}
_RULE = {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "sub"}]}
BODIES: dict[str, Any] = {
    "/v3/ec2tokens": {"credentials": {}},
    "/v3/s3tokens": {"credentials": {}},
    "/v3/domains/{domain_id}/config": {"config": {"identity": {"driver": "sql"}}},
    "/v3/domains/{domain_id}/config/{group}": {"config": {"identity": {"driver": "sql"}}},
    "/v3/domains/{domain_id}/config/{group}/{option}": {"config": {"driver": "sql"}},
    "/v3/policies": {"policy": {"type": "t", "blob": "b"}},
    "/v3/policies/{policy_id}": {"policy": {"blob": "b"}},
    "/v3/OS-EP-FILTER/endpoint_groups": {"endpoint_group": {"name": "n", "filters": {"interface": "public"}}},
    "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}": {"endpoint_group": {"name": "n"}},
    "/v3/OS-OAUTH1/consumers": {"consumer": {}},
    "/v3/OS-OAUTH1/consumers/{consumer_id}": {"consumer": {"description": "d"}},
    "/v3/OS-OAUTH1/authorize/{request_token_id}": {"roles": []},
    "/v3/projects/{project_id}/tags": {"tags": ["n"]},
    "/v3/registered_limits": {"registered_limits": [{**_LIMIT, "default_limit": 1}]},
    "/v3/registered_limits/{registered_limit_id}": {"registered_limit": {}},
    "/v3/limits": {"limits": [{**_LIMIT, "resource_limit": 1, "project_id": "f"}]},
    "/v3/limits/{limit_id}": {"limit": {}},
    "/v3/credentials": {"credential": {"type": "cert", "blob": "b", "user_id": "f"}},
    "/v3/credentials/{credential_id}": {"credential": {"blob": "b"}},
    "/v3/users/{user_id}/credentials/OS-EC2": {"tenant_id": "f"},
    "/v3/users/{user_id}/application_credentials": {"application_credential": {"name": "n"}},
    "/v3/OS-FEDERATION/identity_providers/{idp_id}": {"identity_provider": {}},
    "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}": {"protocol": {"mapping_id": "f"}},
    "/v3/OS-TRUST/trusts": {"trust": {"trustor_user_id": "f", "trustee_user_id": "e", "impersonation": False}},
    "/v3/OS-FEDERATION/mappings/{mapping_id}": {"mapping": {"rules": [_RULE]}},
    "/v3/OS-FEDERATION/service_providers/{provider_id}": {
        "service_provider": {"auth_url": "http://a", "sp_url": "http://a"}
    },
}


@pytest.fixture(scope="module")
def others(cloud: Cloud) -> dict[str, str]:
    """Rows of another domain, by the name that paths give them."""
    with cloud.client(cloud.token()) as admin:
        domain = made(admin, "domain", name=fresh())["id"]
        nouns = {"user": {}, "group": {}, "project": {}, "role": {}}
        rows = {noun: made(admin, noun, name=fresh(), domain_id=domain)["id"] for noun in nouns}
        roles = {name: made(admin, "role", name=fresh())["id"] for name in ("prior_role", "implied_role")}
        service = made(admin, "service", type="x", name=fresh())["id"]
        endpoint = made(admin, "endpoint", interface="public", service_id=service, url="http://a")["id"]
    found = {**rows, **roles, "domain": domain, "service": service, "endpoint": endpoint, "region": "RegionOne"}
    return {f"{noun}_id": identifier for noun, identifier in found.items()}


@pytest.mark.parametrize("operation", load().operations, ids=lambda op: f"{op.method} {op.path}")
def test_50_every_route_is_closed_to_nobody_and_to_a_member(
    operation: Any, cloud: Cloud, demo: httpx.Client, others: dict[str, str]
) -> None:
    """CVE-2026-40213/-40214, OSSA-2026-011: a row that is not the member's own is neither shown nor changed."""
    path = operation.path
    path = re.sub(r"\{(\w+)\}", lambda match: others.get(match[1], "f" * 32), path)
    noun = operation.path.split("/")[2].rstrip("s") if operation.path.count("/") > 1 else ""
    fields = {"name": "n", "type": "t", "interface": "public", "service_id": "f", "url": "http://a", "id": "RegionOne"}
    body = BODIES.get(operation.path, {noun: fields}) if operation.request else None
    if (operation.method, operation.path) in OPEN or _LOGIN.search(operation.path):
        assert not operation.auth
        return
    assert operation.auth and (operation.policy or operation.policy_in_handler)
    assert cloud.http.request(operation.method, path, json=body).status_code == 401
    answer = demo.request(operation.method, path, json=body)
    if operation.method == "GET" and operation.path in ANYBODY:
        assert answer.status_code in (200, 403, 404)
    elif operation.path == "/v3/auth/tokens" or _NOT_THERE.search(operation.path):
        assert answer.status_code == 404
    else:
        assert answer.status_code == 403, answer.text
