"""Serves one service on a free port in a thread, with a token check that knows a few fixed callers."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from cumulet.auth import Caller, Policy, Unauthenticated
from cumulet.db import Database, Transaction, metadata
from cumulet.http.app import App
from cumulet.http.mount import Mount
from cumulet.http.operation import Service
from cumulet.http.server import listen
from tests.databases import place

PROJECTS = {"demo": "d" * 32, "other": "0" * 32, "admin": "a" * 32, "service": "5" * 32, "reader": "d" * 32}
_ROLES = {
    "demo": ("member", "reader"),
    "other": ("member", "reader"),
    "admin": ("admin", "manager", "member", "reader"),
    "service": ("service",),
    "reader": ("reader",),
}


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak HTTP alone: without it each one reads all certificate authorities, which takes longer than its
request."""


def caller(token: str) -> Caller:
    """The caller behind a token of the tests."""
    if token not in PROJECTS:
        raise Unauthenticated("The request you have made requires authentication.")
    return Caller(
        user_id=token.ljust(32, "0"),
        user_name=token,
        user_domain_id="default",
        roles=_ROLES[token],
        project_id=PROJECTS[token],
        project_name=token,
        project_domain_id="default",
    )


def authenticate(_tx: Transaction, token: str) -> Caller:
    return caller(token)


@dataclass
class Running:
    """A service that answers at `url`."""

    url: str
    port: int
    db: Database
    statements: list[int]

    def client(self, token: str, **headers: str) -> httpx.Client:
        sent = {"X-Auth-Token": token, "Accept": "application/json", **headers} if token else headers
        return httpx.Client(base_url=self.url, headers=sent, timeout=60, verify=PLAIN)


BEHIND = "behind"
"""The name of threads that do what a controller does by itself."""


@contextmanager
def running(service: Service, context: Any, database: Path | str, kind: str | None = None) -> Iterator[Running]:
    """Serve `service` until the block ends. `statements` grows by the number of statements of each transaction."""
    db = Database(place(database, kind), durable=False)
    metadata.create_all(db.engine)
    counts = counting(db)
    sock = listen("127.0.0.1", 0)
    port = int(sock.getsockname()[1])
    app = App(db, {port: Mount(service, context, Policy(service.rules))}, authenticate)
    config = uvicorn.Config(app, http="httptools", lifespan="off", access_log=False, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_serve, args=(server, sock), daemon=True)
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{port}", port, db, counts)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        sock.close()
        db.close()


def _serve(server: uvicorn.Server, sock: socket.socket) -> None:
    asyncio.run(server.serve(sockets=[sock]))


def counting(db: Database) -> list[int]:
    """Record how many statements each transaction of `store` ran, except the token check's (which runs none) and those
    of threads `BEHIND`, which nobody asked for."""
    counts: list[int] = []
    for name in ("transaction", "read"):
        setattr(db, name, _counted(getattr(db, name), counts))
    return counts


def _counted(opener: Any, counts: list[int]) -> Any:
    @contextmanager
    def opened() -> Iterator[Transaction]:
        with opener() as tx:
            try:
                yield tx
            finally:
                if tx.statements and threading.current_thread().name != BEHIND:
                    counts.append(tx.statements)

    return opened
