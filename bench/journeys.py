"""Rows of `services.py` that are more than one request: something is made, used as soon as it is there, and removed."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from services import Connection

LOOK_S = 0.002
"""Between two looks at what is being made or removed: a look costs the server less than a tenth of that."""


@dataclass
class Journey:
    """Make a resource of a collection, wait for `ready` in what the API shows of it, remove it, wait until it is gone.

    `ready` None: it is there with the answer, and gone with the answer to DELETE. `pid`: as in `Request`.
    """

    url: str
    token: str
    noun: str
    body: dict[str, Any]
    ready: bytes | None = None
    pid: int = 0

    @property
    def port(self) -> int:
        """Where the requests go."""
        return urlsplit(self.url).port or 80

    def _bytes(self, method: str, more: str = "", body: bytes = b"") -> bytes:
        parts = urlsplit(self.url + more)
        lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"X-Auth-Token: {self.token}"]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def travel(self, connection: Connection) -> float:
        """Seconds from the request until the resource was there."""
        data = self._bytes("POST", body=json.dumps({self.noun: self.body} if self.noun else self.body).encode())
        begun = time.perf_counter()
        self._expect(await connection.ask(data), (201, 202), connection.body)
        made = json.loads(connection.body)
        one = f"/{(made[self.noun] if self.noun else made)['id']}"
        look = self._bytes("GET", one)
        while self.ready is not None:
            self._expect(await connection.ask(look), (200,), connection.body)
            if self.ready in connection.body:
                break
            if b'"ERROR"' in connection.body:
                raise SystemExit(f"{self.url}: {connection.body!r}")
            await asyncio.sleep(LOOK_S)
        took = time.perf_counter() - begun
        self._expect(await connection.ask(self._bytes("DELETE", one)), (204,), connection.body)
        while self.ready is not None and await connection.ask(look) != 404:
            await asyncio.sleep(LOOK_S)
        return took

    def _expect(self, code: int, right: tuple[int, ...], body: bytes) -> None:
        if code not in right:
            raise SystemExit(f"{self.url}: {code} {body!r}")
