"""Wrong passwords of strangers, without end (finding S10): what they cost, and whom they keep waiting.

Whose login is next is in `tests/services/identity/test_turns.py`; here the queue stands in front of a running identity
service. What hashes is held by a gate, so that order and counts are looked at and no clock is read.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from cumulet.services.identity.model import application_credentials, passwords, turns
from cumulet.services.identity.model.methods import totp
from cumulet.services.identity.model.turns import Job, Turns
from tests.http.served import request
from tests.services.identity.conftest import PASSWORD, Cloud, cloud_in, password_auth
from tests.services.identity.test_factors import KEY, Person
from tests.services.identity.test_nouns import fresh, made
from tests.services.serving import PLAIN


@contextmanager
def queued(cloud: Cloud, most: int) -> Iterator[Callable[[], None]]:
    """Logins meet one thread that is busy until what this gives is called, and a queue of `most`."""
    before, cloud.context.turns = cloud.context.turns, Turns(1, most)
    held, opened = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert opened.wait(30)

    cloud.context.turns.offer(Job("nobody", 0, hold))
    assert held.wait(10)
    try:
        yield opened.set
    finally:
        opened.set()
        cloud.context.turns = before


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it never happens"
        time.sleep(0.005)


@contextmanager
def waiting(cloud: Cloud, count: int, send: Callable[[], Any]) -> Iterator[list[Any]]:
    """`count` requests that wait in the queue; what they were answered stands in the list afterwards."""
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(send())) for _ in range(count)]
    begun = cloud.context.turns.waiting
    for number, thread in enumerate(threads):
        thread.start()
        until(lambda number=number: cloud.context.turns.waiting > begun + number)  # type: ignore[misc]
    yield answers
    for thread in threads:
        thread.join(30)


def test_too_many_logins_are_told_to_come_back(cloud: Cloud, admin: httpx.Client) -> None:
    """Finding S10: the queue has an end. Each way to log in says so in its own form; nothing else waits."""
    user = made(admin, "user", name=fresh(), password=PASSWORD)
    wrong = password_auth("admin", "wrong")
    v2 = {"auth": {"passwordCredentials": {"username": "admin", "password": "wrong"}}}
    form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
    change = {"user": {"original_password": PASSWORD, "password": "another"}}
    token = admin.headers["X-Auth-Token"]
    with queued(cloud, 1) as go:
        with waiting(cloud, 1, lambda: cloud.login("admin", "wrong")) as answers:
            with httpx.Client(base_url=cloud.url, timeout=30, verify=PLAIN) as stranger:
                for answer in (
                    stranger.post("/v3/auth/tokens", json=wrong),
                    stranger.post("/v2.0/tokens", json=v2),
                    stranger.post("/v3/OS-OAUTH2/token", data=form),
                    stranger.post(f"/v3/users/{user['id']}/password", json=change),
                ):
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, str(turns.RETRY_S))
                    if "error_description" not in answer.text:
                        assert answer.json()["error"]["title"] == "Service Unavailable"
            assert cloud.context.turns.waiting == 1
            subject = {"X-Subject-Token": token}
            assert admin.get("/v3/auth/tokens", headers=subject).status_code == 200
            assert admin.get("/v3/users").status_code == 200
            again = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
            assert cloud.http.post("/v3/auth/tokens", json=again).status_code == 201, "a token is no guess"
            go()
        assert [answer.status_code for answer in answers] == [401]
        assert cloud.context.turns.waiting == 0
        assert cloud.login().status_code == 201


def test_who_has_a_token_is_not_behind_strangers(cloud: Cloud, admin: httpx.Client) -> None:
    """Finding S10: an administrator makes a user while the queue is full of wrong logins."""
    body = {"user": {"name": fresh(), "password": PASSWORD}}
    done: list[int] = []
    with queued(cloud, 3) as go, waiting(cloud, 3, lambda: cloud.login(fresh(), "wrong")) as answers:
        thread = threading.Thread(target=lambda: done.append(admin.post("/v3/users", json=body).status_code))
        thread.start()
        until(lambda: len(answers) == 1)  # one of the strangers had to make room
        go()
        thread.join(30)
        assert done == [201] and answers[0].status_code == 503


def test_a_stranger_is_not_shut_out_by_who_has_a_token(cloud: Cloud, admin: httpx.Client) -> None:
    """Finding S10: one caller with a token fills the queue, and someone comes who was never here."""

    def made_up() -> int:
        return admin.post("/v3/users", json={"user": {"name": fresh(), "password": PASSWORD}}).status_code

    user = made(admin, "user", name=fresh(), password=PASSWORD)
    done: list[int] = []
    with queued(cloud, 3) as go, waiting(cloud, 3, made_up) as answers:
        thread = threading.Thread(target=lambda: done.append(cloud.login(user["name"], PASSWORD).status_code))
        thread.start()
        until(lambda: len(answers) == 1 or bool(done))
        go()
        thread.join(30)
    assert done == [201] and sorted(answers) == [201, 201, 503]


def test_a_login_that_nobody_waits_for_is_never_hashed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding S10: whoever hangs up takes the place with it."""
    hashed: list[Any] = []
    real = passwords._argon2
    monkeypatch.setattr(passwords, "_argon2", lambda raw, known: hashed.append(raw) or real(raw, known))
    with queued(cloud, 10) as go:
        data = request(
            "POST",
            "/v3/auth/tokens",
            json.dumps(password_auth("admin", "gone")).encode(),
            Content_Type="application/json",
        )
        host, port = cloud.url.removeprefix("http://").split(":")
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(socket.create_connection((host, int(port)))).sendall(data)
            until(lambda: cloud.context.turns.waiting == 5)
        until(lambda: cloud.context.turns.waiting == 0)
        go()
        assert cloud.login("admin", "wrong").status_code == 401
    assert hashed == [b"wrong"]


