"""The console: pages, and the relay to a guest's screen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from sqlalchemy import update

from cumulet.services.compute.tables import console_tokens
from tests.services.compute.conftest import (
    Nova,
    token_of,
)
from tests.services.serving import Running


def socket_of(nova: Nova, server_id: str) -> Path:
    """Where the controller looks for the screen."""
    return nova.context.screens / f"{server_id}.sock"


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
