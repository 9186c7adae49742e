"""A browser's side of the console, run inside a test machine: what the screen behind a console address shows.

    screen_client.py URL [--origin ORIGIN] [--type WORDS]

Prints one line of JSON: {"width", "height", "lit", "lit_after"} (pixels that are not black, before and after typing),
or {"refused": status} when the websocket was not accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websockets

_ENTER = 0xFF0D


class Rfb:
    """As much of the RFB protocol (RFC 6143) as it takes to see and to type."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._got = socket, b""

    async def read(self, size: int) -> bytes:
        while len(self._got) < size:
            piece = await asyncio.wait_for(self._socket.recv(), 20)
            assert isinstance(piece, bytes), "text on a binary connection"
            self._got += piece
        piece, self._got = self._got[:size], self._got[size:]
        return piece

    async def greet(self) -> tuple[int, int]:
        """Shake hands; width and height."""
        assert await self.read(12) == b"RFB 003.008\n"
        await self._socket.send(b"RFB 003.008\n")
        kinds = await self.read((await self.read(1))[0])
        assert 1 in kinds, f"no connection without a password: {kinds!r}"
        await self._socket.send(b"\x01")
        assert await self.read(4) == bytes(4)
        await self._socket.send(b"\x01")
        width, height = struct.unpack(">HH", await self.read(4))
        await self.read(16)
        await self.read(struct.unpack(">I", await self.read(4))[0])
        true_colour = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        await self._socket.send(b"\x00\0\0\0" + true_colour)
        await self._socket.send(struct.pack(">BxHi", 2, 1, 0))
        return width, height

    async def lit(self, width: int, height: int) -> int:
        """Ask for the whole screen; how many of its pixels are not black."""
        await self._socket.send(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
        picture = bytearray(width * height)
        seen = 0
        while seen < width * height:
            kind = (await self.read(1))[0]
            assert kind == 0, f"message {kind}"
            for _ in range(struct.unpack(">xH", await self.read(3))[0]):
                x, y, w, h, encoding = struct.unpack(">HHHHi", await self.read(12))
                assert encoding == 0, encoding
                raw = await self.read(w * h * 4)
                seen += w * h
                for row in range(h):
                    line = raw[row * w * 4 : (row + 1) * w * 4]
                    start = (y + row) * width + x
                    picture[start : start + w] = bytes(any(line[i : i + 3]) for i in range(0, len(line), 4))
        return sum(picture)

    async def press(self, symbol: int) -> None:
        """A key down and up again."""
        for down in (1, 0):
            await self._socket.send(struct.pack(">BBxxI", 4, down, symbol))
        await asyncio.sleep(0.1)


async def look(url: str, origin: str | None, words: str) -> dict[str, int]:
    """Open the websocket as noVNC does for this address, and look."""
    split = urlsplit(url)
    path = parse_qs(split.query)["path"][0]
    options: dict[str, Any] = {"origin": origin, "subprotocols": ["binary"], "open_timeout": 20, "max_size": None}
    try:
        async with websockets.connect(f"ws://{split.netloc}/{path}", **options) as socket:
            screen = Rfb(socket)
            width, height = await screen.greet()
            seen = {"width": width, "height": height, "lit": await screen.lit(width, height)}
            for letter in words:
                await screen.press(_ENTER if letter == "\n" else ord(letter))
            await asyncio.sleep(2)
            return seen | {"lit_after": await screen.lit(width, height)}
    except websockets.InvalidStatus as refused:
        return {"refused": refused.response.status_code}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--origin")
    parser.add_argument("--type", default="")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(look(given.url, given.origin, given.type))))
