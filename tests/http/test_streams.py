"""What a connection's bytes mean does not depend on how they came: the protocol, which counts heads and bodies and
feeds the parser in parts, hears the same requests as a parser that gets all at once."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import httptools
import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from cumulet.http.connections import Connections
from cumulet.http.protocol import Protocol

Heard = list[tuple[bytes, bytes]]

PARTS = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab\r\n\r\r\n0\r\n\r\n",
    b"POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\n\r\n\r\n\r\n3\r\n\n\r\n\r\n0\r\nTr: 1\r\n\r\n",
    b"POST /e HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET /z HTTP/1.1\r\n\r\n",
    b"PUT /f HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    b"POST /g HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
    b"GET /h HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n",
    b"POST /i HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /j HTTP/1.1\nHost: x\n\n",
    b"POST /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nzz\n0\n\n",
    b"\r\n",
]

WELL_FORMED = 8  # the first of them


class Wire:
    """A transport that keeps nothing but whether it is closed and whether it is read."""

    closed = paused = False

    def get_extra_info(self, name: str) -> Any:
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 1)}.get(name)

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Plain:
    """The requests that a parser finds which gets all at once; the last one may have no end."""

    def __init__(self, data: bytes) -> None:
        self.heard: Heard = []
        self.parser = httptools.HttpRequestParser(self)
        self.broken = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.broken = True

    def on_message_begin(self) -> None:
        self.url, self.content = b"", b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.content += body

    def on_message_complete(self) -> None:
        self.heard.append((self.url, self.content))


async def heard(pieces: list[bytes]) -> tuple[Heard, Wire]:
    """The requests that operations get, with their bodies."""
    found: Heard = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        found.append((scope["raw_path"], body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = Config(app, ws="none", lifespan="off", log_config=None, interface="asgi3")
    config.load()
    config.loaded_app = app
    protocol, wire = Protocol(Connections(), config, ServerState(), {}, asyncio.get_running_loop()), Wire()
    protocol.connection_made(wire)
    for piece in pieces:
        for _ in range(500):
            if not wire.paused:
                break
            await asyncio.sleep(0)
        if wire.closed:
            break
        assert not wire.paused, "it is never read again"
        protocol.data_received(piece)
    for _ in range(500):
        await asyncio.sleep(0)
    return found, wire


@pytest.mark.parametrize("seed", range(8))
def test_requests_are_the_same_however_they_are_cut(seed: int) -> None:
    """Nothing of one request is read as another."""
    dice = random.Random(seed)
    whole = 0
    for _ in range(60):
        parts = PARTS if dice.random() < 0.3 else PARTS[:WELL_FORMED]
        data = b"".join(dice.choice(parts) for _ in range(dice.randint(1, 12)))
        if dice.random() < 0.25:
            at = dice.randrange(len(data))
            data = data[:at] + dice.choice([b"\r", b"\n", b"\r\n", b"0", b"\0", b""]) + data[at + dice.randint(0, 1) :]
        cuts = sorted({0, len(data), *(dice.randrange(len(data)) for _ in range(dice.choice([0, 1, 3, len(data)])))})
        pieces = [data[one:other] for one, other in itertools.pairwise(cuts)]
        plain = Plain(data)
        found, wire = asyncio.run(heard(pieces))
        assert found == plain.heard[: len(found)], data
        if plain.broken:
            assert wire.closed, data
        else:
            assert found == plain.heard and not wire.paused, data
            whole += len(found)
    assert whole > 50, "the streams say something"
