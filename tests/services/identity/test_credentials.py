"""Credentials and EC2 credentials: their life, their faults, and that nobody reaches another's (cases 18, 20, 23)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cumulet.services.identity.model import vault as vaults
from cumulet.services.identity.tables import credentials

from .conftest import PASSWORD, Cloud, on_project
from .test_nouns import fresh, made, message
from .test_roles import role_id


def me(client: httpx.Client) -> dict[str, Any]:
    """The token of a client, as it is described."""
    token = client.headers["X-Auth-Token"]
    answer = client.get("/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["token"])


def ec2_blob(**more: Any) -> str:
    return json.dumps({"access": fresh("access"), "secret": fresh("secret"), **more})


def test_life_of_a_credential(admin: httpx.Client, demo: httpx.Client) -> None:
    user = me(demo)["user"]["id"]
    made_one = made(demo, "credential", blob="a certificate", type="cert", user_id=user, colour="plum")
    assert made_one["blob"] == "a certificate" and made_one["project_id"] is None and made_one["colour"] == "plum"
    path = f"/v3/credentials/{made_one['id']}"
    assert made_one["links"]["self"].endswith(path)
    assert demo.get(path).json()["credential"] == made_one and admin.get(path).json()["credential"] == made_one
    changed = demo.patch(path, json={"credential": {"blob": "another", "type": "cert", "user_id": user}})
    assert changed.status_code == 200 and changed.json()["credential"] == made_one | {"blob": "another"}
    listed = demo.get("/v3/credentials", params={"type": "cert", "user_id": user}).json()
    assert [each["id"] for each in listed["credentials"]] == [made_one["id"]] and "next" in listed["links"]
    assert demo.get("/v3/credentials", params={"type": "ec2"}).json()["credentials"] == []
    assert demo.delete(path).status_code == 204
    gone = admin.get(path)
    assert gone.status_code == 404 and message(gone) == f"Could not find credential: {made_one['id']}."
    assert admin.patch(path, json={"credential": {"blob": "x"}}).status_code == 404
    assert admin.delete(path).status_code == 404
    assert demo.get(path).status_code == 403, "who may not see it is not told that it is gone"


def test_an_ec2_credential_has_the_hash_of_its_access_key_for_an_id(demo: httpx.Client) -> None:
    told = me(demo)
    fields = {"type": "ec2", "user_id": told["user"]["id"], "project_id": told["project"]["id"]}
    blob = ec2_blob()
    found = made(demo, "credential", blob=blob, **fields)
    assert found["id"] == hashlib.sha256(json.loads(blob)["access"].encode()).hexdigest()
    again = demo.post("/v3/credentials", json={"credential": {"blob": blob, **fields}})
    assert again.status_code == 409 and message(again).startswith("Conflict occurred attempting to store credential")
    changed = demo.patch(f"/v3/credentials/{found['id']}", json={"credential": {"blob": ec2_blob()}})
    assert changed.status_code == 200 and changed.json()["credential"]["id"] == found["id"]


@pytest.mark.parametrize(
    "blob", ["", "{", "[]", "{}", "null", "7", '{"secret": "x"}', '{"access": 7}', '{"access": ""}']
)
def test_a_blob_of_ec2_that_cannot_work_is_refused(blob: str, demo: httpx.Client) -> None:
    told = me(demo)
    fields = {"type": "ec2", "user_id": told["user"]["id"], "project_id": told["project"]["id"]}
    answer = demo.post("/v3/credentials", json={"credential": {"blob": blob, **fields}})
    assert answer.status_code == 400, answer.text
    good = made(demo, "credential", blob=ec2_blob(), **fields)
    assert demo.patch(f"/v3/credentials/{good['id']}", json={"credential": {"blob": blob}}).status_code == 400
    assert demo.delete(f"/v3/credentials/{good['id']}").status_code == 204


def test_what_does_not_fit(demo: httpx.Client) -> None:
    user = me(demo)["user"]["id"]

    def refused(**fields: Any) -> str:
        answer = demo.post("/v3/credentials", json={"credential": fields})
        assert answer.status_code == 400, answer.text
        return message(answer)

    assert refused(type="cert", user_id=user) == "'blob' is a required property"
    assert refused(blob="x", user_id=user) == "'type' is a required property"
    assert refused(blob={"a": 1}, type="cert", user_id=user).endswith("is not of type 'string'")
    assert "project_id" in refused(blob=ec2_blob(), type="ec2", user_id=user)
    assert refused(blob="no base 32!", type="totp", user_id=user) == "Invalid blob in credential"
    assert refused(blob="x", type="t" * 256, user_id=user).endswith("is too long")
    assert made(demo, "credential", blob="GEZDGNBVGY3TQOJQ", type="totp", user_id=user)["type"] == "totp"
    assert demo.post("/v3/credentials", content=b"{").status_code == 400


def test_18_a_credential_stays_whose_and_what_it_is(admin: httpx.Client, demo: httpx.Client) -> None:
    """CVE-2020-12691, OSSA-2020-004: an updated user or project would be a masquerade."""
    told = me(demo)
    fields = {"type": "ec2", "user_id": told["user"]["id"], "project_id": told["project"]["id"]}
    blob = ec2_blob()
    found = made(demo, "credential", blob=blob, **fields)
    other = me(admin)
    for name, value in {
        "user_id": other["user"]["id"],
        "project_id": other["project"]["id"],
        "type": "cert",
        "id": "f" * 64,
    }.items():
        for client in (demo, admin):
            answer = client.patch(f"/v3/credentials/{found['id']}", json={"credential": {"blob": blob, name: value}})
            assert answer.status_code == 400 and message(answer) == f"{name} can not be updated for credential"
    for bound in ("trust_id", "app_cred_id", "access_token_id"):
        new = json.dumps(json.loads(blob) | {bound: "x"})
        answer = demo.patch(f"/v3/credentials/{found['id']}", json={"credential": {"blob": new}})
        assert answer.status_code == 400 and message(answer) == f"{bound} can not be updated for credential"
    unknown = demo.patch(f"/v3/credentials/{found['id']}", json={"credential": {"blob": blob, "colour": "red"}})
    assert unknown.status_code == 400 and "'colour' was unexpected" in message(unknown)
    assert demo.get(f"/v3/credentials/{found['id']}").json()["credential"] == found


def test_23_nobody_sees_or_touches_the_secrets_of_others(cloud: Cloud, admin: httpx.Client, demo: httpx.Client) -> None:
    """CVE-2019-19687, OSSA-2019-006: the list had everybody's, TOTP secrets among them."""
    theirs = made(admin, "credential", blob="GEZDGNBVGY3TQOJQ", type="totp", user_id=me(admin)["user"]["id"])
    user = made(admin, "user", name=fresh(), password=PASSWORD)
    demo_project = me(demo)["project"]["id"]
    admin.put(f"/v3/projects/{demo_project}/users/{user['id']}/roles/{role_id(admin, 'reader')}")
    for name in ("demo", user["name"]):
        with cloud.client(cloud.token(name, project="demo")) as client:
            mine = made(client, "credential", blob="own", type="cert", user_id=me(client)["user"]["id"])
            listed = client.get("/v3/credentials").json()["credentials"]
            assert {each["user_id"] for each in listed} == {mine["user_id"]}
            filtered = client.get("/v3/credentials", params={"user_id": theirs["user_id"]})
            assert filtered.status_code == 200 and filtered.json()["credentials"] == []
            path = f"/v3/credentials/{theirs['id']}"
            assert client.get(path).status_code == 403 and client.delete(path).status_code == 403
            assert client.patch(path, json={"credential": {"blob": "x"}}).status_code == 403
            body = {"credential": {"blob": "x", "type": "cert", "user_id": theirs["user_id"]}}
            assert client.post("/v3/credentials", json=body).status_code == 403
    assert theirs["id"] in [each["id"] for each in admin.get("/v3/credentials").json()["credentials"]]
    assert cloud.http.get(f"/v3/credentials/{theirs['id']}").status_code == 401


