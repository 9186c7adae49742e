"""The screen of a guest: which socket the controller opens, and what becomes of a token that is refused."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.fleet import tables
from cumulet.services.compute.console import screens
from tests.assembled import mounted
from tests.regressions.tenants import Tenants, new_id

REFUSED, NO_SCREEN = 1008, 1011
GOOD = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    made = Tenants(tmp_path_factory.mktemp("consoles") / "state")
    yield made
    made.close()


@pytest.fixture
def folder(cloud: Tenants) -> Iterator[Path]:
    """Where the controller of real hosts looks for screens: a short path, as the kernel wants it for sockets."""
    context = mounted(cloud.controller, "console").context
    context.simulated = False
    with tempfile.TemporaryDirectory(prefix="screens-") as made:
        before, context.screens = context.screens, Path(made)
        assert before == cloud.settings.node_dir / "vnc"
        yield Path(made)
        context.screens, context.simulated = before, True


@pytest.fixture(scope="module")
def server(cloud: Tenants) -> str:
    """A server of alice's that its node reported as running."""
    made = str(cloud.alice.server(cloud.alice.image()).json["server"]["id"])
    shown(cloud, made)
    return made


def shown(cloud: Tenants, server_id: str, **facts: Any) -> None:
    """The node says that the server has a screen."""
    with cloud.controller.db.read() as tx:
        item = tx.rows_by_key(tables.desired, ref=server_id)[0]
    told = {"power_state": "running", "screen": True, **facts}
    report = {"host": item.host, "kind": "guest", "ref": server_id, "revision": item.revision, "state": "ready"}
    headers = {"x-cumulet-link": cloud.link_id, "x-cumulet-secret": cloud.link_secret}
    body = {"reports": [{**report, "facts": told}]}
    answer = cloud.ask("link", "POST", "/v1/reports", body=body, headers=headers)
    assert answer.json == {"kept": 1}, answer.body


def token_of(cloud: Tenants, server_id: str) -> str:
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    made = cloud.alice.make("compute", f"/v2.1/servers/{server_id}/remote-consoles", body)
    return str(made["url"].rpartition("%3D")[2])


def opens(cloud: Tenants, token: str, origin: str | None = None) -> tuple[int, bytes]:
    """How the proxy ends the connection, 0 when it lets it in; and the first bytes of the screen."""
    port = cloud.settings.ports.of("console")
    host = f"127.0.0.1:{port}"
    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    sent: list[dict[str, Any]] = []
    seen = asyncio.Event()
    first = iter([{"type": "websocket.connect"}])

    async def receive() -> dict[str, Any]:
        for message in first:
            return message
        await seen.wait()
        return {"type": "websocket.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "websocket.send":
            seen.set()

    scope = {
        "type": "websocket", "path": "/", "raw_path": b"/", "query_string": f"token={token}".encode(),
        "headers": headers, "server": ("127.0.0.1", port), "client": ("127.0.0.1", 1), "scheme": "ws",
        "subprotocols": ["binary"],
    }  # fmt: skip

    async def served() -> None:
        await asyncio.wait_for(cloud.controller.app(scope, receive, send), 10)

    cloud.runner.run(served())
    if sent[0]["type"] == "websocket.close":
        return int(sent[0]["code"]), b""
    return 0, b"".join(message["bytes"] for message in sent if message["type"] == "websocket.send")


def listening(path: Path, says: bytes) -> socket.socket:
    """A screen with one visitor who is told `says`."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    made.settimeout(10)

    def serve() -> None:
        try:
            visitor, _ = made.accept()
            visitor.sendall(says)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    return made


def test_the_path_that_a_node_reports_is_opened_by_nobody(cloud: Tenants, server: str, folder: Path) -> None:
    """Findings S8 and S18: the controller connected to any socket named in a report; it opens the one that follows from
    the server's id, and no other."""
    with listening(folder / "other", b"DATABASE") as _, listening(folder / f"{server}.sock", b"SCREEN") as _:
        for named in (str(folder / "other"), f"../{folder.name}/other", ["x"], 5):
            shown(cloud, server, vnc=named, socket=named)
        assert opens(cloud, token_of(cloud, server)) == (0, b"SCREEN")


@pytest.mark.parametrize("what", ["nothing", "a link", "a link to itself", "a file", "a folder"])
def test_only_a_socket_is_opened_and_no_link_followed(cloud: Tenants, server: str, folder: Path, what: str) -> None:
    """Finding S8: what lies there was put there for a guest, whose QEMU may not be the guest's friend only."""
    place = folder / f"{server}.sock"
    with listening(folder / "other", b"DATABASE"):
        if what == "a link":
            place.symlink_to(folder / "other")
        elif what == "a link to itself":
            place.symlink_to(place)
        elif what == "a file":
            place.write_text("x")
        elif what == "a folder":
            place.mkdir()
        assert opens(cloud, token_of(cloud, server)) == (NO_SCREEN, b"")


def test_the_folder_is_nobody_elses(cloud: Tenants, server: str, folder: Path) -> None:
    """Finding S8: a folder that all may write to, or a link to one, is not where screens are."""
    with listening(folder / f"{server}.sock", b"SCREEN"):
        folder.chmod(0o777)
        assert opens(cloud, token_of(cloud, server)) == (NO_SCREEN, b"")
        folder.chmod(0o711)
        context = mounted(cloud.controller, "console").context
        link = folder / "link"
        link.symlink_to(folder)
        context.screens = link
        assert opens(cloud, token_of(cloud, server)) == (NO_SCREEN, b"")
        context.screens = folder
        assert opens(cloud, token_of(cloud, server)) == (0, b"SCREEN")


@pytest.mark.parametrize("id", ["", "../x", "a/b", f"{GOOD}\n", GOOD.upper(), "x" * 5000])
def test_a_screen_is_named_by_an_id(folder: Path, id: str) -> None:
    """Finding S8: whatever the caller of this is told."""
    with pytest.raises(OSError, match=r"no server|No such file"):
        asyncio.run(screens.connect(folder, id))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:1", "javascript:alert(1)"])
def test_42_a_token_that_was_refused_is_used_up(cloud: Tenants, server: str, folder: Path, origin: str) -> None:
    """Finding S14, case 42: a page of another site got 403 and the token stayed good, in the log and in its address."""
    own = f"http://127.0.0.1:{cloud.settings.ports.of('console')}"
    with listening(folder / f"{server}.sock", b"SCREEN"):
        token = token_of(cloud, server)
        assert opens(cloud, token, origin) == (REFUSED, b"")
        assert opens(cloud, token, own) == (REFUSED, b"")
        assert opens(cloud, token_of(cloud, server), own) == (0, b"SCREEN")


def test_guesses_change_no_row(cloud: Tenants) -> None:
    """Who invents tokens holds up no writer."""
    db, begun = cloud.controller.db, []
    opener = db.transaction

    def counted() -> Any:
        begun.append(1)
        return opener()

    db.transaction = counted  # type: ignore[method-assign]
    try:
        for token in (new_id(), "", "x" * 10_000):
            assert opens(cloud, token) == (REFUSED, b"")
    finally:
        db.transaction = opener  # type: ignore[method-assign]
    assert begun == []
