"""The order of a request, over real HTTP."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text

from cumulet.auth import Caller, Policy, Rule, Unauthenticated
from cumulet.db import Database, Transaction
from cumulet.http import Call, Microversions, Reply, Service, Wire
from cumulet.http.app import App
from cumulet.http.faults import Conflict, nova_body
from cumulet.http.mount import Mount
from cumulet.http.server import listen, serve


class Thing(Wire):
    name: str


def made() -> Service:
    service = Service("compute", faults=nova_body, microversions=Microversions("compute", (2, 1), (2, 9), "X-Old"))
    service.add_rules([Rule("things:read", "rule:project_reader_or_admin"), Rule("things:write", "role:admin")])

    @service.get("/empty", auth=False, transaction="none")
    def empty(call: Call) -> dict[str, str]:
        return {}

    @service.get("/things/{thing}", policy="things:read")
    def show(call: Call, thing: str) -> dict[str, Any]:
        return {"thing": thing, "one": call.tx.scalar(text("SELECT 1"))}

    @service.post("/things", policy="things:write", request=Thing, status=201)
    def create(call: Call) -> Any:
        return call.body

    @service.get("/new", auth=False, since=(2, 5))
    def new(call: Call) -> dict[str, str]:
        return {"new": "yes"}

    @service.get("/broken", auth=False)
    def broken(call: Call) -> None:
        raise RuntimeError("secret detail")

    @service.get("/conflict", auth=False)
    def conflict(call: Call) -> None:
        raise Conflict("not now")

    @service.get("/stream", auth=False)
    async def stream(call: Call) -> Reply:
        async def pieces() -> Any:
            for n in range(3):
                yield str(n).encode() * 10

        return Reply(pieces())

    return service


def authenticate(_tx: Transaction, token: str) -> Caller:
    callers = {"reader": ("reader",), "admin": ("admin", "member", "reader")}
    if token not in callers:
        raise Unauthenticated("The request you have made requires authentication.")
    return Caller("u1", "user", "default", roles=callers[token], project_id="p1", project_domain_id="default")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("app")
    sock = listen("127.0.0.1", 0)
    port = sock.getsockname()[1]
    service = made()
    app = App(
        Database(folder / "db.sqlite"),
        {port: Mount(service, None, Policy(service.rules), "http://identity/v3")},
        authenticate,
    )
    threading.Thread(target=lambda: asyncio.run(serve(app, [sock])), daemon=True).start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(100):
            try:
                client.get("/healthcheck")
                break
            except httpx.ConnectError:
                time.sleep(0.02)
        yield client


def test_without_a_token(client: httpx.Client) -> None:
    answer = client.get("/things/1")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Keystone uri="http://identity/v3"'
    assert answer.json()["error"]["code"] == 401
    assert client.get("/things/1", headers={"X-Auth-Token": "forged"}).status_code == 401


def test_identity_headers_from_outside_mean_nothing(client: httpx.Client) -> None:
    forged = {"X-Roles": "admin", "X-User-Id": "u1", "X-Project-Id": "p1", "X-Identity-Status": "Confirmed"}
    assert client.get("/things/1", headers=forged).status_code == 401


def test_policy(client: httpx.Client) -> None:
    assert client.get("/things/1", headers={"X-Auth-Token": "reader"}).json() == {"thing": "1", "one": 1}
    refused = client.post("/things", json={"name": "a"}, headers={"X-Auth-Token": "reader"})
    assert refused.status_code == 403
    assert refused.json() == {
        "forbidden": {"code": 403, "message": "Policy doesn't allow things:write to be performed."}
    }
    assert client.post("/things", json={"name": "a"}, headers={"X-Auth-Token": "admin"}).status_code == 201


def test_versions(client: httpx.Client) -> None:
    assert client.get("/new").status_code == 404
    latest = client.get("/new", headers={"OpenStack-API-Version": "image 1.0, compute latest"})
    assert latest.json() == {"new": "yes"}
    assert latest.headers["openstack-api-version"] == "compute 2.9"
    assert latest.headers["vary"] == "OpenStack-API-Version, X-Old"
    assert client.get("/empty", headers={"X-Old": "2.7"}).headers["x-old"] == "2.7"
    assert client.get("/empty", headers={"OpenStack-API-Version": "compute 2.10"}).status_code == 406
    assert client.get("/empty", headers={"OpenStack-API-Version": "compute x"}).status_code == 400


def test_request_ids(client: httpx.Client) -> None:
    one, two = (client.get("/empty").headers["x-openstack-request-id"] for _ in range(2))
    assert one.startswith("req-")
    assert one != two


def test_errors(client: httpx.Client) -> None:
    assert client.get("/nothing").json()["itemNotFound"]["code"] == 404
    wrong = client.delete("/empty")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert client.get("/conflict").json() == {"conflictingRequest": {"code": 409, "message": "not now"}}
    broken = client.get("/broken")
    assert broken.status_code == 500
    assert "secret detail" not in broken.text
    assert broken.headers["x-openstack-request-id"] in broken.text


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000, b'{"name": 1}', b"null", b'{"other": "a"}'])
def test_bodies_that_make_no_sense(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/things", content=body, headers={"X-Auth-Token": "admin"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["badRequest"]["message"]


def test_a_body_has_a_limit(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 1000

    for content in (b" " * 200_000, pieces()):
        answer = client.post("/things", content=content, headers={"X-Auth-Token": "admin"})
        assert answer.status_code == 413


def test_streams(client: httpx.Client) -> None:
    assert client.get("/stream").content == b"0000000000" + b"1" * 10 + b"2" * 10


def test_head_is_get_without_its_body(client: httpx.Client) -> None:
    answer = client.head("/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "2")


def test_unknown_paths_leave_nothing_behind(client: httpx.Client) -> None:
    """CVE-2021-40797: every unknown path once grew the router's memory. The route tree is fixed at start."""
    service = made()
    before = len(msgspec.json.encode(sorted(service._root.literal)))
    for n in range(1000):
        assert service.match("GET", f"/unknown/{n}", (2, 1)) == set()
    assert len(msgspec.json.encode(sorted(service._root.literal))) == before