def test_readers_of_the_system_see_all_and_change_nothing(
    cloud: Cloud, admin: httpx.Client, demo: httpx.Client
) -> None:
    found = made(demo, "credential", blob="x", type="cert", user_id=me(demo)["user"]["id"])
    auditor = made(admin, "user", name=fresh(), password="pw")
    admin.put(f"/v3/system/users/{auditor['id']}/roles/{role_id(admin, 'reader')}")
    token = cloud.login(auditor["name"], "pw", {"system": {"all": True}}).headers["x-subject-token"]
    with cloud.client(token) as client:
        assert found["id"] in [each["id"] for each in client.get("/v3/credentials").json()["credentials"]]
        path = f"/v3/credentials/{found['id']}"
        assert client.get(path).status_code == 200 and client.delete(path).status_code == 403
        assert client.patch(path, json={"credential": {"blob": "y"}}).status_code == 403


def test_blobs_are_sealed_at_rest_and_survive_rotation(cloud: Cloud, demo: httpx.Client) -> None:
    user = me(demo)["user"]["id"]
    found = made(demo, "credential", blob="plain to see", type="cert", user_id=user)

    def stored() -> Any:
        with cloud.db.read() as tx:
            return tx.row(select(credentials).where(credentials.c.id == found["id"]))

    assert "plain" not in stored().sealed
    if isinstance(cloud.db.where, Path):
        assert b"plain to see" not in cloud.db.where.read_bytes()
    before = stored()
    assert cloud.context.vault.rotate(cloud.db) >= 1
    after = stored()
    assert after.key_hash != before.key_hash and after.sealed != before.sealed
    for _ in range(4):
        cloud.context.vault.rotate(cloud.db)
    assert demo.get(f"/v3/credentials/{found['id']}").json()["credential"]["blob"] == "plain to see"
    files = sorted(path.name for path in (cloud.secrets / vaults.FOLDER).iterdir())
    assert len(files) == 3 and "0" in files
    with cloud.db.transaction() as tx:
        assert cloud.context.vault.migrate(tx) == 0


