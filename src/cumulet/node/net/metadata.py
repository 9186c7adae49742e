"""The metadata proxy: HTTP listeners inside DHCP and router namespaces, served by this process.

A listening socket keeps the namespace it was made in; only a short thread enters the namespace to make it.
Guests are untrusted: everything they send is bounded in size, time and number, and headers that carry
identity are dropped. Never talks to a database; each request is handed to the caller's function.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus

from cumulet.node.net.run import NodeError

_CLONE_NEWNET = 0x40000000
_HEADER_LIMIT = 16 * 1024
_BODY_LIMIT = 64 * 1024
_READ_S = 10.0
_ANSWER_S = 30.0
_CONNECTIONS = 128
_PER_SOURCE = 16
_METHODS = {"GET", "HEAD", "POST", "PUT"}
_IDENTITY = (
    "x-forwarded-for",
    "x-instance-",
    "x-neutron-",
    "x-tenant-",
    "x-ovn-",
    "x-metadata-",
    "forwarded",
)
_HOP = ("connection", "keep-alive", "proxy-", "te", "trailer", "transfer-encoding", "upgrade", "expect")


@dataclass(frozen=True)
class ProxyRequest:
    """What a guest asked. Exactly one of `network_id` and `router_id` is set; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    source: str
    network_id: str | None = None
    router_id: str | None = None


@dataclass(frozen=True)
class ProxyReply:
    """What the guest is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Place:
    """Where to listen and whom it serves."""

    address: str
    port: int
    network_id: str | None = None
    router_id: str | None = None


class _Refused(Exception):
    """A request that is answered with a status and no call to the upstream."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def listen_inside(namespace: str, address: str, port: int) -> socket.socket:
    """A listening TCP socket of the named namespace. OSError when it cannot be made."""
    result: list[socket.socket | OSError] = []

    def enter() -> None:
        # The thread ends here: no other code ever runs in the foreign namespace.
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            finally:
                os.close(descriptor)
            result.append(socket.create_server((address, port), backlog=64))
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=enter, name=f"enter-{namespace[:14]}")
    thread.start()
    thread.join()
    made = result[0]
    if isinstance(made, OSError):
        raise made
    made.setblocking(False)
    return made


class MetadataProxy:
    """Listeners by namespace, all on one event loop in a thread of its own; `upstream` runs in a few
    workers."""

    def __init__(self, upstream: Callable[[ProxyRequest], ProxyReply]) -> None:
        self._upstream = upstream
        self._lock = threading.Lock()
        self._servers: dict[str, tuple[Place, int, asyncio.Server]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="metadata")
        self._open: Counter[str] = Counter()

    def ensure(self, namespace: str, place: Place) -> None:
        """Listen in the namespace. A namespace that was made anew gets a new listener. NodeError on
        failure."""
        try:
            inode = os.stat(f"/run/netns/{namespace}").st_ino
        except OSError as error:
            raise NodeError(f"There is no namespace {namespace}") from error
        with self._lock:
            found = self._servers.get(namespace)
            if found and found[:2] == (place, inode):
                return
        self.absent(namespace)
        try:
            listener = listen_inside(namespace, place.address, place.port)
        except OSError as error:
            raise NodeError(f"The metadata proxy cannot listen in {namespace}: {error}") from error
        with self._lock:
            loop = self._running_loop()
            server = asyncio.run_coroutine_threadsafe(self._serve(listener, place), loop).result(10)
            self._servers[namespace] = (place, inode, server)

    def absent(self, namespace: str) -> None:
        """Stop listening in the namespace, and let go of it."""
        with self._lock:
            found = self._servers.pop(namespace, None)
            if found and self._loop:
                asyncio.run_coroutine_threadsafe(_close(found[2]), self._loop).result(10)

    def close(self) -> None:
        """Stop everything."""
        for namespace in list(self._servers):
            self.absent(namespace)
        with self._lock:
            if self._loop:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="metadata", daemon=True).start()
        return self._loop

    async def _serve(self, listener: socket.socket, place: Place) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connection(reader, writer, place)

        return await asyncio.start_server(connected, sock=listener, limit=_HEADER_LIMIT)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place) -> None:
        """One request, one answer. Too many connections, from one guest or from all, are closed at once."""
        peer = writer.get_extra_info("peername") or ("",)
        source = str(peer[0])
        key = f"{place.network_id or place.router_id} {source}"
        if self._open[key] >= _PER_SOURCE or self._open.total() >= _CONNECTIONS:
            writer.transport.abort()
            return
        self._open[key] += 1
        try:
            async with asyncio.timeout(_READ_S + _ANSWER_S + 10):
                await self._exchange(reader, writer, place, source)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
            writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place, source: str
    ) -> None:
        head_only = False
        try:
            async with asyncio.timeout(_READ_S):
                request = await _read(reader, place, source)
            head_only = request.method == "HEAD"
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(_ANSWER_S):
                reply = await loop.run_in_executor(self._workers, self._upstream, request)
        except _Refused as refused:
            reply = _plain(refused.status)
        except TimeoutError:
            reply = _plain(HTTPStatus.GATEWAY_TIMEOUT)
        except (asyncio.IncompleteReadError, OSError):
            raise
        except Exception:
            # A guest must get an answer whatever the upstream's failure; the upstream logs its own errors.
            reply = _plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        writer.write(_encode(reply, head_only))
        await writer.drain()


async def _close(server: asyncio.Server) -> None:
    server.close()


async def _read(reader: asyncio.StreamReader, place: Place, source: str) -> ProxyRequest:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from error
    lines = head.decode("latin-1").split("\r\n")[:-2]
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise _Refused(HTTPStatus.BAD_REQUEST)
    if words[0] not in _METHODS:
        raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED)
    received = _headers(lines[1:])
    if "transfer-encoding" in received:
        raise _Refused(HTTPStatus.LENGTH_REQUIRED)
    length = received.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise _Refused(HTTPStatus.BAD_REQUEST)
    if int(length) > _BODY_LIMIT:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = await reader.readexactly(int(length))
    passed = {name: value for name, value in received.items() if not name.startswith((*_IDENTITY, *_HOP))}
    return ProxyRequest(words[0], words[1], passed, body, source, place.network_id, place.router_id)


def _headers(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower().replace("_", "-")
        if not colon or not name or name != name.strip() or "\n" in line or "\0" in line:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        if name in found and name == "content-length":
            raise _Refused(HTTPStatus.BAD_REQUEST)
        found[name] = value.strip()
    return found


def _plain(status: HTTPStatus) -> ProxyReply:
    return ProxyReply(status.value, {"content-type": "text/plain"}, f"{status.value} {status.phrase}\n".encode())


def _encode(reply: ProxyReply, head_only: bool) -> bytes:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}"]
    for name, value in reply.headers.items():
        if name.lower() not in ("content-length", "connection", "transfer-encoding"):
            lines.append(f"{name}: {value}".replace("\r", " ").replace("\n", " "))
    lines += [f"Content-Length: {len(reply.body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + (b"" if head_only else reply.body)
