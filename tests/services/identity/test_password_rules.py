"""Rules for passwords: lockout, history, age, expiry, looks. Each test puts its own in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cumulet.db.times import SECOND, now_us
from cumulet.services.identity.door import PasswordRules
from cumulet.services.identity.model import password_rules, passwords
from cumulet.services.identity.tables import users
from tests.services.identity.conftest import Cloud
from tests.services.identity.federating import Trust
from tests.services.identity.provider import running
from tests.services.identity.test_nouns import fresh, made, message


@pytest.fixture
def rules(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(**options: Any) -> None:
        monkeypatch.setattr(cloud.context, "password_rules", PasswordRules(**options))

    return put


def change(cloud: Cloud, user: dict[str, Any], old: str, new: str) -> httpx.Response:
    body = {"user": {"original_password": old, "password": new}}
    return cloud.http.post(f"/v3/users/{user['id']}/password", json=body)


def test_too_many_failures_lock_a_user_out_for_a_while(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(lockout_failure_attempts=2, lockout_duration=60)
    user = made(admin, "user", name=fresh(), password="right")
    for _ in range(2):
        assert cloud.login(user["name"], "wrong").status_code == 401
    locked = cloud.login(user["name"], "right")
    wrong = cloud.login(user["name"], "wrong")
    nobody = cloud.login(fresh(), "wrong")
    assert locked.status_code == 401
    assert locked.json() == wrong.json() == nobody.json(), "nobody learns who is locked, or exists"
    assert change(cloud, user, "right", "other").status_code == 401
    with cloud.db.transaction() as tx:
        tx.execute(users.update().where(users.c.id == user["id"]).values(failed_at=now_us() - 61 * SECOND))
    assert cloud.login(user["name"], "wrong").status_code == 401
    assert cloud.login(user["name"], "right").status_code == 201
    assert cloud.login(user["name"], "wrong").status_code == 401
    assert cloud.login(user["name"], "right").status_code == 201, "a success starts the count again"


def test_cve_2021_38155_a_locked_user_costs_a_hash(
    cloud: Cloud, admin: httpx.Client, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(lockout_failure_attempts=1, lockout_duration=60)
    user = made(admin, "user", name=fresh(), password="right")
    assert cloud.login(user["name"], "wrong").status_code == 401
    counted: list[str] = []
    real = passwords.matches

    def matches(password: str, hashed: str | None) -> bool:
        counted.append(password)
        return real(password, hashed)

    monkeypatch.setattr(passwords, "matches", matches)
    for name in (user["name"], fresh()):
        counted.clear()
        assert cloud.login(name, "right").status_code == 401
        assert counted == ["right"]


def test_some_are_never_locked_out(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(lockout_failure_attempts=1, lockout_duration=60)
    options = {"ignore_lockout_failure_attempts": True}
    user = made(admin, "user", name=fresh(), password="right", options=options)
    assert cloud.login(user["name"], "wrong").status_code == 401
    assert cloud.login(user["name"], "right").status_code == 201


def test_an_administrator_unlocks_by_a_new_password(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(lockout_failure_attempts=1, lockout_duration=60)
    user = made(admin, "user", name=fresh(), password="right")
    assert cloud.login(user["name"], "wrong").status_code == 401
    assert admin.patch(f"/v3/users/{user['id']}", json={"user": {"password": "new"}}).status_code == 200
    assert cloud.login(user["name"], "new").status_code == 201


def test_old_passwords_are_not_taken_again(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(unique_last_password_count=3)
    user = made(admin, "user", name=fresh(), password="one")
    assert change(cloud, user, "one", "two").status_code == 204
    for old in ("one", "two"):
        refused = change(cloud, user, "two", old)
        assert refused.status_code == 400 and "identical to a previous password" in message(refused)
    assert change(cloud, user, "two", "three").status_code == 204
    assert change(cloud, user, "three", "one").status_code == 400
    assert change(cloud, user, "three", "four").status_code == 204
    assert change(cloud, user, "four", "one").status_code == 204, "only the last three count"


def test_a_password_has_a_least_age_and_a_last_day(
    cloud: Cloud, admin: httpx.Client, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(minimum_password_age=1, password_expires_days=30)
    user = made(admin, "user", name=fresh(), password="one")
    assert user["password_expires_at"] is not None
    refused = change(cloud, user, "one", "two")
    assert refused.status_code == 400 and "minimum age 1 days" in message(refused)
    monkeypatch.setattr(password_rules, "DAY", 1)
    assert change(cloud, user, "one", "two").status_code == 204
    expired = cloud.login(user["name"], "two")
    assert expired.status_code == 401 and "expired" in message(expired)
    admin.patch(f"/v3/users/{user['id']}", json={"user": {"options": {"ignore_password_expiry": True}}})
    assert cloud.login(user["name"], "two").status_code == 201


def test_what_somebody_else_set_is_to_be_changed_first(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(change_password_upon_first_use=True)
    user = made(admin, "user", name=fresh(), password="given")
    assert cloud.login(user["name"], "given").status_code == 401
    assert change(cloud, user, "given", "own").status_code == 204
    assert cloud.login(user["name"], "own").status_code == 201
    options = {"ignore_change_password_upon_first_use": True}
    service = made(admin, "user", name=fresh(), password="given", options=options)
    assert cloud.login(service["name"], "given").status_code == 201


def test_passwords_have_to_look_as_asked(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(password_regex=r"^.{8,}$", password_regex_description="eight letters or more")
    name = fresh()
    refused = admin.post("/v3/users", json={"user": {"name": name, "password": "short"}})
    assert refused.status_code == 400
    assert message(refused) == "The password does not match the requirements: eight letters or more."
    user = made(admin, "user", name=name, password="long enough")
    for body in ({"password": "short"},):
        assert admin.patch(f"/v3/users/{user['id']}", json={"user": body}).status_code == 400
    assert change(cloud, user, "long enough", "short").status_code == 400
    assert cloud.login(name, "long enough").status_code == 201


def away(cloud: Cloud, user: dict[str, Any], days: float) -> None:
    """The user logged in for the last time so many days ago, and was made before."""
    then = now_us() - int(days * password_rules.DAY)
    with cloud.db.transaction() as tx:
        tx.update(users, users.c.id == user["id"], last_active_at=then, created_at=then)


def enabled(admin: httpx.Client, user: dict[str, Any]) -> bool:
    shown = admin.get(f"/v3/users/{user['id']}").json()["user"]["enabled"]
    (listed,) = admin.get("/v3/users", params={"name": user["name"]}).json()["users"]
    assert listed["enabled"] is shown
    return bool(shown)


def test_who_was_away_for_too_long_is_disabled(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    user = made(admin, "user", name=fresh(), password="right")
    token = cloud.login(user["name"], "right").headers["x-subject-token"]
    away(cloud, user, 30)
    assert enabled(admin, user), "there is no such rule yet"
    rules(disable_user_account_days_inactive=30)
    assert not enabled(admin, user)
    refused, wrong = cloud.login(user["name"], "right"), cloud.login(user["name"], "wrong")
    assert refused.status_code == wrong.status_code == 401 and refused.json() == wrong.json()
    assert change(cloud, user, "right", "other").status_code == 401
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    assert cloud.http.post("/v3/auth/tokens", json=again).status_code == 401
    assert admin.patch(f"/v3/users/{user['id']}", json={"user": {"enabled": True}}).json()["user"]["enabled"] is True
    assert cloud.login(user["name"], "right").status_code == 201


def test_a_login_counts_and_a_day_is_a_day(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(disable_user_account_days_inactive=2)
    user = made(admin, "user", name=fresh(), password="right")
    away(cloud, user, 1)
    assert enabled(admin, user) and cloud.login(user["name"], "right").status_code == 201
    with cloud.db.read() as tx:
        kept = tx.scalar(select(users.c.last_active_at).where(users.c.id == user["id"]))
    assert tx.now - kept < 60_000_000, "the login is what counts now"
    assert cloud.login(user["name"], "wrong").status_code == 401
    away(cloud, user, 2)
    assert not enabled(admin, user)


def test_who_never_logged_in_counts_from_the_beginning(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(disable_user_account_days_inactive=2)
    user = made(admin, "user", name=fresh(), password="right")
    with cloud.db.transaction() as tx:
        tx.update(users, users.c.id == user["id"], created_at=now_us() - 2 * password_rules.DAY)
    assert not enabled(admin, user) and cloud.login(user["name"], "right").status_code == 401


def test_some_may_be_away(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(disable_user_account_days_inactive=1)
    user = made(admin, "user", name=fresh(), password="right", options={"ignore_user_inactivity": True})
    away(cloud, user, 400)
    assert enabled(admin, user) and cloud.login(user["name"], "right").status_code == 201
    admin.patch(f"/v3/users/{user['id']}", json={"user": {"options": {"ignore_user_inactivity": None}}})
    away(cloud, user, 400)
    assert not enabled(admin, user)


def test_a_disabled_user_stays_disabled(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(disable_user_account_days_inactive=9)
    user = made(admin, "user", name=fresh(), password="right", enabled=False)
    assert not enabled(admin, user) and cloud.login(user["name"], "right").status_code == 401


def test_a_federated_user_is_away_like_any_other(cloud: Cloud, admin: httpx.Client, rules: Any) -> None:
    rules(disable_user_account_days_inactive=3)
    with running() as provider:
        trust = Trust(cloud, admin, provider)
        _, told = trust.token()
        user = {"id": told["user"]["id"]}
        with cloud.db.read() as tx:
            kept = tx.scalar(select(users.c.last_active_at).where(users.c.id == user["id"]))
        assert kept is not None and tx.now - kept < 60_000_000
        away(cloud, user, 3)
        assert trust.login().status_code == 401
        rules(disable_user_account_days_inactive=4)
        assert trust.login().status_code == 201
