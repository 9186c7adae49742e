"""Who takes the controller's port while it is away is not taken for the controller."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cumulet.desired.hosts import Joined
from cumulet.node import peer
from cumulet.node.link import Link, LinkError

SOMEBODY = 65_534
IMPOSTOR = """
import http.server, os, sys
os.setresuid(65534, 65534, 65534)

class Controller(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        sys.stderr.write(self.headers["X-Cumulet-Secret"] or "")
        sys.stderr.flush()
        body = b'{"revision": 1, "items": [], "full": true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass

server = http.server.HTTPServer((sys.argv[1], 0), Controller)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def impostor(address: str = "127.0.0.1") -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Another user's server that answers as a controller would; its port. What it was told comes out as its errors."""
    command = [sys.executable, "-c", IMPOSTOR, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.root
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_an_impostor_is_told_nothing_and_not_obeyed(address: str) -> None:
    """Findings S8 and S18's class: it would have got the node's secret, and told root what to do."""
    with impostor(address) as (port, process):
        link = Link(f"http://127.0.0.1:{port}", trusted=frozenset({0}))
        asks = (
            lambda: link.changes(("guest",), 0, 0),
            lambda: link.join("n", [], "token"),
            lambda: list(link.image("x")),
        )
        for ask in asks:
            with pytest.raises(LinkError, match="not the controller's") as caught:
                ask()
            assert caught.value.status == 0
        if address == "127.0.0.1":
            told = Link(f"http://127.0.0.1:{port}", trusted=frozenset({0, SOMEBODY})).changes(("guest",), 0, 0)
            assert told.full, "it would have been believed"
        process.kill()
        assert process.stderr is not None and "token" not in process.stderr.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.root
def test_who_accepted_is_looked_at_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port may change hands between the connection and the look at who listens."""
    monkeypatch.setattr(peer, "check_listener", lambda *_: None)
    with impostor() as (port, _), pytest.raises(LinkError, match="not the controller's"):
        Link(f"http://127.0.0.1:{port}", trusted=frozenset({0})).changes(("guest",), 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.root
def test_who_lets_the_port_go_after_the_connection_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody takes our connection, and the controller gets its port before we look: both looks find whom we trust."""
    listening = iter([frozenset({1}), frozenset({2})])
    monkeypatch.setattr(peer, "check_listener", lambda *_: next(listening))
    with impostor() as (port, process):
        link = Link(f"http://127.0.0.1:{port}", trusted=frozenset({0}))
        link._joined = Joined(link_id="x", secret="the secret")
        with pytest.raises(LinkError, match="changed hands"):
            link.changes(("guest",), 0, 0)
        process.kill()
        assert process.stderr is not None and "secret" not in process.stderr.read()


def test_ones_own_is_trusted_and_nobody_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        ours = peer.check_listener(address, frozenset({os.geteuid()}))
        assert ours == {os.fstat(server.fileno()).st_ino}
        with pytest.raises(peer.StrangerError, match=f"user {os.geteuid()}"):
            peer.check_listener(address, frozenset({4_000_000_000}))
        with socket.create_connection(address) as client, server.accept()[0]:
            peer.check_accepted(client, frozenset({os.geteuid()}))
            with pytest.raises(peer.StrangerError):
                peer.check_accepted(client, frozenset({4_000_000_000}))
    with pytest.raises(peer.StrangerError, match="nobody's"):
        peer.check_listener(address, frozenset({os.geteuid()}))


def test_the_look_is_at_new_connections_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat or a poll on a connection that is kept costs nothing more."""
    looks: list[str] = []
    monkeypatch.setattr(peer, "check_listener", lambda *_: looks.append("listener"))
    monkeypatch.setattr(peer, "check_accepted", lambda *_: looks.append("accepted"))
    body = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"revision":1}'
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                while client.recv(65536):
                    client.sendall(body)

        threading.Thread(target=serve, daemon=True).start()
        link = Link(f"http://127.0.0.1:{server.getsockname()[1]}", trusted=frozenset({0}))
        for _ in range(5):
            assert link.changes(("guest",), 1, 0).revision == 1
    assert looks == ["listener", "listener", "accepted"]
