"""Metadata's connections on loopback: whoever takes all they can get, the guests of other networks are answered.

Finding S19. Sources are addresses of 127.0.0.0/8, networks are listeners.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from cumulet.node.net import metadata
from cumulet.node.net.metadata import MetadataProxy, Place, ProxyReply, ProxyRequest
from cumulet.node.net.shares import OF_NETWORK, OF_SOURCE, Share, Shares

ASK = b"GET /latest/ HTTP/1.0\r\n\r\n"


class World:
    """A proxy whose upstream waits for `go` for the paths that begin with /wait."""

    def __init__(self) -> None:
        self.proxy = MetadataProxy(self._upstream)
        self.go = threading.Event()
        self.body = b"hello\n"
        self.held: list[socket.socket] = []

    def _upstream(self, request: ProxyRequest) -> ProxyReply:
        if request.path.startswith("/wait"):
            self.go.wait(20)
        return ProxyReply(200, {}, self.body)

    def network(self, name: str) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        listener.setblocking(False)
        self.proxy.serve(listener, Place("127.0.0.1", 0, name))
        return int(listener.getsockname()[1])

    def connect(self, port: int, source: str = "127.0.0.1", send: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", port), 5, (source, 0))
        self.held.append(made)
        if send:
            made.sendall(send)
        return made

    def ask(self, port: int, source: str = "127.0.0.1") -> bytes:
        return _all(self.connect(port, source, ASK))


def _all(connection: socket.socket, seconds: float = 5) -> bytes:
    connection.settimeout(seconds)
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def _becomes(what: Callable[[], int], wanted: int, seconds: float = 10) -> bool:
    """Whether a number is as wanted before long."""
    end = time.monotonic() + seconds
    while what() != wanted and time.monotonic() < end:
        time.sleep(0.05)
    return what() == wanted


def _open(connections: list[socket.socket]) -> int:
    """How many of these the proxy has not closed."""
    found = 0
    for each in connections:
        each.settimeout(0.01)
        try:
            found += each.recv(1) != b""
        except TimeoutError:
            found += 1
        except OSError:
            pass
    return found


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.go.set()
    for each in made.held:
        each.close()
    made.proxy.close()


def test_s19_a_tenant_with_many_addresses(world: World) -> None:
    """Finding S19. Eight addresses of one network, as many connections as each may have."""
    crowded, other = world.network("a"), world.network("b")
    held = [world.connect(crowded, f"127.0.1.{n}") for n in range(1, 9) for _ in range(OF_SOURCE + 4)]
    assert _becomes(lambda: _open(held), OF_NETWORK)
    assert world.ask(crowded, "127.0.2.1") == b""
    assert world.ask(other).endswith(b"hello\n")
    for each in held:
        each.close()
    assert _becomes(lambda: world.proxy._shares._count, 0)
    assert world.ask(crowded).endswith(b"hello\n")


def test_s19_a_full_house_has_room_for_a_newcomer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding S19. When all is taken, the largest network gives up its oldest."""
    monkeypatch.setattr(world.proxy, "_shares", Shares(8, 8, 8))
    crowded, other = world.network("a"), world.network("b")
    held = [world.connect(crowded) for _ in range(8)]
    assert _becomes(lambda: world.proxy._shares._count, 8)
    assert [world.ask(other).endswith(b"hello\n") for _ in range(3)] == [True] * 3
    assert _all(held[0]) == b"" and _open(held[1:]) == 7


def test_s19_who_asks_slowly_or_never_reads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding S19. Both have a deadline, which sending or taking a little now and then does not move."""
    monkeypatch.setattr(metadata, "_READ_S", 0.6)
    monkeypatch.setattr(metadata, "_WRITE_S", 0.6)
    port = world.network("a")
    slow = world.connect(port, send=b"GET /latest/ HTTP/1.0\r\n")
    started = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - started < 5:
            slow.sendall(b"x: y\r\n")
            time.sleep(0.1)
    assert 0.5 < time.monotonic() - started < 3
    world.body = b"x" * (32 << 20)
    deaf = world.connect(port, send=ASK)
    assert _becomes(lambda: world.proxy._shares._count, 1) and _becomes(lambda: world.proxy._shares._count, 0)
    assert len(_all(deaf)) < len(world.body)


def test_s19_a_network_that_keeps_the_controller_busy(world: World) -> None:
    """Finding S19. Questions of one network wait for each other, not others for them."""
    busy, other = world.network("a"), world.network("b")
    held = [world.connect(busy, f"127.0.1.{n % 3 + 1}", b"GET /wait HTTP/1.0\r\n\r\n") for n in range(30)]
    assert _becomes(lambda: world.proxy._shares._count, 30)
    started = time.monotonic()
    assert world.ask(other).endswith(b"hello\n") and time.monotonic() - started < 2
    world.go.set()
    assert all(_all(each).endswith(b"hello\n") for each in held)


def test_shares_add_up() -> None:
    closed: list[str] = []

    def share(network: str, source: str = "s") -> Share:
        return Share(network, source, lambda: closed.append(network))

    shares = Shares(in_all=6, of_network=5, of_source=3)
    first = [share("a") for _ in range(4)]
    assert [shares.enter(each) for each in first] == [True, True, True, False]
    assert [shares.enter(share("a", "t")) for _ in range(3)] == [True, True, False]
    assert shares.enter(share("b")) and closed == []
    assert shares.enter(share("c")) and shares.enter(share("b")) and closed == ["a", "a"]
    # Three, two and one: who comes now must not take from a network that is no larger.
    assert not shares.enter(share("b")) and closed == ["a", "a"]
    assert shares.enter(share("c")) and closed == ["a", "a", "a"]
    assert not shares.enter(share("a", "u")) and not shares.enter(share("b")) and not shares.enter(share("c"))
    for each in first:
        shares.leave(each)
        shares.leave(each)
    assert shares.enter(share("d")) and closed == ["a"] * 4