def test_keys_of_credentials_are_not_those_of_tokens(cloud: Cloud) -> None:
    folders = [
        {path.read_bytes() for path in (cloud.secrets / name).iterdir()} for name in ("fernet-keys", vaults.FOLDER)
    ]
    assert not folders[0] & folders[1]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (cloud.secrets / vaults.FOLDER).iterdir())


def test_life_of_an_ec2_credential(admin: httpx.Client, demo: httpx.Client) -> None:
    told = me(demo)
    user, project = told["user"]["id"], told["project"]["id"]
    path = f"/v3/users/{user}/credentials/OS-EC2"
    answer = demo.post(path, json={"tenant_id": project})
    assert answer.status_code == 201
    found = answer.json()["credential"]
    assert set(found) == {"user_id", "tenant_id", "access", "secret", "trust_id", "links"}
    assert (found["user_id"], found["tenant_id"], found["trust_id"]) == (user, project, None)
    one = f"{path}/{found['access']}"
    assert found["links"]["self"].endswith(one)
    assert demo.get(one).json()["credential"] == found
    assert found in demo.get(path).json()["credentials"] and found in admin.get(path).json()["credentials"]
    whole = demo.get("/v3/credentials", params={"type": "ec2"}).json()["credentials"]
    assert found["access"] in [json.loads(each["blob"])["access"] for each in whole]
    assert demo.delete(one).status_code == 204
    for gone in (demo.get(one), admin.get(one), demo.delete(one)):
        assert gone.status_code == 404 and message(gone).startswith("Could not find credential: ")


def test_ec2_credentials_of_others_and_of_nothing(cloud: Cloud, admin: httpx.Client, demo: httpx.Client) -> None:
    told, theirs = me(demo), me(admin)
    path = f"/v3/users/{theirs['user']['id']}/credentials/OS-EC2"
    found = admin.post(path, json={"tenant_id": theirs["project"]["id"]}).json()["credential"]
    assert demo.get(path).status_code == 403
    assert demo.post(path, json={"tenant_id": told["project"]["id"]}).status_code == 403
    for user in (theirs["user"]["id"], told["user"]["id"]):
        one = f"/v3/users/{user}/credentials/OS-EC2/{found['access']}"
        assert demo.get(one).status_code == 403 and demo.delete(one).status_code == 403
    own = f"/v3/users/{told['user']['id']}/credentials/OS-EC2"
    nowhere = demo.post(own, json={"tenant_id": "nowhere"})
    assert nowhere.status_code == 404 and message(nowhere) == "Could not find project: nowhere."
    assert demo.post(own, json={}).status_code == 400
    assert admin.get("/v3/users/nobody/credentials/OS-EC2").status_code == 404
    assert admin.post("/v3/users/nobody/credentials/OS-EC2", json={"tenant_id": "x"}).status_code == 404
    assert cloud.http.get(own).status_code == 401


def test_20_a_reader_makes_no_ec2_credential(cloud: Cloud, admin: httpx.Client) -> None:
    """CVE-2026-33551, OSSA-2026-005."""
    user, project = made(admin, "user", name=fresh(), password=PASSWORD), made(admin, "project", name=fresh())
    admin.put(f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role_id(admin, 'reader')}")
    path = f"/v3/users/{user['id']}/credentials/OS-EC2"
    with cloud.client(cloud.token(user["name"], project=project["name"])) as client:
        assert client.post(path, json={"tenant_id": project["id"]}).status_code == 403
        assert client.get(path).json()["credentials"] == []


def test_credentials_go_with_their_user_and_their_project(cloud: Cloud, admin: httpx.Client) -> None:
    user, project = made(admin, "user", name=fresh()), made(admin, "project", name=fresh())
    other = made(admin, "user", name=fresh())
    kept = made(admin, "credential", blob="x", type="cert", user_id=other["id"])
    first = made(admin, "credential", blob="x", type="cert", user_id=user["id"])
    fields = {"type": "ec2", "user_id": other["id"], "project_id": project["id"]}
    second = made(admin, "credential", blob=ec2_blob(), **fields)
    assert admin.delete(f"/v3/users/{user['id']}").status_code == 204
    assert admin.delete(f"/v3/projects/{project['id']}").status_code == 204
    for found, status in ((kept, 200), (first, 404), (second, 404)):
        assert admin.get(f"/v3/credentials/{found['id']}").status_code == status
    assert cloud.login(scope=on_project("admin")).status_code == 201
