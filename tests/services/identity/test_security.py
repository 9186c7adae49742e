"""Cases of past advisories that apply to identity, each tried against a real server."""

from __future__ import annotations

import bcrypt
import httpx
from sqlalchemy import select

from cumulet.services.identity.model import passwords
from cumulet.services.identity.tables import users

from .conftest import Cloud
from .test_nouns import fresh, made, message
from .test_roles import role_id

# Where each case is: tests/regressions/identity/test_identity_attacks.py.


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
        assert cloud.http.get("/v3/users", headers=headers).status_code == 401  # type: ignore[arg-type]


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
        with cloud.db.transaction() as tx:
            hashed = bcrypt.hashpw(secret, bcrypt.gensalt(4)).decode()
            tx.update(users, users.c.id == user["id"], password_hash=hashed)
        assert cloud.login(user["name"], secret.decode()).status_code == 201
        with cloud.db.transaction() as tx:
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
