"""Users who need more than a password: codes of the moment, and receipts for what was proven so far."""

from __future__ import annotations

import base64
import time
from typing import Any

import httpx
import pytest

from cumulet.services.identity.model.methods import totp
from tests.services.identity.conftest import Cloud
from tests.services.identity.test_nouns import fresh, made

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
KEY = base64.b32decode(SECRET)


@pytest.mark.parametrize(
    ("at", "shown"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(at: int, shown: str) -> None:
    """The vectors of its appendix B, of which six digits are shown."""
    assert totp.code(KEY, at // totp.STEP_S) == shown


def test_a_code_is_good_in_its_step_and_the_next() -> None:
    now = 1_700_000_000.0
    step = int(now) // totp.STEP_S
    for away, good in ((-2, False), (-1, True), (0, True), (1, False)):
        assert (totp.matching_step([SECRET], totp.code(KEY, step + away), now) == step + away) is good
    for wrong in ("", "0", "é" * 6, "1" * 5000):
        assert totp.matching_step([SECRET, "", "no base 32!"], wrong, now) is None


class Person:
    """A user with a generator."""

    def __init__(self, cloud: Cloud, admin: httpx.Client, rules: list[list[str]]) -> None:
        self.http = cloud.http
        options = {"multi_factor_auth_rules": rules}
        self.id = made(admin, "user", name=fresh(), password="pw", options=options)["id"]
        made(admin, "credential", type="totp", blob=SECRET, user_id=self.id)
        self.used: list[int] = []

    def code(self) -> str:
        """A code that was not used yet; waits for the next step of time when both good ones were."""
        while True:
            now = int(time.time()) // totp.STEP_S
            left = [step for step in (now - 1, now) if step not in self.used]
            if left:
                self.used.append(left[0])
                return totp.code(KEY, left[0])
            time.sleep(0.5)

    def password(self) -> dict[str, Any]:
        return {"password": {"user": {"id": self.id, "password": "pw"}}}

    def totp(self, code: str) -> dict[str, Any]:
        return {"totp": {"user": {"id": self.id, "passcode": code}}}

    def login(self, *blocks: dict[str, Any], receipt: str = "") -> httpx.Response:
        identity: dict[str, Any] = {"methods": [name for block in blocks for name in block]}
        for block in blocks:
            identity |= block
        headers = {"Openstack-Auth-Receipt": receipt} if receipt else {}
        return self.http.post("/v3/auth/tokens", json={"auth": {"identity": identity}}, headers=headers)


def test_both_at_once(cloud: Cloud, admin: httpx.Client) -> None:
    person = Person(cloud, admin, [["password", "totp"]])
    code = person.code()
    answer = person.login(person.password(), person.totp(code))
    assert answer.status_code == 201
    assert set(answer.json()["token"]["methods"]) == {"password", "totp"}
    assert person.login(person.password(), person.totp(code)).status_code == 401, "a code is good once"
    assert person.login(person.password(), person.totp("000000")).status_code == 401


def test_one_after_the_other(cloud: Cloud, admin: httpx.Client) -> None:
    person = Person(cloud, admin, [["password", "totp"], ["password", "no such method"], ["token", "totp"]])
    first = person.login(person.password())
    assert first.status_code == 201, "a method that does not exist counts for nothing, as in Keystone"
    person = Person(cloud, admin, [["password", "totp"]])
    first = person.login(person.password())
    assert first.status_code == 401 and "x-subject-token" not in first.headers
    body = first.json()
    assert body["required_auth_methods"] == [["password", "totp"]]
    assert body["receipt"]["methods"] == ["password"] and body["receipt"]["user"]["id"] == person.id
    receipt = first.headers["openstack-auth-receipt"]
    assert person.login(person.totp("000000"), receipt=receipt).status_code == 401
    second = person.login(person.totp(person.code()), receipt=receipt)
    assert second.status_code == 201
    assert set(second.json()["token"]["methods"]) == {"password", "totp"}


def test_a_receipt_is_worth_nothing_alone_or_to_others(cloud: Cloud, admin: httpx.Client) -> None:
    person, other = (Person(cloud, admin, [["password", "totp"]]) for _ in range(2))
    receipt = person.login(person.password()).headers["openstack-auth-receipt"]
    assert person.login(person.password(), receipt=receipt).status_code == 401
    assert other.login(other.totp(other.code()), receipt=receipt).status_code == 401
    assert cloud.http.get("/v3/auth/projects", headers={"X-Auth-Token": receipt}).status_code == 401
    forged = receipt[:-4] + ("AAAA" if receipt[-4:] != "AAAA" else "BBBB")
    assert person.login(person.totp(person.code()), receipt=forged).status_code == 401
    token = cloud.token()
    assert person.login(person.totp(person.code()), receipt=token).status_code == 401


def test_without_rules_one_factor_does(cloud: Cloud, admin: httpx.Client) -> None:
    person = Person(cloud, admin, [])
    assert person.login(person.password()).status_code == 201
    assert person.login(person.totp(person.code())).status_code == 201
    path = f"/v3/users/{person.id}"
    options = {"multi_factor_auth_rules": [["password", "totp"]], "multi_factor_auth_enabled": False}
    assert admin.patch(path, json={"user": {"options": options}}).status_code == 200
    assert person.login(person.password()).status_code == 201
