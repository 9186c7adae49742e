"""The front door: what a stranger can do to everybody before anybody knows who it is (findings S7 and S11).

How heads, bodies and connections are counted is in `tests/http/test_pieces.py` and `tests/http/test_connections.py`;
here the requests of the findings meet a whole cloud. What wrong logins do is in `test_crowds_of_logins.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cumulet.http.connections import BODY_S, HEAD_S
from cumulet.http.faults import BadRequest
from tests.assembled import Assembled
from tests.http.served import Client, Served, request
from tests.services.identity.conftest import password_auth

JSON = {"Content_Type": "application/json"}


class Whole:
    """An assembled cloud on real sockets."""

    def __init__(self, inner: Assembled) -> None:
        self.inner = inner
        app, ports = inner.controller.app, inner.settings.ports
        names = ("identity", "image", "compute", "network", "placement", "metadata")
        self.served = Served(app, {name: app.mounts[ports.of(name)] for name in names})  # type: ignore[misc]

    def ask(self, service: str, method: str, path: str, body: Any = b"", pieces: int = 1, **headers: str) -> Any:
        if not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {**JSON, **headers}
        data = request(method, path, body, X_Auth_Token=self.inner.member, **headers)  # type: ignore[arg-type]
        return self.served.ask(data, service, pieces)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    inner = Assembled(tmp_path_factory.mktemp("front") / "state")
    assert inner.member
    found = Whole(inner)
    yield found
    found.served.close()
    inner.close()


# ---- S7: no valid request is refused by chance


@pytest.mark.parametrize("pieces", [1, 2, 3, 40])
@pytest.mark.parametrize("length", [4_096, 70_000, 100_000])
def test_29_a_long_password_is_a_wrong_one(length: int, pieces: int, whole: Whole) -> None:
    """Finding S7, case 29: 431 at random for what is more than 64 KiB with its head."""
    body = json.dumps(password_auth("admin", "a" * length)).encode()
    data = request("POST", "/v3/auth/tokens", body, **JSON)  # type: ignore[arg-type]
    assert [whole.served.ask(data, "identity", pieces).status for _ in range(3)] == [401] * 3


@pytest.mark.parametrize("size", [66_000, 100_000, 200_000])
def test_an_image_of_any_size_is_taken(size: int, whole: Whole) -> None:
    """Finding S7: twenty uploads of each size, in one piece and in several."""
    for number in range(20):
        new = {"name": "small", "disk_format": "raw", "container_format": "bare"}
        image = json.loads(whole.ask("image", "POST", "/v2/images", new).body)["id"]
        path = f"/v2/images/{image}/file"
        answer = whole.ask("image", "PUT", path, bytes(size), number % 4 + 1, Content_Type="application/octet-stream")
        assert answer.status == 204, answer
        assert json.loads(whole.ask("image", "GET", f"/v2/images/{image}").body)["size"] == size
        assert whole.ask("image", "DELETE", f"/v2/images/{image}").status == 204


def test_a_server_with_as_much_user_data_as_may_be(whole: Whole) -> None:
    """Finding S7: Nova allows 65,535 letters."""
    new = {"name": "small", "disk_format": "raw", "container_format": "bare"}
    image = json.loads(whole.ask("image", "POST", "/v2/images", new).body)["id"]
    whole.ask("image", "PUT", f"/v2/images/{image}/file", bytes(66_000), Content_Type="application/octet-stream")
    flavor = {"flavor": {"name": "small", "ram": 64, "vcpus": 1, "disk": 1, "id": "small"}}
    assert whole.inner.ask("compute", "POST", "/v2.1/flavors", token=whole.inner.admin, body=flavor).status == 200
    user_data = base64.b64encode(bytes(49_002)).decode()
    assert len(user_data) == 65_336
    server = {"name": "s", "imageRef": image, "flavorRef": "small", "networks": "none", "user_data": user_data}
    version = {"OpenStack_API_Version": "compute 2.37"}
    for pieces in (1, 1, 2, 3, 50):
        answer = whole.ask("compute", "POST", "/v2.1/servers", {"server": server}, pieces, **version)
        assert answer.status == 202, answer
    too_long = {**server, "user_data": user_data + "AAAA" * 50}
    assert whole.ask("compute", "POST", "/v2.1/servers", {"server": too_long}, **version).status == 400  # type: ignore[arg-type]


# ---- S11, case 44: who holds connections open holds nothing up


def test_44_what_a_flood_of_half_requests_leaves(whole: Whole) -> None:
    """Finding S11, case 44: each ends in time, in the words of its service, and nothing of it stays."""
    kinds = (
        ("identity", b"", None),
        ("compute", b"GET /v2.1/servers HTTP/1.1\r\nHost: a\r\n", b'"computeFault":{"code":408'),
        ("network", b"GET /v2.0/networks HTTP/1.1\r\nHost: a\r\nX-Auth-Tok", b'{"NeutronError":'),
        ("identity", request("POST", "/v3/auth/tokens", bytes(1000), **JSON)[:-500], b'{"error":{"code":408'),  # type: ignore[arg-type]
    )
    with ExitStack() as stack:
        clients: list[tuple[Client, bytes | None]] = []
        for number in range(200):
            service, sent, told = kinds[number % len(kinds)]
            client = stack.enter_context(whole.served.client(service))
            client.send(sent)
            clients.append((client, told))
        assert whole.ask("compute", "GET", "/v2.1/servers").status == 200
        whole.served.later(max(HEAD_S, BODY_S) + 1)
        for client, told in clients:
            if told is not None:
                answer = client.answer()
                assert answer.status == 408 and told in answer.body, answer
            assert client.ends()
    assert whole.served.empties()
    assert whole.ask("compute", "GET", "/v2.1/servers").status == 200


def test_a_forged_address_gives_no_share(whole: Whole) -> None:
    """Finding S10: what a client says about its address counts for nothing."""
    turns = whole.inner.controller.app.mounts[whole.served.ports["identity"]].context.turns  # type: ignore[union-attr]
    seen: list[str] = []
    real = turns.offer

    def offer(job: Any) -> Any:
        seen.append(job.source)
        return real(job)

    turns.offer = offer
    try:
        forged = {"X_Forwarded_For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "X_Real_IP": "192.0.2.1"}
        body = json.dumps(password_auth("admin", "wrong")).encode()
        data = request("POST", "/v3/auth/tokens", body, **JSON, **forged)  # type: ignore[arg-type]
        assert whole.served.ask(data, "identity").status == 401
    finally:
        del turns.offer
    assert seen == ["127.0.0.1"]


# ---- lengths that are none


@pytest.mark.parametrize("service", ["identity", "image", "compute", "network", "placement"])
@pytest.mark.parametrize("length", ["abc", "-1", "+5", "5 5", "5, 5", "1_0", "0x5", "9" * 30, "", "1.0", "\xb2"])
@pytest.mark.parametrize("pieces", [1, 40])
def test_a_length_that_is_no_number_is_refused_by_the_service(
    service: str, length: str, pieces: int, whole: Whole
) -> None:
    """In the body of its other faults, and in placement's words (placement/handler.py), not by the HTTP server."""
    head = f"POST /v3/auth/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{{}}{{}}{{}}".encode("latin-1")
    answer = whole.served.ask(head, service, pieces)
    faults = whole.inner.controller.app.mounts[whole.inner.settings.ports.of(service)].service.faults
    expected = faults(BadRequest("content-length header must be an integer"), "", "application/json")
    assert (answer.status, answer.headers["content-type"]) == (400, expected[1])
    assert (answer.body, answer.headers["connection"]) == (expected[0], "close")
