"""Sealing a stream: chunks that are encrypted and authenticated, with a key from a passphrase or a key file.

A sealed file is a line that says what it is, a line of JSON that says how it is sealed, and chunks: four bytes of
length (the highest bit marks the last one) and AES-256-GCM's text, whose nonce is the chunk's number. The two lines and
the mark of the last chunk are authenticated with every chunk, and each file has a key of its own: so a chunk that is
changed, missing, moved or another file's is refused, and so is a file that ends early. Without a seal a chunk ends with
a SHA-256 over the same: that finds damage, not malice.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cumulet.cli.errors import CliError

MAGIC = b"CUMULET BACKUP 1\n"
CHUNK = 256 << 10
SCRYPT = {"n": 1 << 16, "r": 8, "p": 1}
"""64 MB and about a fifth of a second for each guess at a passphrase."""
LEAST_PASSPHRASE, LEAST_KEY, MOST_SECRET = 8, 32, 4096
_LAST = 1 << 31
_LINE = 1024


class Secret:
    """A passphrase, or a key file's bytes. `kind`: ``passphrase`` or ``key``."""

    def __init__(self, kind: str, value: bytes) -> None:
        self.kind, self.value = kind, value

    def __repr__(self) -> str:
        return f"Secret({self.kind!r})"

    def derive(self, salt: bytes, how: dict[str, Any]) -> bytes:
        """64 bytes for one file: the key, and what its head shows of it."""
        if self.kind == "key":
            return HKDF(hashes.SHA256(), 64, salt, b"cumulet backup").derive(self.value)
        return Scrypt(salt=salt, length=64, n=how["n"], r=how["r"], p=how["p"]).derive(self.value)


