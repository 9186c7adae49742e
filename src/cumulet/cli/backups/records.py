"""What is written down in a backup: records, one after the other, compressed. A reader takes only these shapes.

First `Head`; then rows (`store.copies`: a `Form`, then `Rows`); files (`FileStart`, `Bytes`, `FileEnd`); images that
lie elsewhere (`Elsewhere`); at the end `End`, which counts what there was. A record is a letter, four bytes of length,
and MessagePack.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from cumulet.cli.errors import CliError
from cumulet.db.copies import Form, Rows

LONGEST = 256 << 20
"""Bytes of a record: more than a batch of rows with the longest texts that the APIs take."""
LEVEL = 3
_STEP = 1 << 20


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where this comes from. `schema`: revision of the tables; `made_at`: microseconds since the epoch; `node`: the
    name of the machine's node; `images`: ``left out``, ``inside`` or where they lie."""

    version: str
    schema: str
    made_at: int
    database: str
    state: str
    node: str
    simulated: bool
    secrets: bool
    images: str


class FileStart(msgspec.Struct, frozen=True, array_like=True):
    """A file of the state folder begins: its path there, its size when it was looked at, and whether all may read
    it. `reader`: the controller's user reads it as its ``owner`` or as its ``group``; empty otherwise."""

    path: str
    size: int
    open: bool = False
    reader: str = ""


class Bytes(msgspec.Struct, frozen=True, array_like=True):
    """More of the file that began last."""

    data: bytes


class FileEnd(msgspec.Struct, frozen=True, array_like=True):
    """The file is over. `sha256` of what was read."""

    sha256: str


class Elsewhere(msgspec.Struct, frozen=True, array_like=True):
    """An image's file (its path in the state folder) whose bytes lie beside the backup, as the object of this hash."""

    path: str
    size: int
    sha256: str


class End(msgspec.Struct, frozen=True, kw_only=True):
    """What there was: rows by table, files, images; `left_out`: sentences about what could not be taken."""

    tables: dict[str, int]
    files: int
    images: int
    left_out: list[str] = []


Record = Head | Form | Rows | FileStart | Bytes | FileEnd | Elsewhere | End
_KINDS: dict[bytes, type[Any]] = {
    b"h": Head,
    b"t": Form,
    b"r": Rows,
    b"f": FileStart,
    b"b": Bytes,
    b"e": FileEnd,
    b"i": Elsewhere,
    b"z": End,
}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}
_DECODERS = {letter: msgspec.msgpack.Decoder(kind) for letter, kind in _KINDS.items()}
_encode = msgspec.msgpack.Encoder().encode


def packed(record: Record) -> bytes:
    """A record as it is written down."""
    data = _encode(record)
    return _LETTERS[type(record)] + struct.pack(">I", len(data)) + data


def compressed(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The stream, compressed."""
    packer = zlib.compressobj(LEVEL)
    for data in stream:
        if out := packer.compress(data):
            yield out
    yield packer.flush()


class Reader:
    """Takes a stream apart into records; it may come in pieces of any length."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Record]:
        """The records that are whole by now. Raises ValueError for what is none."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 5:
            (length,) = struct.unpack_from(">I", buffer, at + 1)
            decoder = _DECODERS.get(bytes(buffer[at : at + 1]))
            if length > LONGEST or decoder is None:
                raise ValueError("a record is of no known kind")
            if len(buffer) - at < 5 + length:
                break
            try:
                yield decoder.decode(buffer[at + 5 : at + 5 + length])
            except RecursionError:
                raise ValueError("a record is too deep") from None
            at += 5 + length
        del buffer[:at]

    @property
    def empty(self) -> bool:
        """Whether nothing is left of a record that was not whole."""
        return not self._buffer


def records(stream: Iterable[bytes], name: str) -> Iterator[Record]:
    """The records of a compressed stream, in an order that makes sense: the head first, the end last.

    Raises CliError for anything else, and hands on what `stream` raises.
    """
    began = over = False
    reader = Reader()
    for data in _expanded(stream, name):
        try:
            for record in reader.feed(data):
                if isinstance(record, Head) == began or over:
                    raise ValueError("its records are out of order")
                began, over = True, isinstance(record, End)
                yield record
        except ValueError as error:  # msgspec's are such
            raise damaged(name, str(error)) from None
    if not over or not reader.empty:
        raise damaged(name, "its last record is missing")


def damaged(name: str, why: str) -> CliError:
    """The sentence for a backup that makes no sense."""
    return CliError(f"{name} is damaged ({why}). Nothing was restored; take another backup")


def _expanded(stream: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The stream as it was before, in steps that fit into memory whatever it says."""
    unpacker = zlib.decompressobj()
    try:
        for data in stream:
            while data:
                yield unpacker.decompress(data, _STEP)
                data = unpacker.unconsumed_tail
        yield unpacker.flush()
        if not unpacker.eof or unpacker.unused_data:
            raise damaged(name, "its stream is not whole")
    except zlib.error:
        raise damaged(name, "its stream cannot be read") from None