def test_nothing_is_hashed_by_a_thread_that_serves_the_apis(
    cloud: Cloud, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding S10: application credentials, users and changes of passwords wait where logins do."""
    asked: list[str] = []
    real = passwords._computed

    def computed(*arguments: Any) -> Any:
        asked.append(threading.current_thread().name)
        return real(*arguments)

    monkeypatch.setattr(passwords, "_computed", computed)
    user = made(admin, "user", name=fresh(), password=PASSWORD)
    assert admin.patch(f"/v3/users/{user['id']}", json={"user": {"password": "other"}}).status_code == 200
    change = {"user": {"original_password": "other", "password": PASSWORD}}
    assert admin.post(f"/v3/users/{user['id']}/password", json=change).status_code == 204
    me = cloud.login().json()["token"]["user"]["id"]
    path = f"/v3/users/{me}/application_credentials"
    answer = admin.post(path, json={"application_credential": {"name": fresh()}})
    credential = answer.json()["application_credential"]
    block = {"id": credential["id"], "secret": credential["secret"]}
    body = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": block}}}
    assert cloud.http.post("/v3/auth/tokens", json=body).status_code == 201
    form = {"grant_type": "client_credentials", "client_id": block["id"], "client_secret": block["secret"]}
    assert cloud.http.post("/v3/OS-OAUTH2/token", data=form).status_code == 200
    assert len(asked) == 8 and all(name.startswith("login") for name in asked), asked


def test_application_credentials_have_a_limit(
    cloud: Cloud, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding S10: each costs hashing, and a row for ever."""
    monkeypatch.setattr(application_credentials, "USER_LIMIT", 2)
    me = cloud.login("demo").json()["token"]["user"]["id"]
    path = f"/v3/users/{me}/application_credentials"
    answers = [demo.post(path, json={"application_credential": {"name": fresh()}}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 403]
    assert answers[2].json()["error"]["message"] == (
        "Unable to create additional application credentials, maximum of 2 already exceeded for user."
    )
    assert len(demo.get(path).json()["application_credentials"]) == 2
    assert demo.delete(f"{path}/{answers[0].json()['application_credential']['id']}").status_code == 204
    assert demo.post(path, json={"application_credential": {"name": fresh()}}).status_code == 201


def test_a_million_codes_are_not_tried_in_a_night(
    cloud: Cloud, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding S10: wrong codes of the moment slow down, by default; whoever knows the password, too, is not locked
    out by a stranger who guesses."""
    person = Person(cloud, admin, [["password", "totp"]])
    now = [time.time() // totp.STEP_S * totp.STEP_S + 1]
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: now[0]))

    def code(away: int = 0) -> str:
        return totp.code(KEY, int(now[0]) // totp.STEP_S + away)

    wrong = str((int(code()) + 1) % 1_000_000).rjust(6, "0")
    if wrong == code(-1):
        wrong = str((int(code()) + 2) % 1_000_000).rjust(6, "0")
    answers = [person.login(person.totp(wrong)) for _ in range(5)]
    answers.append(person.login(person.totp(code(-1))))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1 and "receipt" not in answers[-1].text, "not even a right one"
    assert person.login(person.password(), person.totp(code(-1))).status_code == 201
    now[0] += totp.STEP_S
    receipt = person.login(person.totp(code()))
    assert receipt.status_code == 401 and "receipt" in receipt.text, "one is looked at in the next step"


def test_24_whoever_is_refused_for_the_crowd_learns_nothing(tmp_path: Any) -> None:
    """Finding S10, case 24: the 503 is the same for who exists and who does not."""
    with cloud_in(tmp_path) as cloud, queued(cloud, 1) as go, waiting(cloud, 1, lambda: cloud.login("admin", "wrong")):
        answers = [cloud.login(name, "wrong") for name in ("admin", "nobody")]
        assert {answer.status_code for answer in answers} == {503}
        assert len({answer.text for answer in answers}) == 1
        go()
