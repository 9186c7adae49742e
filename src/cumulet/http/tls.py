"""TLS on listening sockets: a certificate that is read again when its file changes, and handshakes within bounds.

A connection is nobody's until its handshake is done: here it costs a descriptor and a timer, there are so many of them
in all and so many of one address, and each has a few seconds. Who speaks plain HTTP to such a port is told so.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cumulet.http.connections import share_of

log = logging.getLogger("cumulet.http")

HANDSHAKE_S = 10.0
MOST_HANDSHAKES = 1024
"""At a time, in all; `MOST_OF_ONE` of one address."""
MOST_OF_ONE = 256
_CLIENT_HELLO = 0x16
"""The first byte of every TLS connection; no method of HTTP begins with it."""
_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b"
)
_SENTENCE = b"This port speaks HTTPS: begin the URL with https://\n"


class CertificateError(Exception):
    """A certificate, or its key, that cannot be used; a sentence."""


class Certificate:
    """What the server shows: `chain`, a PEM file of certificates, the own one first, and its `key` (None: in the same
    file). Raises CertificateError."""

    def __init__(self, chain: Path, key: Path | None = None) -> None:
        self.chain, self.key = chain, key
        self._stamp = self._look()
        self.context = self._load()

    def refresh(self) -> bool:
        """Read the files again when they have changed; whether they have. One that is half written, or does not fit its
        key, is left for the next time: what is there stays in use."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return False
            self._stamp, self.context = stamp, self._load()
        except CertificateError as error:
            log.error("the certificate in use stays: %s", error)
            return False
        log.info("the certificate in %s is in use now", self.chain)
        return True

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        try:
            found = [file.stat() for file in (self.chain, self.key or self.chain)]
        except OSError as error:
            raise CertificateError(f"cannot read {error.filename}: {error.strerror}") from None
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_RENEGOTIATION
        try:
            context.load_cert_chain(self.chain, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            what = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise CertificateError(f"cannot use the certificate {self.chain}: {what}") from None
        return context


def _no_password() -> str:
    raise ValueError("its key is locked with a passphrase, and nobody is there to type it")


class Listener:
    """Accepts connections on `sock`, and hands them to protocols of `make` once they are secured."""

    def __init__(self, sock: socket.socket, certificate: Certificate, make: Callable[[], asyncio.Protocol]) -> None:
        self._sock, self._certificate, self._make = sock, certificate, make
        self._pending: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Accept no more; handshakes that run are cut off."""
        self._accepting.cancel()
        for task in list(self._tasks):
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._sock)
            except OSError as error:  # no descriptors left, or the client has gone again
                log.warning("accepting a connection: %s", error)
                await asyncio.sleep(0.05)
                continue
            whose = share_of(address[0])
            if self._pending.total() >= MOST_HANDSHAKES or self._pending[whose] >= MOST_OF_ONE:
                connection.close()
                continue
            self._pending[whose] += 1
            task = loop.create_task(self._secure(connection, whose))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _secure(self, connection: socket.socket, whose: str) -> None:
        loop = asyncio.get_running_loop()
        handed_over = False
        try:
            connection.setblocking(False)
            async with asyncio.timeout(HANDSHAKE_S):
                first = await _first_byte(loop, connection)
                if first == _CLIENT_HELLO:
                    handed_over = True
                    context = self._certificate.context
                    await loop.connect_accepted_socket(
                        self._make, connection, ssl=context, ssl_handshake_timeout=HANDSHAKE_S
                    )
                elif first is not None:
                    connection.send(_PLAIN % (len(_SENTENCE), _SENTENCE))
        except (OSError, TimeoutError):  # a client that went, is slow, or trusts us not: nothing of ours is wrong
            pass
        except Exception:
            log.exception("a connection could not be secured")
        finally:
            self._pending[whose] -= 1
            if not self._pending[whose]:
                del self._pending[whose]
            if not handed_over:
                connection.close()


async def _first_byte(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> int | None:
    """What the client says first, left where it is; None when it says nothing and goes."""
    while True:
        with suppress(BlockingIOError, InterruptedError):
            seen = connection.recv(1, socket.MSG_PEEK)
            return seen[0] if seen else None
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(connection, _settle, readable)
        try:
            await readable
        finally:
            loop.remove_reader(connection)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
