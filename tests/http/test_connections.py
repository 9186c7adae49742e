"""Deadlines and limits of connections (finding S11). No test waits: the clock is the sweep's argument."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import connect

from cumulet.auth import Policy
from cumulet.db import Database
from cumulet.http import Call, Reply, Service, connections, protocol
from cumulet.http import app as app_module
from cumulet.http.app import App
from cumulet.http.connections import ANSWER_S, BODY_S, HEAD_S, KEEP_ALIVE_S, LINGER_S, LONG_BODY_S, share_of
from cumulet.http.faults import Unauthorized, nova_body
from cumulet.http.mount import Mount
from tests.http.served import Client, Served, request
from tests.http.test_app import authenticate

MOST = 64


class Doors:
    """What holds operations up."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.ended = threading.Event()
        self.entered = threading.Event()


def service(doors: Doors) -> Service:
    found = Service("compute", faults=nova_body)

    found.websocket = echo

    @found.get("/empty", auth=False, transaction="none")
    def empty(call: Call) -> dict[str, str]:
        return {}

    @found.get("/slow", auth=False, transaction="none")
    def slow(call: Call) -> dict[str, str]:
        doors.entered.set()
        doors.open.wait(20)
        return {"slow": "done"}

    @found.put("/body", auth=False, raw_body=True, body_limit=None, transaction="none")
    def body(call: Call) -> dict[str, int]:
        return {"size": len(call.body)}

    @found.put("/own", raw_body=True, transaction="none")
    def own(call: Call) -> dict[str, int]:
        return {"size": len(call.body)}

    @found.put("/known", auth=False, raw_body=True, transaction="none", admit=known)
    def by_head(call: Call) -> dict[str, int]:
        return {"size": len(call.body)}

    @found.put("/stream", auth=False, body_limit=None)
    async def stream(call: Call) -> dict[str, int]:
        try:
            return {"size": sum([len(piece) async for piece in call.chunks()])}
        finally:
            doors.ended.set()

    @found.get("/endless", auth=False)
    async def endless(call: Call) -> Reply:
        async def pieces() -> AsyncIterator[bytes]:
            gone = asyncio.ensure_future(call.client_gone())
            try:
                while not gone.done():
                    yield bytes(1 << 20)
            finally:
                gone.cancel()
                doors.ended.set()

        return Reply(pieces(), content_type="application/octet-stream")

    return found


