"""The metadata proxy: HTTP listeners inside DHCP and router namespaces, served by this process.

A listening socket keeps the namespace it was made in; only a short thread enters the namespace to make it. Each leg of
a router has a listener of its own, bound to its device: the kernel hands it what came in through that leg and sends the
answers out there, so the network that a question is about is known and not guessed from an address.
Guests are untrusted: everything they send is bounded in size, time and number, and headers that carry
identity are dropped. Never talks to a database; each request is handed to the caller's function.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from msgspec import Struct, field

from cumulet.desired.router import Router
from cumulet.node.net import names
from cumulet.node.net.run import NodeError
from cumulet.node.net.shares import Share, Shares

_CLONE_NEWNET = 0x40000000
_SIOCGARP, _ATF_COM = 0x8954, 0x02
_HEADER_LIMIT = 16 * 1024
_BODY_LIMIT = 64 * 1024
_READ_S = 10.0
_ANSWER_S = 30.0
_WRITE_S = 10.0
_WORKERS = 8
_WORKERS_OF_NETWORK = 4
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


class ProxyRequest(Struct, frozen=True):
    """What a guest of the network asked. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    source: str
    network_id: str


class ProxyReply(Struct, frozen=True):
    """What the guest is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Place(Struct, frozen=True):
    """Where to listen, and the network whose guests ask there.

    `device`: only what comes in through it, from its neighbours with an address in `ranges`. None: all that comes.
    """

    address: str
    port: int
    network_id: str
    device: str | None = None
    ranges: frozenset[IPv4Network] = frozenset()


def places_of(router: Router) -> list[Place]:
    """Where guests ask through a router: one place for each leg that has an IPv4 address."""
    found = []
    for port in router.ports:
        own = [IPv4Network(f"{each.ip}/{each.prefix}", strict=False) for each in port.addresses if ":" not in each.ip]
        if own:
            device = names.router_device(port.port_id)
            found.append(Place("0.0.0.0", names.METADATA_PORT, port.network_id, device, frozenset(own)))
    return found


class _Refused(Exception):
    """A request that is answered with a status and no call to the upstream."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


_Found = TypeVar("_Found")


def _inside(namespace: str, task: Callable[[], _Found]) -> _Found:
    """Run `task` in the named namespace. OSError when it cannot be entered, or the task's."""
    result: list[_Found | OSError] = []

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
            result.append(task())
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=enter, name=f"enter-{namespace[:14]}")
    thread.start()
    thread.join()
    made = result[0]
    if isinstance(made, OSError):
        raise made
    return made


def _listener(place: Place) -> socket.socket:
    """A listening TCP socket for the place, in the namespace of this thread."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit both: the device, and that what a guest does not take ends the connection.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_WRITE_S * 1000))
        if place.device is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, place.device.encode())
        made.bind((place.address, place.port))
        made.listen(64)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _index(device: str | None) -> int:
    """The kernel's number of a device: one that was made anew has another."""
    return 0 if device is None else socket.if_nametoindex(device)


_Key = tuple[Place, int, int]


