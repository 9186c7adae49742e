"""The screen of a simulated guest, through the console's own websocket, as noVNC's handshake goes (RFC 6143)."""

from __future__ import annotations

import asyncio
import struct
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import websockets
from hypothesis import given, settings
from hypothesis import strategies as st

from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.desired.kinds import Kind
from cumulet.node.parts import NotYet
from cumulet.node.simulated import SimulatedParts
from cumulet.services.compute.console import letters, still
from tests.e2e.screen_client import Rfb
from tests.services.compute.conftest import Nova, token_of
from tests.services.serving import Running


async def connected(served: Running, token: str, work: Callable[[Rfb], Awaitable[Any]]) -> Any:
    where = f"ws://127.0.0.1:{served.port}/?token={token}"
    async with websockets.connect(where, subprotocols=["binary"], max_size=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "binary"
        return await work(Rfb(socket))


def test_a_simulated_guest_greets(nova: Nova, demo: httpx.Client, console: Running) -> None:
    nova.context.simulated = True
    token = token_of(demo, nova.active(demo, "web"))

    async def look(screen: Rfb) -> tuple[tuple[int, int], int]:
        size = await screen.greet()
        return size, await screen.lit(*size)

    size, lit = asyncio.run(connected(console, token, look))
    assert size == (still.WIDTH, still.HEIGHT) and lit == size[0] * size[1], "its paper is not black"


class Nothing:
    """A world in which nothing else is wanted."""

    complete = True

    def spec(self, kind: Kind, ref: str) -> Any:
        return None

    def specs(self, kind: Kind) -> dict[str, Any]:
        return {}

    def refused(self, kind: Kind) -> set[str]:
        return set()


@pytest.mark.parametrize("power", ["on", "off"])
def test_a_simulated_host_says_who_has_one(power: Any) -> None:
    guest_id = str(uuid.UUID(int=1))
    spec = Guest(id=guest_id, name="instance-00000001", display_name="x", vcpus=1, memory_mb=1, root_gb=1, power=power)
    item = Item(host="sim-0001", kind="guest", ref=guest_id, revision=1, spec=spec)
    parts, facts = SimulatedParts(1), None
    while facts is None:
        try:
            facts = parts.ensure(item, spec, Nothing())
        except NotYet as later:
            time.sleep(later.after_s)
    assert facts["screen"] is (power == "on")


class Pipe:
    """A websocket's two calls on the streams of a screen."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def recv(self) -> bytes:
        return await self.reader.read(65536)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)


async def asked(lines: list[str], work: Callable[[Rfb, Pipe], Awaitable[Any]]) -> Any:
    pipe = Pipe(*await still.opened("title", lines))
    try:
        return await work(Rfb(pipe), pipe)
    finally:
        pipe.writer.close()
        await asyncio.gather(*still._running)


def encoded(points: still.Format, text: list[str]) -> list[bytes]:
    colours = points.point((0x10, 0x18, 0x28)), points.point((0xE8, 0xE8, 0xE8))
    return [b"".join(colours[point] for point in row) for row in letters.drawn(text, still.WIDTH, still.HEIGHT)]


FORMATS = [
    still.Format(),
    still.Format(32, True, (255, 255, 255), (0, 8, 16)),
    still.Format(16, False, (31, 63, 31), (11, 5, 0)),
    still.Format(8, False, (7, 7, 3), (0, 3, 6)),
]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.tuples(st.integers(0, 700), st.integers(0, 300), st.integers(0, 700), st.integers(0, 300)),
    st.lists(st.text(max_size=60), max_size=8),
)
def test_every_part_in_every_format(points: still.Format, area: tuple[int, int, int, int], lines: list[str]) -> None:
    async def work(screen: Rfb, pipe: Pipe) -> bytes:
        await screen.greet()
        await pipe.send(b"\x00\0\0\0" + points.encoded())
        await pipe.send(struct.pack(">BBHHHH", 3, 1, 0, 0, 640, 240))  # what is new: nothing, and no answer
        await pipe.send(struct.pack(">BBxxI", 4, 1, 65) + struct.pack(">BBHH", 5, 1, 3, 4))
        await pipe.send(struct.pack(">B3xI", 6, 5) + b"words")
        await pipe.send(struct.pack(">BBHHHH", 3, 0, *area))
        kind, count = struct.unpack(">BxH", await screen.read(4))
        assert kind == 0
        x, y, width, height = area
        width, height = max(0, min(width, still.WIDTH - x)), max(0, min(height, still.HEIGHT - y))
        if not width or not height:
            assert count == 0
            return b""
        assert count == 1
        assert struct.unpack(">HHHHi", await screen.read(12)) == (x, y, width, height, 0)
        size = points.bits // 8
        rows = encoded(points, lines)[y : y + height]
        expected = b"".join(row[x * size : (x + width) * size] for row in rows)
        assert await screen.read(len(expected)) == expected
        return expected

    asyncio.run(asked(lines, work))


@pytest.mark.parametrize("version", [3, 7, 8])
def test_older_versions_of_the_protocol(version: int) -> None:
    async def work(screen: Rfb, pipe: Pipe) -> bytes:
        await screen.read(12)
        await pipe.send(b"RFB 003.%03d\n" % version)
        if version == 3:
            assert await screen.read(4) == b"\0\0\0\1"
        else:
            assert await screen.read(2) == b"\1\1"
            await pipe.send(b"\1")
        if version == 8:
            assert await screen.read(4) == bytes(4)
        await pipe.send(b"\1")
        assert struct.unpack(">HH", await screen.read(4)) == (still.WIDTH, still.HEIGHT)
        await screen.read(16)
        return await screen.read(struct.unpack(">I", await screen.read(4))[0])

    assert asyncio.run(asked([], work)) == b"title"


GOOD = b"RFB 003.008\n\1\1"


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n",
        b"RFB 003.xyz\n",
        b"RFB 003.008\n\2",
        GOOD + b"\xff",
        GOOD + b"\x00\0\0\0" + struct.pack(">BBBBHHHBBB3x", 24, 24, 0, 1, 255, 255, 255, 16, 8, 0),
        GOOD + b"\x00\0\0\0" + struct.pack(">BBBBHHHBBB3x", 8, 8, 0, 0, 0, 0, 0, 0, 0, 0),
        GOOD + b"\x00\0\0\0" + struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 255, 8, 0),
        GOOD + struct.pack(">B3xI", 6, 1 << 31),
    ],
)
def test_what_no_client_says_ends_it(said: bytes) -> None:
    async def work(screen: Rfb, pipe: Pipe) -> bytes:
        await pipe.send(said)
        return await pipe.reader.read()

    asyncio.run(asked([], work))
    assert not still._running


def test_letters_can_be_read() -> None:
    """An H: two strokes and a bar, at twice its size, below and beside a margin."""
    rows = letters.drawn(["h"], 24, 40)
    shown = ["".join(" #"[point] for point in row).strip() for row in rows if any(row)]
    assert shown == ["##      ##"] * 6 + ["##########"] * 2 + ["##      ##"] * 6
    assert len(rows) == 40 and {len(row) for row in rows} == {24}
