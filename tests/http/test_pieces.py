"""However a request is cut into reads, and whatever else a read holds, it is the same request (finding S7)."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cumulet.auth import Policy
from cumulet.db import Database
from cumulet.http import Call, Service
from cumulet.http.app import App
from cumulet.http.faults import nova_body
from cumulet.http.mount import Mount
from cumulet.http.protocol import MOST_HEAD, MOST_HEADERS, MOST_QUEUED
from tests.http.served import Served, cut, headed, request
from tests.http.test_app import authenticate

LIMIT = 300_000
EDGES = (0, 1, 2, 3, 4, 100, 4_096, 65_535, 65_536, 65_537, 114_688, 200_000, 262_143, 262_144, 262_145, LIMIT)
BLOCK = bytes(range(251)) * (LIMIT // 251 + 1)
BLANK = b"0\r\n\r\nGET /empty HTTP/1.1\r\n\r\n" * (LIMIT // 25)


def service() -> Service:
    found = Service("compute", faults=nova_body)

    @found.get("/empty", auth=False, transaction="none")
    def empty(call: Call) -> dict[str, str]:
        return {}

    @found.put("/digest", auth=False, raw_body=True, body_limit=LIMIT, transaction="none")
    def digest(call: Call) -> dict[str, str]:
        return {"digest": hashlib.sha256(call.body).hexdigest()}

    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = service()
    app = App(Database(tmp_path_factory.mktemp("pieces") / "db.sqlite"), {}, authenticate)
    found = Served(app, {"compute": Mount(made, None, Policy(made.rules))})
    yield found
    found.close()


def check(served: Served, bodies: list[bytes], stream: bytes, places: Any) -> None:
    """Each body is answered with its digest, in order, when `stream` is sent in pieces that end at `places`."""
    with served.client() as client:
        client.send(*cut(stream, places))
        for body in bodies:
            answer = client.answer()
            assert answer.status == 200, (answer, places, len(body))
            assert hashlib.sha256(body).hexdigest().encode() in answer.body
        assert client.is_open()


def put(body: bytes, chunks: list[int] | None = None, **headers: str) -> bytes:
    return request("PUT", "/digest", body, chunks=chunks, **headers)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("chunks", [None, [], [1, 65_536, 3]], ids=["length", "a chunk", "chunks"])
def test_bodies_of_every_size_whole_and_cut_anywhere(size: int, chunks: list[int] | None, served: Served) -> None:
    body = BLOCK[:size]
    stream = put(body, chunks)
    head, end = stream.index(b"\r\n\r\n") + 4, len(stream)
    check(served, [body], stream, [])
    for place in {*range(head - 4, head + 2), 65_535, 65_536, 65_537, 262_144, *range(end - 6, end)}:
        check(served, [body], stream, [place])
    check(served, [body], stream, [head, end - 1])
    check(served, [body], stream, range(0, end, max(1, end // 12)))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[bytes], bytes, list[int]]:
    """A few requests on one connection: their bodies, all bytes, and where these are cut."""
    bodies, stream, edges = [], b"", [0]
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.one_of(st.integers(0, 200), st.sampled_from(EDGES), st.integers(0, LIMIT)))
        body = draw(st.sampled_from((BLOCK, BLANK)))[:size]
        chunks = draw(st.one_of(st.none(), st.lists(st.integers(1, 70_000), max_size=4)))
        padding = {"X-Pad": "a" * draw(st.sampled_from((1, 1, 3000, 60_000)))}
        one = put(body, chunks, **padding)
        edges += [len(stream) + one.index(b"\r\n\r\n"), len(stream) + len(one)]
        bodies.append(body)
        stream += one
    near = st.builds(lambda edge, by: edge + by, st.sampled_from(edges), st.integers(-6, 6))
    places = draw(st.lists(st.one_of(near, st.integers(0, len(stream))), max_size=12))
    return bodies, stream, places


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations())
def test_requests_one_after_the_other_cut_anywhere(served: Served, talk: tuple[list[bytes], bytes, list[int]]) -> None:
    bodies, stream, places = talk
    check(served, bodies, stream, places)


@pytest.mark.parametrize("size", [0, 1, 66_000, 200_000])
def test_who_waits_for_100_sends_after_it(size: int, served: Served) -> None:
    body = BLOCK[:size]
    head, _, sent = put(body, None, Expect="100-continue").partition(b"\r\n\r\n")
    with served.client() as client:
        client.send(head + b"\r\n\r\n")
        assert client.answer().status == 100
        client.send(*cut(sent, [1, 65_536]))
        assert client.answer().status == 200
        client.send(put(b"again"))
        assert client.answer().status == 200


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(-3, 3),
    st.sampled_from((None, [], [5])),
    st.sampled_from((0, 1, 70_000)),
    st.lists(st.one_of(st.integers(0, 140_000), st.integers(-8, 8)), max_size=8),
)
@example(3, None, 0, [-3, -2, -1])
@example(0, None, 1, [-5, -4, -3, -2, -1])
def test_a_head_has_a_limit_to_the_byte(
    served: Served, over: int, chunks: list[int] | None, before: int, places: list[int]
) -> None:
    """The first request, or one that follows on another whose end came in the same read."""
    body = BLOCK[:before]
    first = put(body, chunks)
    stream = first + headed(MOST_HEAD + over)
    where = [place if place > 8 else len(first) + place for place in places]
    with served.client() as client:
        client.send(*cut(stream, where))
        assert client.answer().status == 200
        try:
            assert client.answer().status == (431 if over > 0 else 200)
        except EOFError:  # the first was still being answered: its answer was the last
            assert over > 0
        assert client.ends() if over > 0 else client.is_open()
    answer = served.ask(headed(MOST_HEAD + over), pieces=len(places) + 1)
    assert answer.status == (431 if over > 0 else 200)
    assert (b"computeFault" in answer.body) == (over > 0)


@pytest.mark.parametrize("step", [1, 1000, 60_000])
def test_a_head_without_an_end_is_refused_at_its_limit(step: int, served: Served) -> None:
    """Also one that has no first line, or that begins with empty ones."""
    for start in (b"", b"\r\n" * 40_000, b"GET / HTTP/1.1\r\n", b"GET /" + b"a" * 70_000):
        stream = (start + b"X: " + b"a" * MOST_HEAD)[: MOST_HEAD + 1]
        with served.client() as client:
            client.send(*cut(stream, range(MOST_HEAD - 5 * step, MOST_HEAD + 1, step)))
            assert client.answer().status in (431, 400)
            assert client.ends()


def test_what_follows_on_a_request_never_breaks_its_answer(served: Served) -> None:
    """A broken or endless second request waits for the first one's answer, and ends the connection after it."""
    for bad in (b"rubbish\r\n\r\n", headed(MOST_HEAD + 1)):
        with served.client() as client:
            client.send(put(b"good") + bad)
            answer = client.answer()
            assert answer.status == 200 and hashlib.sha256(b"good").hexdigest().encode() in answer.body
            with contextlib.suppress(EOFError):
                assert client.answer().status in (400, 431)
            assert client.ends()