class MetadataProxy:
    """Listeners by namespace, all on one event loop in a thread of its own; `upstream` runs in a few
    workers."""

    def __init__(self, upstream: Callable[[ProxyRequest], ProxyReply]) -> None:
        self._upstream = upstream
        self._lock = threading.Lock()
        self._servers: dict[str, dict[_Key, asyncio.Server]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="metadata")
        self._shares = Shares()
        # A network's turns, while a guest of it has one or waits for one.
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def ensure(self, namespace: str, places: Sequence[Place]) -> None:
        """Listen in the namespace at these places, and no others. What was made anew (the namespace, a device) gets a
        new listener. NodeError on failure."""
        try:
            inode = os.stat(f"/run/netns/{namespace}").st_ino
            indexes = _inside(namespace, lambda: [_index(place.device) for place in places])
        except FileNotFoundError as error:
            raise NodeError(f"There is no namespace {namespace}") from error
        except OSError as error:
            raise NodeError(f"The metadata proxy cannot listen in {namespace}: {error}") from error
        wanted = [(place, inode, index) for place, index in zip(places, indexes, strict=True)]
        with self._lock:
            there = self._servers.setdefault(namespace, {})
            loop = self._running_loop()
            for key in [key for key in there if key not in wanted]:
                asyncio.run_coroutine_threadsafe(_close(there.pop(key)), loop).result(10)
            for key in [key for key in wanted if key not in there]:
                place = key[0]
                try:
                    listener = _inside(namespace, lambda place=place: _listener(place))  # type: ignore[misc]
                except OSError as error:
                    raise NodeError(f"The metadata proxy cannot listen in {namespace}: {error}") from error
                there[key] = self._serve(loop, listener, place)

    def absent(self, namespace: str) -> None:
        """Stop listening in the namespace, and let go of it."""
        with self._lock:
            for server in self._servers.pop(namespace, {}).values():
                if self._loop:
                    asyncio.run_coroutine_threadsafe(_close(server), self._loop).result(10)

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

    def serve(self, listener: socket.socket, place: Place) -> None:
        """Answer at a listening socket until :meth:`close`."""
        with self._lock:
            self._servers.setdefault("", {})[(place, 0, listener.fileno())] = self._serve(
                self._running_loop(), listener, place
            )

    def _serve(self, loop: asyncio.AbstractEventLoop, listener: socket.socket, place: Place) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connection(reader, writer, place)

        starting = asyncio.start_server(connected, sock=listener, limit=_HEADER_LIMIT)
        return asyncio.run_coroutine_threadsafe(starting, loop).result(10)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place) -> None:
        """One request, one answer. Too many connections, from one guest, one network or all, are closed at once."""
        peer = writer.get_extra_info("peername") or ("",)
        source = str(peer[0])
        share = Share(place.network_id, source, writer.transport.abort)
        if not self._shares.enter(share):
            writer.transport.abort()
            return
        try:
            reply, head_only = await self._exchange(reader, writer.get_extra_info("socket"), place, source)
            async with asyncio.timeout(_WRITE_S):
                writer.write(_encode(reply, head_only))
                writer.close()
                # A transport would wait for a guest that does not read for ever.
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            # The guest went away, or was too slow: nobody is left to be told.
            pass
        finally:
            writer.transport.abort()
            self._shares.leave(share)

    async def _exchange(
        self, reader: asyncio.StreamReader, connection: Any, place: Place, source: str
    ) -> tuple[ProxyReply, bool]:
        """The answer to what the guest asks, and whether its body stays away."""
        head_only = False
        try:
            request = await _in_time(_read(reader, place, source))
            head_only = request.method == "HEAD"
            if not _sits_there(connection, place, source):
                raise _Refused(HTTPStatus.NOT_FOUND)
            async with asyncio.timeout(_ANSWER_S):
                return await self._ask(request), head_only
        except _Refused as refused:
            return _plain(refused.status), head_only
        except TimeoutError:
            return _plain(HTTPStatus.GATEWAY_TIMEOUT), head_only
        except (asyncio.IncompleteReadError, OSError):
            raise
        except Exception:
            # A guest must get an answer whatever the upstream's failure; the upstream logs its own errors.
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR), head_only

    async def _ask(self, request: ProxyRequest) -> ProxyReply:
        """Ask upstream, when one of the network's turns is free."""
        loop = asyncio.get_running_loop()
        turns = asyncio.Semaphore(_WORKERS_OF_NETWORK)
        turns = self._turns.setdefault(request.network_id, turns)
        await turns.acquire()
        asked = self._workers.submit(self._upstream, request)
        # The turn is over when the worker is free, which may be later than the guest's patience.
        asked.add_done_callback(lambda _: loop.call_soon_threadsafe(turns.release))
        return await asyncio.wrap_future(asked)


def _sits_there(connection: Any, place: Place, source: str) -> bool:
    """Whether the guest is where its address says: on the leg's subnets, and the leg's own neighbour.

    One question to the kernel: after the handshake it knows the hardware address of whoever answers for the source.
    """
    if place.device is None:
        return True
    address = IPv4Address(source)
    if not any(address in each for each in place.ranges):
        return False
    asked = struct.pack("=H2x4s8x16xi16x16s", socket.AF_INET, address.packed, 0, place.device.encode())
    try:
        told = fcntl.ioctl(connection.fileno(), _SIOCGARP, asked)
    except OSError:
        return False
    return bool(struct.unpack_from("=i", told, 32)[0] & _ATF_COM)


async def _in_time(reading: Awaitable[ProxyRequest]) -> ProxyRequest:
    try:
        async with asyncio.timeout(_READ_S):
            return await reading
    except TimeoutError as error:
        raise _Refused(HTTPStatus.REQUEST_TIMEOUT) from error


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
    return ProxyRequest(words[0], words[1], passed, body, source, place.network_id)


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
