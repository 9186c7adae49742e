"""From a browser's websocket to the unix socket of a guest's screen.

A token opens one connection, once; it is used up by whoever shows it, let in or not. A browser's page must come from
this host, so that no other site can ride on a token. Bytes pass as they are; nothing of them is kept or logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cumulet.db import Database
from cumulet.services.compute.console import screens, still
from cumulet.services.compute.context import ComputeContext
from cumulet.services.compute.model import consoles

log = logging.getLogger("cumulet.console")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_REFUSED, _NO_SCREEN, _OVER = 1008, 1011, 1000
_PIECE = 65536


async def websocket(context: ComputeContext, db: Database, scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one websocket of a browser."""
    first = await receive()
    if first["type"] != "websocket.connect":
        return
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    screen = await asyncio.get_running_loop().run_in_executor(None, _redeem, db, _token(scope, headers))
    if screen is None or not _same_site(headers, context):
        await send({"type": "websocket.close", "code": _REFUSED})
        return
    try:
        reader, writer = await _screen(context, screen)
    except OSError as error:
        log.warning("the screen of %s cannot be reached: %s", screen.server_id, error)
        await send({"type": "websocket.close", "code": _NO_SCREEN})
        return
    offered = scope.get("subprotocols") or []
    await send({"type": "websocket.accept", "subprotocol": "binary" if "binary" in offered else None})
    log.info("console of %s opened", screen.server_id)
    await _relay(receive, send, reader, writer)


async def _screen(
    context: ComputeContext, screen: consoles.Screen
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The stream of a guest's screen. Raises OSError. A simulated host has none: a picture says so."""
    if not context.simulated:
        return await screens.connect(context.screens, screen.server_id)
    lines = [
        screen.name,
        screen.server_id,
        "",
        f"on simulated host {screen.host}",
        "",
        "There is no guest behind this.",
    ]
    return await still.opened(screen.name, lines)


def _same_site(headers: dict[str, str], context: ComputeContext) -> bool:
    """Whether the page that opens the socket is ours; clients that are no browsers send no Origin."""
    origin = headers.get("origin")
    if origin is None:
        return True
    site = urlsplit(origin)
    ours = {headers.get("host", ""), urlsplit(context.console_base_url).netloc}
    return site.scheme in ("http", "https") and site.netloc in ours


def _token(scope: dict[str, Any], headers: dict[str, str]) -> str:
    """The token in the query, or in the cookie that older pages set."""
    query: bytes = scope.get("query_string", b"")
    values = parse_qs(query.decode("latin-1")).get("token")
    if values:
        return values[0]
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get("token")
    except CookieError:
        return ""
    return "" if morsel is None else str(morsel.value)


def _redeem(db: Database, token: str) -> consoles.Screen | None:
    if not token:
        return None
    with db.read() as tx:
        if not consoles.exists(tx, token):
            return None
    with db.transaction() as tx:
        return consoles.redeem(tx, token)


async def _relay(receive: Receive, send: Send, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes both ways until one side is gone."""
    tasks = [asyncio.create_task(_to_browser(reader, send)), asyncio.create_task(_to_guest(receive, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        browser_left = tasks[1].done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
    if not browser_left:
        await send({"type": "websocket.close", "code": _OVER})


async def _to_browser(reader: asyncio.StreamReader, send: Send) -> None:
    while piece := await reader.read(_PIECE):
        await send({"type": "websocket.send", "bytes": piece})


async def _to_guest(receive: Receive, writer: asyncio.StreamWriter) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        piece = message.get("bytes")
        if piece is None:
            piece = (message.get("text") or "").encode()
        writer.write(piece)
        await writer.drain()
