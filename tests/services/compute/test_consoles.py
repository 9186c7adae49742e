"""Consoles over the API: addresses of screens, and what a guest printed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from tests.services.compute.conftest import (
    Nova,
    message,
    token_of,
)


def test_tokens_are_kept_as_hashes(nova: Nova, demo: httpx.Client, tmp_path: Path) -> None:
    token = token_of(demo, nova.active(demo))
    for path in tmp_path.glob("state.db*"):
        assert token.encode() not in path.read_bytes()


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
