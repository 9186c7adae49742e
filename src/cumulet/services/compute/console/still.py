"""The screen of a guest that has none: a simulated host's. A picture with a few lines of text, by the RFB protocol (RFC
6143), in this process. It shows its picture to whoever asks and takes no notice of keys and pointers.

What a client says is read in pieces of known size and never kept; what is no RFB ends the connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

from msgspec import Struct

from cumulet.services.compute.console import letters

WIDTH, HEIGHT = 640, 240
_NONE = 1  # the one kind of authentication: the token was it
_PAPER, _INK = (0x10, 0x18, 0x28), (0xE8, 0xE8, 0xE8)
_MOST_TEXT = 1 << 20
_PIECE = 4096
_running: set[asyncio.Task[None]] = set()


class Format(Struct, frozen=True):
    """How a client wants a point: RFC 6143, 7.4, without maps of colours."""

    bits: int = 32
    big_endian: bool = False
    most: tuple[int, int, int] = (255, 255, 255)
    shifts: tuple[int, int, int] = (16, 8, 0)

    def encoded(self) -> bytes:
        depth = sum(most.bit_length() for most in self.most)
        return struct.pack(">BBBBHHHBBB3x", self.bits, depth, self.big_endian, 1, *self.most, *self.shifts)

    @classmethod
    def decoded(cls, data: bytes) -> Format:
        """Raises ValueError for one that is not served."""
        bits, _depth, big_endian, true_colour, *rest = struct.unpack(">BBBBHHHBBB3x", data)
        if bits not in (8, 16, 32) or not true_colour or max(rest[3:]) > 31:
            raise ValueError(f"points of {bits} bits")
        return cls(bits, bool(big_endian), (rest[0], rest[1], rest[2]), (rest[3], rest[4], rest[5]))

    def point(self, colour: Sequence[int]) -> bytes:
        """The bytes of a point of this colour (red, green, blue up to 255)."""
        parts = zip(colour, self.most, self.shifts, strict=True)
        value = sum((part * most // 255) << shift for part, most, shift in parts)
        kind = "big" if self.big_endian else "little"
        return (value & (1 << self.bits) - 1).to_bytes(self.bits // 8, kind)  # type: ignore[arg-type]


async def opened(title: str, lines: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a new screen of that title with these lines on it; closing it ends the screen."""
    near, far = socket.socketpair()
    try:
        reader, writer = await asyncio.open_unix_connection(sock=far)
    except OSError:
        near.close()
        far.close()
        raise
    task = asyncio.create_task(_served(reader, writer, title, letters.drawn(lines, WIDTH, HEIGHT)))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return await asyncio.open_unix_connection(sock=near)


async def _served(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, title: str, picture: Sequence[bytes]
) -> None:
    try:
        await _greeted(reader, writer, title)
        await _shown(reader, writer, picture)
    except (asyncio.IncompleteReadError, OSError, ValueError):
        pass  # the client is gone, or says what no client says
    finally:
        writer.close()


async def _greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, title: str) -> None:
    """Both say their versions, and how nobody needs a password; raises ValueError."""
    writer.write(b"RFB 003.008\n")
    said = await reader.readexactly(12)
    if not said.startswith(b"RFB 003.") or not said.endswith(b"\n"):
        raise ValueError("not a client of RFB")
    version = int(said[8:11])
    if version < 7:
        writer.write(struct.pack(">I", _NONE))
    else:
        writer.write(bytes([1, _NONE]))
        if await reader.readexactly(1) != bytes([_NONE]):
            raise ValueError("another kind of authentication")
    if version >= 8:
        writer.write(struct.pack(">I", 0))
    await reader.readexactly(1)  # whether others may look, too: they may
    name = title.encode()[:1000]
    writer.write(struct.pack(">HH", WIDTH, HEIGHT) + Format().encoded() + struct.pack(">I", len(name)) + name)
    await writer.drain()


async def _shown(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, picture: Sequence[bytes]) -> None:
    """Answer until the client leaves. What is on the screen never changes: whoever asks for what is new waits."""
    points = Format()
    while True:
        kind = (await reader.readexactly(1))[0]
        if kind == 0:
            points = Format.decoded((await reader.readexactly(19))[3:])
        elif kind == 2:
            (count,) = struct.unpack(">xH", await reader.readexactly(3))
            await _skipped(reader, count * 4)
        elif kind == 3:
            incremental, *area = struct.unpack(">BHHHH", await reader.readexactly(9))
            if not incremental:
                writer.write(_update(picture, points, *area))
                await writer.drain()
        elif kind in (4, 5):
            await reader.readexactly(7 if kind == 4 else 5)
        elif kind == 6:
            (length,) = struct.unpack(">3xI", await reader.readexactly(7))
            await _skipped(reader, length)
        else:
            raise ValueError(f"message {kind}")


async def _skipped(reader: asyncio.StreamReader, length: int) -> None:
    if length > _MOST_TEXT:
        raise ValueError(f"{length} bytes")
    while length:
        length -= len(await reader.readexactly(min(length, _PIECE)))


def _update(picture: Sequence[bytes], points: Format, x: int, y: int, width: int, height: int) -> bytes:
    """The part of the picture as one rectangle, point by point; what lies outside of it is left out."""
    width, height = max(0, min(width, WIDTH - x)), max(0, min(height, HEIGHT - y))
    if not width or not height:
        return struct.pack(">BxH", 0, 0)
    colours = points.point(_PAPER), points.point(_INK)
    known: dict[bytes, bytes] = {}
    rows = []
    for row in picture[y : y + height]:
        part = row[x : x + width]
        if part not in known:
            known[part] = b"".join([colours[point] for point in part])
        rows.append(known[part])
    return struct.pack(">BxHHHHHi", 0, 1, x, y, width, height, 0) + b"".join(rows)
