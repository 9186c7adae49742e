"""The node's side of the link: join, long poll, report, heartbeat, image bytes, guests' metadata.

Plain HTTP requests on a connection per thread. The node calls; nobody calls the node.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cumulet.desired.shapes import (
    Changes,
    Heartbeat,
    HostFacts,
    Item,
    Join,
    Joined,
    Kind,
    MetadataQuestion,
    Reports,
    Shape,
)


class LinkError(Exception):
    """The controller cannot be reached or answered with an error. `status` is 0 when it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Link:
    """A connection to the controller at `url`; credentials are kept in `credentials` (0600) when given."""

    def __init__(self, url: str, credentials: Path | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port or 80
        self._file = credentials
        self._local = threading.local()
        self._joined: Joined | None = None
        if credentials is not None and credentials.exists():
            self._joined = msgspec.json.decode(credentials.read_bytes(), type=Joined)

    @property
    def joined(self) -> bool:
        """Whether this node has credentials."""
        return self._joined is not None

    def join(self, token: str, name: str, hosts: Sequence[HostFacts]) -> None:
        """Join the cloud (again), and keep the credentials."""
        answer = self._ask("POST", "/v1/join", Join(token=token, name=name, hosts=list(hosts)))
        self._joined = msgspec.json.decode(answer, type=Joined)
        if self._file is not None:
            fresh = self._file.with_suffix(".new")
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(self._joined))
            fresh.replace(self._file)

    def heartbeat(self, hosts: Sequence[HostFacts]) -> None:
        """Say that this node is alive; `hosts`: facts that changed."""
        self._ask("POST", "/v1/heartbeat", Heartbeat(hosts=list(hosts)))

    def changes(self, kinds: Sequence[Kind], since: int, wait_s: float) -> Changes:
        """What changed after `since`; waits up to `wait_s` for it. Specs are typed by their kind."""
        path = f"/v1/desired?kinds={','.join(kinds)}&since={since}&wait={wait_s}"
        return msgspec.json.decode(self._ask("GET", path, timeout_s=wait_s + 30), type=Changes)

    def report(self, reports: Reports) -> None:
        """Deliver reports and answers."""
        self._ask("POST", "/v1/reports", reports)

    def image(self, image_id: str) -> Iterator[bytes]:
        """The bytes of an image, on a connection of its own."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request("GET", f"/v1/images/{image_id}/file", headers=self._headers())
            response = connection.getresponse()
            if response.status != 200:
                raise LinkError(f"image {image_id}: {response.status} {response.read(500)!r}", response.status)
            while piece := response.read(1 << 20):
                yield piece
            if response.length:
                raise LinkError(f"image {image_id}: the connection broke before the end")
        except (OSError, http.client.HTTPException) as error:
            raise LinkError(f"image {image_id}: {error}") from error
        finally:
            connection.close()

    def metadata(self, question: MetadataQuestion) -> Answer:
        """A guest's question, answered by the controller as the guest shall see it."""
        return self._exchange("POST", "/v1/metadata", msgspec.json.encode(question), 30)

    # ---- one exchange ---------------------------------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._joined is not None:
            headers |= {"X-Cumulet-Link": self._joined.link_id, "X-Cumulet-Secret": self._joined.secret}
        return headers

    def _ask(self, method: str, path: str, body: Shape | None = None, timeout_s: float = 30) -> bytes:
        data = msgspec.json.encode(body) if body is not None else None
        answer = self._exchange(method, path, data, timeout_s)
        if answer.status >= 300:
            raise LinkError(f"{method} {path.split('?')[0]}: {answer.status} {_detail(answer)}", answer.status)
        return answer.body

    def _exchange(self, method: str, path: str, data: bytes | None, timeout_s: float) -> Answer:
        for attempt in (1, 2):
            connection, fresh = self._connection()
            try:
                connection.timeout = timeout_s
                if connection.sock is not None:
                    connection.sock.settimeout(timeout_s)
                connection.request(method, path, body=data, headers=self._headers())
                response = connection.getresponse()
                return Answer(response.status, dict(response.headers.items()), response.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._local.connection = None
                # A kept connection may have been closed under us; a fresh one tells the truth.
                if fresh or attempt == 2 or isinstance(error, TimeoutError):
                    raise LinkError(f"the controller does not answer: {error}") from error
        raise AssertionError

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            return connection, False
        connection = self._local.connection = http.client.HTTPConnection(self._host, self._port)
        return connection, True


def _detail(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["errors"][0]["detail"])
    except (ValueError, KeyError, IndexError, TypeError):
        return answer.body[:200].decode(errors="replace")


def typed(item: Item, shapes: dict[str, type[Any]]) -> Any:
    """The spec of an item as the shape of its kind."""
    return None if item.spec is None else msgspec.convert(item.spec, shapes[item.kind])