def read_secret(kind: str, path: Path) -> Secret:
    """The passphrase (the file's first line) or the key (all of it) in a file that only its owner may read."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise CliError(f"{path} may be read by others: chmod 600 {path}")
            value = file.read(MOST_SECRET + 1)
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}") from None
    if len(value) > MOST_SECRET:
        raise CliError(f"{path} is longer than {MOST_SECRET} bytes: it is no {kind}")
    if kind == "passphrase":
        return passphrase(value.split(b"\n")[0].rstrip(b"\r").decode("utf-8", "surrogateescape"), str(path))
    if len(value) < LEAST_KEY:
        raise CliError(f"{path} has fewer than {LEAST_KEY} bytes; make a key with: head -c 32 /dev/urandom > {path}")
    return Secret("key", value)


def passphrase(text: str, where: str) -> Secret:
    """A passphrase, from the place `where`."""
    if len(text) < LEAST_PASSPHRASE:
        raise CliError(f"the passphrase in {where} has fewer than {LEAST_PASSPHRASE} characters")
    return Secret("passphrase", text.encode("utf-8", "surrogateescape"))


class SealedWriter:
    """Writes a sealed stream into `file`. `close` writes the last chunk; without it the stream is refused."""

    def __init__(self, file: IO[bytes], secret: Secret | None) -> None:
        salt = secrets.token_bytes(16)
        how: dict[str, Any] = {"seal": secret.kind if secret else "none", "salt": salt.hex(), **SCRYPT}
        derived = secret.derive(salt, how) if secret else b""
        if secret:
            how["check"] = _check(derived)
        head = MAGIC + json.dumps(how).encode() + b"\n"
        self._file, self._buffer, self._number = file, bytearray(), 0
        self._seal = _Seal(derived[:32], hashlib.sha256(head).digest())
        file.write(head)

    def write(self, data: bytes) -> None:
        """Add to the stream."""
        self._buffer += data
        while len(self._buffer) > CHUNK:
            self._put(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]

    def close(self) -> None:
        """End the stream."""
        self._put(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _put(self, data: bytes, *, last: bool) -> None:
        chunk = self._seal.close(self._number, data, last)
        self._file.write(struct.pack(">I", len(chunk) | (_LAST if last else 0)) + chunk)
        self._number += 1


class _Seal:
    """Closes and opens chunks by their number."""

    def __init__(self, key: bytes, head: bytes) -> None:
        self._cipher = AESGCM(key) if key else None
        self._head = head

    def _place(self, number: int, last: bool) -> tuple[bytes, bytes]:
        """The nonce, and what is authenticated beside the data."""
        return struct.pack(">IQ", 0, number), self._head + struct.pack(">Q?", number, last)

    def close(self, number: int, data: bytes, last: bool) -> bytes:
        nonce, beside = self._place(number, last)
        if self._cipher is None:
            return data + hashlib.sha256(beside + data).digest()
        return self._cipher.encrypt(nonce, data, beside)

    def open(self, number: int, chunk: bytes, last: bool) -> bytes:
        """Raises InvalidTag."""
        nonce, beside = self._place(number, last)
        if self._cipher is not None:
            return self._cipher.decrypt(nonce, chunk, beside)
        data, sum_ = chunk[:-32], chunk[-32:]
        if not hmac.compare_digest(hashlib.sha256(beside + data).digest(), sum_):
            raise InvalidTag
        return data


def seal_of(file: IO[bytes], name: str) -> dict[str, Any]:
    """How a file is sealed (``seal``: ``passphrase``, ``key`` or ``none``); the file is then at its first chunk.

    Raises CliError for what is no backup, or one of another format.
    """
    magic = file.readline(64)
    if magic != MAGIC:
        later = magic.startswith(MAGIC.rpartition(b" ")[0]) and magic.endswith(b"\n")
        raise CliError(f"{name} was made by a newer Cumulet; install that one" if later else f"{name} is no backup")
    try:
        how = json.loads(file.readline(_LINE))
        kinds = {"seal": str, "salt": str, "n": int, "r": int, "p": int} | ({"check": str} if "check" in how else {})
        good = all(isinstance(how.get(key), kind) for key, kind in kinds.items())
        good = good and how["seal"] in ("passphrase", "key", "none") and ("check" in how) == (how["seal"] != "none")
        n, r, p = how["n"], how["r"], how["p"]  # of a stranger's file: at most 256 MB, and seconds
        good = good and 2 <= n <= 1 << 18 and n & (n - 1) == 0 and 1 <= r <= 8 and 1 <= p <= 4
        bytes.fromhex(how["salt"])
    except (ValueError, TypeError, AttributeError, KeyError):
        good = False
    if not good:
        raise CliError(f"{name} is damaged: its second line cannot be read. Take another backup")
    return dict(how)


def opened(file: IO[bytes], name: str, secret: Secret | None) -> Iterator[bytes]:
    """The stream of a sealed file, chunk by chunk; each is whole and in its place. Raises CliError, at the end too,
    when the stream was cut off."""
    file.seek(0)
    how = seal_of(file, name)
    at = file.tell()
    file.seek(0)
    head = file.read(at)
    if how["seal"] != "none" and (secret is None or secret.kind != how["seal"]):
        raise CliError(f"{name} is sealed with a {_WORDS[how['seal']]}: give it with --{_FLAGS[how['seal']]} FILE")
    derived = b""
    if secret is not None and how["seal"] != "none":
        derived = secret.derive(bytes.fromhex(how["salt"]), how)
        if not hmac.compare_digest(_check(derived), how["check"]):
            raise CliError(f"{name} was sealed with another {_WORDS[how['seal']]}, or its second line is damaged")
    return _chunks(file, name, _Seal(derived[:32], hashlib.sha256(head).digest()))


_WORDS = {"passphrase": "passphrase", "key": "key file"}
_FLAGS = {"passphrase": "passphrase-file", "key": "key-file"}


def _chunks(file: IO[bytes], name: str, seal: _Seal) -> Iterator[bytes]:
    number, last = 0, False
    while not last:
        size = file.read(4)
        length = struct.unpack(">I", size)[0] if len(size) == 4 else 0
        last, length = bool(length & _LAST), length & ~_LAST
        chunk = file.read(length) if length <= CHUNK + 32 else b""
        if len(size) < 4 or (length <= CHUNK + 32 and len(chunk) < length):
            raise CliError(f"{name} is not whole: it ends in the middle. Nothing was restored; take another backup")
        try:
            data = seal.open(number, chunk, last)
        except InvalidTag:
            raise CliError(
                f"{name} was changed or is damaged (at chunk {number + 1}). Nothing was restored; take another backup"
            ) from None
        yield data
        number += 1
    if file.read(1):
        raise CliError(f"{name} was changed: something was added at its end. Nothing was restored")


def _check(derived: bytes) -> str:
    """What a file shows of its key, so that a wrong passphrase is told from a damaged file."""
    return hmac.digest(derived[32:], b"check", "sha256").hex()
