"""The console: tokens, pages, and the relay to a guest's screen."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from sqlalchemy import update

from cumulet.services.compute.console import api as console_service
from cumulet.services.compute.tables import console_tokens
from tests.services.compute.conftest import Nova, message
from tests.services.serving import Running, running

URL = "http://127.0.0.1:6080/vnc_auto.html?autoconnect=true&path=%3Ftoken%3D"


@pytest.fixture
def console(nova: Nova, tmp_path: Path) -> Iterator[Running]:
    folder = tmp_path / "novnc"
    (folder / "core").mkdir(parents=True)
    (folder / "vnc_lite.html").write_text("<html>lite</html>")
    (folder / "core" / "rfb.js").write_text("export default 1;")
    (tmp_path / "secret").write_text("no")
    (folder / "core" / "link").symlink_to(tmp_path)
    nova.context.novnc = folder
    with (
        tempfile.TemporaryDirectory(prefix="screens-") as screens,  # a short path, as the kernel wants it for sockets
        running(console_service.load(), nova.context, nova.db.where) as served,
    ):
        nova.context.screens = Path(screens)
        yield served


def socket_of(nova: Nova, server_id: str) -> Path:
    """Where the controller looks for the screen."""
    return nova.context.screens / f"{server_id}.sock"


def token_of(demo: httpx.Client, server_id: str) -> str:
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    answer = demo.post(f"/v2.1/servers/{server_id}/remote-consoles", json=body)
    assert answer.status_code == 200, answer.text
    url = answer.json()["remote_console"]["url"]
    assert url.startswith(URL)
    return str(url.removeprefix(URL))


async def talk(console: Running, token: str, **options: Any) -> bytes:
    where = f"ws://127.0.0.1:{console.port}/?token={token}"
    async with websockets.connect(where, subprotocols=["binary"], open_timeout=10, **options) as browser:  # type: ignore[list-item]
        await browser.send(b"hello")
        return bytes(await asyncio.wait_for(browser.recv(), 10))  # type: ignore[arg-type]


async def with_screen(path: Path, work: Any) -> Any:
    """Run `work` while an echoing screen listens at `path`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(b"echo " + piece)
            await writer.drain()

    async with await asyncio.start_unix_server(serve, path):
        return await work


def test_a_token_opens_the_screen_once(nova: Nova, demo: httpx.Client, console: Running, tmp_path: Path) -> None:
    server_id = nova.active(demo)
    socket, token = socket_of(nova, server_id), token_of(demo, server_id)
    origin = f"http://127.0.0.1:{console.port}"
    assert asyncio.run(with_screen(socket, talk(console, token, origin=origin))) == b"echo hello"
    with pytest.raises(websockets.exceptions.InvalidStatus):
        asyncio.run(with_screen(socket, talk(console, token)))


def test_another_sites_page_does_not(nova: Nova, demo: httpx.Client, console: Running, tmp_path: Path) -> None:
    server_id = nova.active(demo)
    socket, token = socket_of(nova, server_id), token_of(demo, server_id)
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{console.port}.evil.example"):
        with pytest.raises(websockets.exceptions.InvalidStatus):
            asyncio.run(with_screen(socket, talk(console, token, origin=origin)))
        token = token_of(demo, server_id)
    assert asyncio.run(with_screen(socket, talk(console, token))) == b"echo hello"


def test_an_expired_or_invented_token(nova: Nova, demo: httpx.Client, console: Running, tmp_path: Path) -> None:
    server_id = nova.active(demo)
    socket, token = socket_of(nova, server_id), token_of(demo, server_id)
    with nova.db.transaction() as tx:
        tx.execute(update(console_tokens).values(expires_at=tx.now - 1))
    for tried in (token, "", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(websockets.exceptions.InvalidStatus):
            asyncio.run(with_screen(socket, talk(console, tried)))


def test_tokens_are_kept_as_hashes(nova: Nova, demo: httpx.Client, tmp_path: Path) -> None:
    token = token_of(demo, nova.active(demo))
    for path in tmp_path.glob("state.db*"):
        assert token.encode() not in path.read_bytes()


def test_pages(console: Running) -> None:
    with console.client("") as client:
        assert "lite" in client.get("/vnc_auto.html?path=%3Ftoken%3Dx").text
        assert client.get("/core/rfb.js").headers["content-type"].startswith("text/javascript")
        evil = ("/../secret", "/%2e%2e/secret", "/core/..%2f..%2fsecret", "/core/link/secret", "/core", "/core/")
        for path in (*evil, "//evil.example/%2f..", "//evil.example", "/nope"):
            answer = client.get(f"{console.url}{path}", follow_redirects=False)
            assert (answer.status_code, "location" in answer.headers) == (404, False), path


def test_without_novnc_a_page_says_what_to_install(nova: Nova, console: Running, tmp_path: Path) -> None:
    nova.context.novnc = tmp_path / "missing"
    with console.client("") as client:
        answer = client.get("/vnc_auto.html")
        assert answer.status_code == 503 and "novnc" in answer.text


def test_not_ready_and_unknown_kinds(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    server_id = nova.create(demo)
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    answer = demo.post(f"/v2.1/servers/{server_id}/remote-consoles", json=body)
    assert (answer.status_code, message(answer)) == (409, "Instance not yet ready")
    nova.node.work()
    body = {"remote_console": {"protocol": "spice", "type": "spice-html5"}}
    answer = demo.post(f"/v2.1/servers/{server_id}/remote-consoles", json=body)
    assert (answer.status_code, message(answer)) == (400, "Unavailable console type spice-html5.")
    action = {"os-getVNCConsole": {"type": "novnc"}}
    answer = old.post(f"/v2.1/servers/{server_id}/action", json=action)
    assert answer.json()["console"]["type"] == "novnc"
    assert demo.post(f"/v2.1/servers/{server_id}/action", json=action).status_code == 404
    assert old.post(f"/v2.1/servers/{server_id}/remote-consoles", json=body).status_code == 404


def test_console_log(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    act = f"/v2.1/servers/{server_id}/action"

    async def both(ok: bool) -> httpx.Response:
        asked = asyncio.create_task(asyncio.to_thread(demo.post, act, json={"os-getConsoleOutput": {"length": 5}}))
        for _ in range(100):
            await asyncio.sleep(0.02)
            await asyncio.to_thread(nova.node.answer, "login: \x1b[0m<b>", ok)
            if asked.done():
                break
        return await asked

    answer = asyncio.run(both(True))
    assert answer.json() == {"output": "login: \x1b[0m<b>"}
    assert asyncio.run(both(False)).status_code == 404
    nova.context.deadlines.console_log_s = 0.1
    assert demo.post(act, json={"os-getConsoleOutput": {}}).status_code == 409
    assert demo.post(act, json={"os-getConsoleOutput": {"length": "x"}}).status_code == 400