async def echo(context: Any, db: Database, scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


def known(call: Call) -> None:
    if call.headers.get("x-secret") != "right":
        raise Unauthorized("Nobody we know.")


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
def served(tmp_path: Any, doors: Doors) -> Iterator[Served]:
    made = service(doors)
    app = App(Database(tmp_path / "db.sqlite"), {}, authenticate)
    found = Served(app, {"compute": Mount(made, None, Policy(made.rules))}, most=MOST)
    yield found
    doors.open.set()
    found.close()


GET = request("GET", "/empty")


def timed_out(client: Client) -> bool:
    """Whether the client is told so in the service's words, and the connection ends."""
    answer = client.answer()
    assert (
        answer.status == 408
        and b"did not come in time" in answer.body
        and b'{"computeFault":{"code":408' in answer.body
    )
    assert answer.headers["connection"] == "close"
    return client.ends()


# ---- heads


def test_a_connection_that_says_nothing_ends(served: Served) -> None:
    with served.client() as client:
        served.later(HEAD_S - 1)
        assert client.is_open()
        served.later(HEAD_S)
        assert client.ends()


def test_half_a_head_is_told_and_ends(served: Served) -> None:
    """However steadily it comes: the time is the whole head's."""
    with served.client() as client:
        for piece in (b"GET /empty HTTP/1.1\r\n", b"Host: a\r\n", b"X: 1\r\n"):
            client.send(piece)
            served.later(HEAD_S - 1)
            assert client.is_open()
        served.later(HEAD_S)
        assert timed_out(client)


def test_the_next_head_has_a_time_of_its_own_and_an_idle_connection_another(served: Served) -> None:
    with served.client() as client:
        client.send(GET)
        assert client.answer().status == 200
        served.later(KEEP_ALIVE_S - 1)
        assert client.is_open()
        client.send(GET[:5])
        served.later(HEAD_S - 1)
        assert client.is_open()
        client.send(GET[5:])
        assert client.answer().status == 200
        served.later(KEEP_ALIVE_S)
        assert client.ends()
    with served.client() as client:
        client.send(GET + GET[:5])
        assert client.answer().status == 200
        served.later(HEAD_S)
        assert timed_out(client)


def test_what_waits_for_us_has_no_deadline(served: Served, doors: Doors) -> None:
    """A long poll, and the half head that was sent behind it."""
    with served.client() as client, served.client() as other:
        client.send(request("GET", "/slow"))
        assert doors.entered.wait(10)
        other.send(request("GET", "/slow") + GET[:7])
        served.later(10 * KEEP_ALIVE_S)
        doors.open.set()
        assert b"done" in client.answer().body
        assert b"done" in other.answer().body
        other.send(GET[7:])
        assert other.answer().status == 200


# ---- bodies


def half(size: int = 1000, path: str = "/body", **headers: str) -> bytes:
    return request("PUT", path, bytes(size), **headers)[: -size // 2]  # type: ignore[arg-type]


def test_a_body_that_stops_is_told_and_ends(served: Served) -> None:
    with served.client() as client:
        client.send(half())
        served.later(BODY_S - 1)
        assert client.is_open()
        served.later(BODY_S)
        assert timed_out(client)
    assert served.empties()


def test_a_trickle_ends_and_a_slow_upload_does_not(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [served.call(served.loop.time)]
    with served.client() as trickle, served.client() as slow:
        trickle.send(request("PUT", "/stream", bytes(1 << 21))[: -(1 << 21)])
        slow.send(request("PUT", "/stream", bytes(1 << 21))[: -(1 << 21)])
        served.looked()
        begun = clock[0]
        for turn in range(1, 4):
            for _ in range(60):
                trickle.send(b"a")
            slow.send(bytes(connections.SLOWEST * 60))
            served.looked()
            now = begun + turn * (LONG_BODY_S + 1)
            served.call(lambda now=now: served.limits.sweep(served.server.server_state.connections, now))  # type: ignore[misc]
            assert slow.is_open()
        assert timed_out(trickle)


def test_the_operation_of_a_body_that_never_comes_ends_too(served: Served, doors: Doors) -> None:
    with served.client() as client:
        client.send(half(1 << 21, "/stream"))
        served.later(0)
        assert not doors.ended.is_set()
        served.later(2 * LONG_BODY_S)  # what came at first was enough for one such time
        served.later(4 * LONG_BODY_S)
        assert doors.ended.wait(10)
        assert timed_out(client)


def test_what_comes_after_an_early_answer_has_the_same_deadline(served: Served) -> None:
    with served.client() as client:
        client.send(half(path="/own"))
        assert client.answer().status == 401
        assert client.is_open()
        served.later(BODY_S)
        assert client.ends()


@pytest.mark.parametrize(("path", "headers"), [("/own", {}), ("/own", {"X_Auth_Token": "nobody"}), ("/known", {})])
def test_a_stranger_is_refused_before_the_body_is_read(path: str, headers: dict[str, str], served: Served) -> None:
    """With the head alone: neither a large nor an endless body makes anybody wait."""
    for head in (
        request("PUT", path, bytes(100_000), **headers)[:-100_000],  # type: ignore[arg-type]
        request("PUT", path, b"", Transfer_Encoding="chunked", Expect="100-continue", **headers).replace(  # type: ignore[arg-type]
            b"Content-Length: 0\r\n", b""
        ),
    ):
        with served.client() as client:
            client.send(head)
            assert client.answer().status == 401
    right = request("PUT", "/known", b"abc", X_Secret="right")
    assert served.ask(right).body == b'{"size":3}'


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_upgrade_with_a_body_ends(method: str, served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """No websocket begins so, and nobody would ever answer or end it."""
    key = {"Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    data = request(method, "/body", bytes(1000), Connection="Upgrade", Upgrade="websocket", **key)  # type: ignore[arg-type]
    for before in (b"", GET):
        with served.client() as client:
            client.send(before)
            if before:
                assert client.answer().status == 200
            client.send(data[:-500])
            assert client.answer().status == 400
            assert client.ends()
    assert served.empties()
    assert not [record for record in caplog.records if record.exc_info]


def test_a_request_for_another_protocol_is_answered_and_is_the_last(served: Served) -> None:
    """curl asks for HTTP/2 so; what follows is not taken for requests."""
    with served.client() as client:
        client.send(request("GET", "/empty", Connection="Upgrade, HTTP2-Settings", Upgrade="h2c"), GET)
        assert client.answer().status == 200
        assert client.ends()


def test_a_websocket_lives_as_long_as_it_likes(served: Served) -> None:
    """Beyond all deadlines of requests: the server pings its client itself."""
    with connect(f"ws://127.0.0.1:{next(iter(served.ports.values()))}/any") as socket_:
        for size in (1, 100_000, 5):
            socket_.send(bytes(size))
            assert socket_.recv(10) == bytes(size)
            served.later(10 * KEEP_ALIVE_S)
    assert served.empties()


def test_a_connection_that_fails_leaves_the_others_their_deadlines(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.client() as odd, served.client() as client:
        odd.send(half())
        served.looked()
        monkeypatch.setattr(protocol.Protocol, "_look_at_body", lambda self, now: 1 / 0)
        served.later(HEAD_S)
        assert odd.ends() and client.ends()


# ---- answers that nobody takes


def test_who_takes_nothing_of_an_answer_is_cut_off(served: Served, doors: Doors) -> None:
    with served.client() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(request("GET", "/endless"))
        while not served.call(lambda: any(one.flow.write_paused for one in served.server.server_state.connections)):  # type: ignore[union-attr]
            served.looked()
        served.later(ANSWER_S - 1)
        assert served.connections == 1
        served.later(ANSWER_S + 1)
        assert doors.ended.wait(10)
        assert served.empties()


def test_a_closed_connection_whose_last_words_nobody_takes_is_cut_off(served: Served) -> None:
    """Closing waits for what is still to be sent: not for ever."""
    with served.client() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(request("GET", "/endless"))
        while not served.call(lambda: any(one.flow.write_paused for one in served.server.server_state.connections)):  # type: ignore[union-attr]
            served.looked()
        served.call(lambda: [one.transport.close() for one in served.server.server_state.connections])
        served.later(0)
        assert served.connections == 1
        served.later(LINGER_S + 1)
        assert served.empties()


# ---- how many


def test_a_crowd_at_one_address_makes_room_for_others(served: Served, doors: Doors) -> None:
    """The oldest idle ones of the address that holds most go; a request that is answered never does."""
    with ExitStack() as stack:
        busy = stack.enter_context(served.client(source="127.0.0.9"))
        busy.send(request("GET", "/slow"))
        assert doors.entered.wait(10)
        quiet = stack.enter_context(served.client(source="127.0.0.8"))
        quiet.send(GET)
        assert quiet.answer().status == 200
        crowd = [stack.enter_context(served.client(source="127.0.0.9")) for _ in range(2)]
        served.looked()
        served.call(lambda: [setattr(one, "since", one.since - 1) for one in served.server.server_state.connections])  # type: ignore[union-attr]
        crowd += [stack.enter_context(served.client(source="127.0.0.9")) for _ in range(MOST - 4)]
        served.looked()
        assert served.connections == MOST and quiet.is_open()
        fresh = stack.enter_context(served.client(source="127.0.0.7"))
        fresh.send(GET)
        assert fresh.answer().status == 200
        gone = [client for client in crowd if not client.is_open()]
        assert gone == crowd[: MOST // 32]
        quiet.send(GET)
        assert quiet.answer().status == 200
        doors.open.set()
        assert b"done" in busy.answer().body


def test_slow_bodies_make_room_too(served: Served) -> None:
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(served.client(source="127.0.0.9")).send(half())
        served.looked()
        fresh = stack.enter_context(served.client())
        fresh.send(GET)
        assert fresh.answer().status == 200
        assert served.connections <= MOST


def test_when_all_are_busy_a_new_one_is_told_to_come_back(served: Served, doors: Doors) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(served.client()) for _ in range(MOST)]
        for client in busy:
            client.send(request("GET", "/slow"))
        served.looked()
        late = stack.enter_context(served.client())
        late.send(GET)
        answer = late.answer()
        assert answer.status == 503 and answer.headers["retry-after"] == "5" and b"serviceUnavailable" in answer.body
        assert late.ends()
        doors.open.set()
        assert [client.answer().status for client in busy] == [200] * MOST


def test_nothing_is_left_of_a_thousand_connections(served: Served) -> None:
    for _ in range(1000 // MOST):
        with ExitStack() as stack:
            for number in range(MOST):
                client = stack.enter_context(served.client(source=f"127.0.0.{number % 5 + 2}"))
                client.send((b"", GET[:9], half(), GET)[number % 4])
            served.looked()
            served.later(HEAD_S + BODY_S)
            served.later(HEAD_S + BODY_S + KEEP_ALIVE_S)
    assert served.empties() and served.limits.leaving == 0


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_whose_share(address: str, share: str) -> None:
    assert share_of(address) == share


def test_the_limit_stays_below_that_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    for limits, most, asked in (
        ((1024, 1 << 20), connections.MOST, [(connections.MOST + connections.OTHER_FILES, 1 << 20)]),
        ((1024, 4096), 4096 - connections.OTHER_FILES, [(4096, 4096)]),
        ((1 << 20, 1 << 20), connections.MOST, []),
        ((256, 256), connections.FEWEST, []),
        ((1024, -1), connections.MOST, [(connections.MOST + connections.OTHER_FILES, -1)]),
    ):
        raised.clear()
        monkeypatch.setattr(connections.resource, "getrlimit", lambda _which, limits=limits: limits)
        monkeypatch.setattr(connections.resource, "setrlimit", lambda _which, pair: raised.append(pair))
        assert (connections.most_connections(), raised) == (most, asked)


def test_bodies_of_strangers_have_a_limit_together(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not known before the body is read may send a large one, and not everybody at once."""
    monkeypatch.setattr(app_module, "_MOST_UNPROVEN", 250_000)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(served.client()).send(half(200_000))
        served.looked()
        late = stack.enter_context(served.client())
        late.send(half(200_000))
        assert late.answer().status == 503
        small = stack.enter_context(served.client())
        small.send(half(8_000), bytes(4_000))
        assert small.answer().body == b'{"size":8000}'
        known = request("PUT", "/known", bytes(100_000), X_Secret="right")
        assert served.ask(known, pieces=4).body == b'{"size":100000}'
    assert served.empties() and served.app.unproven == 0
    assert served.ask(request("PUT", "/body", bytes(200_000)), pieces=4).status == 200
