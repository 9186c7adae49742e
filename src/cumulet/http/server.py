"""Serves an `App` on several ports of one event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from cumulet.http.app import App
from cumulet.http.protocol import Protocol

log = logging.getLogger("cumulet.http")


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError with the address in its text when somebody else has the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it; without, answers wait 40 ms
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {address} port {port}: {error.strerror}") from None
    sock.listen(1024)
    sock.setblocking(False)
    return sock


async def serve(app: App, sockets: Iterable[socket.socket], *, threads: int = 8) -> None:
    """Serve until SIGTERM or SIGINT, then let requests that run end (5 s at most)."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="op"))
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="websockets-sansio",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,  # a client on this machine must not choose its address or scheme by a header
        server_header=False,
        date_header=True,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        ws_max_size=2**20,
    )
    await _Server(config, app).serve(sockets=list(sockets))


class _Server(uvicorn.Server):
    """Ends long polls first when it stops: they would hold it up for nothing."""

    def __init__(self, config: uvicorn.Config, app: App) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.store.wakeups.close()
        await super().shutdown(sockets)
