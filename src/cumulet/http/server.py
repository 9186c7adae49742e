"""Serves an `App` on several ports of one event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import uvicorn
from msgspec import Struct

from cumulet.http.app import App
from cumulet.http.connections import Connections, most_connections
from cumulet.http.protocol import Protocol
from cumulet.http.tls import Certificate, Listener

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


class Secured(Struct, frozen=True):
    """Listening sockets that speak TLS, and what they show."""

    certificate: Certificate
    sockets: Sequence[socket.socket]


async def serve(
    app: App, sockets: Iterable[socket.socket], secured: Secured | None = None, *, threads: int = 8
) -> None:
    """Serve until SIGTERM or SIGINT, then let requests that run end (5 s at most)."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="op"))
    await server(app, Connections(most_connections()), secured).serve(sockets=list(sockets))


def server(app: App, limits: Connections, secured: Secured | None = None) -> Server:
    """The server of `app`, whose connections keep to `limits`."""
    config = uvicorn.Config(
        app,
        http=cast(Any, partial(Protocol, limits)),
        ws=cast(Any, _websocket),
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,  # a client on this machine must not choose its address or scheme by a header
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=5,
        ws_max_size=2**20,
    )
    return Server(config, app, limits, secured)


def _websocket(*arguments: Any, **options: Any) -> asyncio.Protocol:
    """The protocol of a connection that becomes a WebSocket, which only consoles do: it is imported for the first."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    made: asyncio.Protocol = WebSocketsSansIOProtocol(*arguments, **options)
    return made


class Server(uvicorn.Server):
    """Looks at its connections once a second. Ends long polls first when it stops: they only hold it up."""

    def __init__(self, config: uvicorn.Config, app: App, limits: Connections, secured: Secured | None = None) -> None:
        super().__init__(config)
        self._app = app
        self.limits = limits
        self._more = False
        self._secured = secured
        self._listeners: list[Listener] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._secured is not None:
            certificate = self._secured.certificate
            self._listeners = [Listener(sock, certificate, self._protocol) for sock in self._secured.sockets]

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = cast(Any, self.config.http_protocol_class)(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if counter % 10 == 0 or self._more:
            self._more = self.limits.sweep(self.server_state.connections, asyncio.get_running_loop().time())
        if counter % 10 == 0 and self._secured is not None:
            self._secured.certificate.refresh()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.db.wakeups.close()
        for listener in self._listeners:
            listener.close()
        await super().shutdown(sockets)
