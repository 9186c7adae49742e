"""An app over real sockets, as the controller serves it, with a hand on its event loop and its clock.

Bytes are sent in pieces that the server reads one by one: `Client.send` waits until it has looked.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from select import select
from typing import TypeVar

import uvloop

from cumulet.http.app import App
from cumulet.http.connections import Connections
from cumulet.http.mount import Mount
from cumulet.http.server import Secured, Server, listen, server
from cumulet.http.tls import Certificate

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Served:
    """`services`: name → mount; each gets a port. With a `certificate` they speak TLS."""

    def __init__(
        self, app: App, services: Mapping[str, Mount], most: int = 1000, certificate: Certificate | None = None
    ) -> None:
        self.app = app
        self.ports: dict[str, int] = {}
        self._sockets: list[socket.socket] = []
        for name, mount in services.items():
            sock = listen("127.0.0.1", 0)
            self.ports[name] = sock.getsockname()[1]
            app.mounts[self.ports[name]] = mount
            self._sockets.append(sock)
        self._certificate = certificate
        self.limits = Connections(most)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        secured = None if self._certificate is None else Secured(self._certificate, self._sockets)
        self.server: Server = server(self.app, self.limits, secured)
        self.loop.call_soon(self._ready.set)
        await self.server.serve(sockets=self._sockets if secured is None else [])

    def close(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self._thread.join(10)

    def call(self, work: Callable[[], T]) -> T:
        """`work` on the event loop."""

        async def once() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(once(), self.loop).result(30)

    def looked(self) -> None:
        """Wait until the server has read what was sent before."""
        for _ in range(2):
            self.call(lambda: None)

    @property
    def connections(self) -> int:
        return self.call(lambda: len(self.server.server_state.connections))

    def becomes(self, wanted: Callable[[], bool]) -> bool:
        """Whether it is so; waits for it. Asked on the event loop."""
        end = time.monotonic() + 20
        while not (found := self.call(wanted)) and time.monotonic() < end:
            time.sleep(0.01)
        return found

    def empties(self) -> bool:
        """Whether nobody is connected any more, and nothing is worked on; waits for it."""
        state = self.server.server_state
        return self.becomes(lambda: not state.connections and not state.tasks)

    def later(self, seconds: float) -> None:
        """Look at the connections as if so many seconds had passed."""
        self.looked()
        while self.call(lambda: self.limits.sweep(self.server.server_state.connections, self.loop.time() + seconds)):
            pass
        self.looked()

    @contextmanager
    def client(self, service: str = "", source: str = "127.0.0.1") -> Iterator[Client]:
        port = self.ports[service] if service else next(iter(self.ports.values()))
        with socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0)) as sock:
            own = sock.getsockname()
            known = self.server.server_state.connections
            # The kernel connects before the server accepts. Whom it turns away it tells so.
            assert self.becomes(
                lambda: any(getattr(one, "client", None) == own for one in known) or bool(select([sock], [], [], 0)[0])
            )
            yield Client(self, sock)

    def ask(self, data: bytes, service: str = "", pieces: int = 1) -> Answer:
        """One request over a connection of its own, cut into that many pieces."""
        step = max(1, -(-len(data) // pieces))
        with self.client(service) as client:
            client.send(*(data[start : start + step] for start in range(0, len(data), step)))
            return client.answer()


class Client:
    """One connection."""

    def __init__(self, served: Served, sock: socket.socket) -> None:
        self._served, self.sock, self._buffer = served, sock, b""

    def send(self, *pieces: bytes) -> None:
        """Each piece is read by itself. Stops silently when the server has closed."""
        try:
            for number, piece in enumerate(pieces):
                if number:
                    self._served.looked()
                self.sock.sendall(piece)
        except ConnectionError:
            pass

    def _more(self) -> bool:
        try:
            got = self.sock.recv(1 << 16)
        except ConnectionError:
            return False
        self._buffer += got
        return bool(got)

    def answer(self) -> Answer:
        """The next answer; EOFError when the server closes before its end."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                raise EOFError(self._buffer)
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split()[1])
        length = int(headers.get("content-length", "0"))
        while len(rest) < length:
            if not self._more():
                raise EOFError(self._buffer)
            rest = self._buffer.partition(b"\r\n\r\n")[2]
        self._buffer = rest[length:]
        return Answer(status, headers, rest[:length])

    def ends(self) -> bool:
        """Whether the server closes with nothing more to say; waits for it."""
        return not self._buffer and not self._more()

    def is_open(self) -> bool:
        """Whether the server has neither closed nor said anything more."""
        self._served.looked()
        self.sock.setblocking(False)
        try:
            return not self._buffer and self._more() is None
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(20)


def request(method: str, path: str, body: bytes = b"", *, chunks: Iterable[int] | None = None, **headers: str) -> bytes:
    """The bytes of a request. `chunks`: sizes of the body's chunks, the rest is the last one."""
    lines = [f"{method} {path} HTTP/1.1", "Host: a"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if chunks is not None:
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(_chunked(body, chunks))
    elif body or method not in ("GET", "HEAD", "DELETE"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _chunked(body: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for size in (*sizes, len(body)):
        piece = body[start : start + size]
        start += len(piece)
        if piece:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def headed(length: int, path: str = "/empty") -> bytes:
    """A head of exactly that many bytes."""
    start = f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Long: ".encode()
    return start + b"a" * (length - len(start) - 4) + b"\r\n\r\n"


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` in pieces that end at `places`."""
    ends = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]
