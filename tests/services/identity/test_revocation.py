"""What ends a token, at once and in every process."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cumulet.auth import Unauthenticated
from cumulet.services.identity.door import IdentityContext
from cumulet.services.identity.model import keys

from .conftest import Cloud
from .test_nouns import fresh, made, message
from .test_roles import role_id


@pytest.fixture
def someone(cloud: Cloud, admin: httpx.Client) -> dict[str, Any]:
    domain = made(admin, "domain", name=fresh())
    user = made(admin, "user", name=fresh(), password="pw", domain_id=domain["id"])
    project = made(admin, "project", name=fresh(), domain_id=domain["id"])
    admin.put(f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role_id(admin, 'member')}")
    answer = cloud.login(user["name"], "pw", {"project": {"id": project["id"]}}, domain=domain["id"])
    token = answer.headers["x-subject-token"]
    other = IdentityContext(cloud.secrets)  # another process
    assert holds(cloud, other, token)
    return {"user": user, "project": project, "domain": domain, "token": token, "other": other}


def holds(cloud: Cloud, other: IdentityContext, token: str) -> bool:
    found = []
    for context in (cloud.context, other):
        with cloud.db.read() as tx:
            try:
                context.authenticate(tx, token)
                found.append(True)
            except Unauthenticated:
                found.append(False)
    assert len(set(found)) == 1, "processes disagree"
    return found[0]


@pytest.mark.parametrize("noun", ["user", "project", "domain"])
def test_disabling_ends_tokens_for_good(noun: str, cloud: Cloud, admin: httpx.Client, someone: dict[str, Any]) -> None:
    path = f"/v3/{noun}s/{someone[noun]['id']}"
    assert admin.patch(path, json={noun: {"enabled": False}}).status_code == 200
    assert not holds(cloud, someone["other"], someone["token"])
    assert admin.patch(path, json={noun: {"enabled": True}}).status_code == 200
    assert not holds(cloud, someone["other"], someone["token"])
    scope = {"project": {"id": someone["project"]["id"]}}
    assert cloud.login(someone["user"]["name"], "pw", scope, domain=someone["domain"]["id"]).status_code == 201


@pytest.mark.parametrize("noun", ["user", "project"])
def test_deleting_ends_tokens(noun: str, cloud: Cloud, admin: httpx.Client, someone: dict[str, Any]) -> None:
    assert admin.delete(f"/v3/{noun}s/{someone[noun]['id']}").status_code == 204
    assert not holds(cloud, someone["other"], someone["token"])


def test_a_new_password_ends_tokens(cloud: Cloud, admin: httpx.Client, someone: dict[str, Any]) -> None:
    admin.patch(f"/v3/users/{someone['user']['id']}", json={"user": {"password": "new"}})
    assert not holds(cloud, someone["other"], someone["token"])
    assert cloud.login(someone["user"]["name"], "new", domain=someone["domain"]["id"]).status_code == 201


def test_losing_the_role_ends_tokens(cloud: Cloud, admin: httpx.Client, someone: dict[str, Any]) -> None:
    path = f"/v3/projects/{someone['project']['id']}/users/{someone['user']['id']}/roles"
    admin.put(f"{path}/{role_id(admin, 'reader')}")
    admin.delete(f"{path}/{role_id(admin, 'member')}")
    with cloud.db.read() as tx:
        assert cloud.context.authenticate(tx, someone["token"]).roles == ("reader",)
    admin.delete(f"{path}/{role_id(admin, 'reader')}")
    assert not holds(cloud, someone["other"], someone["token"])


def test_a_revoked_token_cannot_be_made_into_another(cloud: Cloud, someone: dict[str, Any]) -> None:
    with cloud.client(someone["token"]) as mine:
        assert mine.delete("/v3/auth/tokens", headers={"X-Subject-Token": someone["token"]}).status_code == 204
    assert not holds(cloud, someone["other"], someone["token"])
    identity = {"methods": ["token"], "token": {"id": someone["token"]}}
    answer = cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity}})
    assert (answer.status_code, message(answer)) == (404, "Failed to validate token")


def test_another_spelling_of_a_revoked_token_is_revoked_too(cloud: Cloud, someone: dict[str, Any]) -> None:
    with cloud.client(someone["token"]) as mine:
        mine.delete("/v3/auth/tokens", headers={"X-Subject-Token": someone["token"]})
    for spelling in (someone["token"] + "=", someone["token"] + "=="):
        assert not holds(cloud, someone["other"], spelling)


def test_expiry_and_the_window(
    cloud: Cloud, admin: httpx.Client, someone: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = {"X-Subject-Token": someone["token"]}
    tokens = cloud.context.tokens
    with cloud.db.read() as tx:
        tx.now += 3601 * 1_000_000
        with pytest.raises(Unauthenticated):
            tokens.find(tx, someone["token"])
        assert tokens.find(tx, someone["token"], window_s=60)
        tx.now += 60 * 1_000_000
        with pytest.raises(Unauthenticated):
            tokens.find(tx, someone["token"], window_s=60)
    assert admin.get("/v3/auth/tokens?allow_expired=1", headers=subject).status_code == 200


def test_rotation_keeps_tokens_and_a_lost_key_ends_them(cloud: Cloud, someone: dict[str, Any]) -> None:
    folder = cloud.secrets / "fernet-keys"
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    keys.rotate(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "2"]
    assert holds(cloud, someone["other"], someone["token"])
    keys.rotate(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["0", "2", "3"]
    assert not holds(cloud, someone["other"], someone["token"])


def test_a_user_ends_all_of_the_own_tokens(
    cloud: Cloud, admin: httpx.Client, demo: httpx.Client, someone: dict[str, Any]
) -> None:
    path = f"/v3/users/{someone['user']['id']}/tokens"
    assert demo.delete(path).status_code == 403 and cloud.http.delete(path).status_code == 401
    assert holds(cloud, someone["other"], someone["token"])
    scope, domain = {"project": {"id": someone["project"]["id"]}}, someone["domain"]["id"]
    second = cloud.login(someone["user"]["name"], "pw", scope, domain=domain).headers["x-subject-token"]
    with cloud.client(second) as mine:
        assert mine.delete(path).status_code == 204
        assert mine.delete(path).status_code == 401, "it was one of them"
    assert not holds(cloud, someone["other"], someone["token"])
    third = cloud.login(someone["user"]["name"], "pw", scope, domain=domain).headers["x-subject-token"]
    assert holds(cloud, someone["other"], third)
    assert admin.delete(path).status_code == 204
    assert not holds(cloud, someone["other"], third)
    assert admin.delete(f"/v3/users/{'0' * 32}/tokens").status_code == 404
    events = admin.get("/v3/OS-REVOKE/events").json()["events"]
    assert someone["user"]["id"] in {event.get("user_id") or event.get("OS-REVOKE:user_id") for event in events}