@pytest.mark.parametrize("cut_at", [[], [9000], range(0, 14_000, 700)], ids=["whole", "two", "many"])
def test_many_headers_are_too_many_however_they_come(cut_at: Any, served: Served) -> None:
    for number, status in ((MOST_HEADERS - 1, 200), (MOST_HEADERS, 431), (20_000, 431)):
        stream = b"GET /empty HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * number
        with served.client() as client:
            client.send(*cut(stream[: MOST_HEAD - 2] + b"\r\n", cut_at))
            assert client.answer().status == status


def test_requests_that_wait_for_their_turn_stay_unread(served: Served) -> None:
    """Thousands of them in one piece are answered one by one, and take no memory before it is their turn."""
    one, many = request("GET", "/empty"), put(b"a")
    queued: list[int] = []
    held: list[int] = []

    def count() -> None:
        for connection in served.server.server_state.connections:
            queued.append(len(connection.pipeline))  # type: ignore[union-attr]
            held.append(len(connection.flow.held))  # type: ignore[union-attr]

    with served.client() as client:
        sending = threading.Thread(target=client.sock.sendall, args=(many * 5000 + put(BLOCK[:70_000]) + one,))
        sending.start()
        for number in range(5000):
            assert client.answer().status == 200
            if number % 100 == 0:
                served.call(count)
        assert hashlib.sha256(BLOCK[:70_000]).hexdigest().encode() in client.answer().body
        assert client.answer().status == 200
        assert client.is_open()
        sending.join(10)
    assert max(queued) <= MOST_QUEUED and max(held) <= 1 << 19
