"""The node's side of the link: join, long poll, report, heartbeat, image bytes, guests' metadata.

Plain HTTP requests on a connection per thread. The node calls; nobody calls the node.
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from cumulet import files
from cumulet.desired import formats
from cumulet.desired.clouds import SEEN_HEADER, Cloud, Seen
from cumulet.desired.formats import READS_HEADER
from cumulet.desired.hosts import RENEW_HEADER, Heartbeat, HostFacts, Join, Joined
from cumulet.desired.items import Changes, Item, Reports
from cumulet.desired.keeping import Keeping, Strangers, Unwanted
from cumulet.desired.kinds import Kind
from cumulet.desired.questions import Job, MetadataQuestion
from cumulet.desired.shape import Shape
from cumulet.node import peer

log = logging.getLogger("cumulet.node")
T = TypeVar("T")
_JOIN, _UNAUTHORIZED = ("POST", "/v1/join"), 401


class LinkError(Exception):
    """The controller cannot be reached or answered with an error. `status` is 0 when it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Answer(Struct, frozen=True):
    """An HTTP answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Link:
    """A connection to the controller at `url`; credentials are kept in `credentials` (0600) when given.

    `trusted`: ids of users who may be the other end, when the controller is on this machine (None: not looked at).
    `seen` gives what the node has seen of its cloud, which is in each request's head. While it is `held`, nothing that
    guests need is asked of the controller: it would answer for another cloud. Until `there` is set nothing but joining
    is tried. `restarts`: how often this node was started again.
    """

    def __init__(self, url: str, credentials: Path | None = None, trusted: frozenset[int] | None = None) -> None:
        parts = urlsplit(url)
        if parts.hostname is None:
            raise ValueError(f"{url} names no controller")
        self._host, self._port = parts.hostname, parts.port or 80
        self._file, self._trusted = credentials, trusted
        self._local = threading.local()
        self._joining = threading.Lock()
        self.seen: Callable[[], Seen | None] | None = None
        self.held = False
        self.there: threading.Event | None = None
        self.restarts = 0
        self._joined: Joined | None = None
        self._reads = formats.head(formats.own())
        if credentials is not None and credentials.exists():
            self._joined = _kept(credentials)

    @property
    def joined(self) -> bool:
        """Whether this node has credentials."""
        return self._joined is not None

    @property
    def answers(self) -> bool:
        """Whether anybody listens where the controller should be. Says nothing to whoever it is."""
        with socket.socket() as probe:
            probe.settimeout(3)
            try:
                return probe.connect_ex((self._host, self._port)) == 0
            except OSError:  # a name that nobody knows now
                return False

    def join(self, name: str, hosts: Sequence[HostFacts], token: str = "") -> None:
        """Join the cloud by a token, or again by the credentials of before; keep the fresh ones. Raises LinkError."""
        headers = {"X-Cumulet-Node": name} | ({"Authorization": f"Bearer {token}"} if token else {})
        with self._joining:
            answer = self._ask(_JOIN[0], _JOIN[1], Join(hosts=list(hosts)), headers=headers)
            joined = msgspec.json.decode(answer.body, type=Joined)
            if self._file is not None:
                files.put(self._file, msgspec.json.encode(joined), sync=True)
            self._joined = joined

    def heartbeat(self, hosts: Sequence[HostFacts], *, complete: bool = False, hold: str | None = None) -> bool:
        """Say that this node is alive; `hosts`: facts that changed, or with `complete` all there are; `hold`: why it
        takes nothing from there. Whether the controller wants this node to have another secret: to join again with the
        one it has."""
        clock_us = time.time_ns() // 1000
        said = Heartbeat(hosts=list(hosts), complete=complete, hold=hold, clock_us=clock_us, restarts=self.restarts)
        answer = self._ask("POST", "/v1/heartbeat", said)
        return any(name.lower() == RENEW_HEADER.lower() for name in answer.headers)

    def changes(self, kinds: Sequence[Kind], since: int, wait_s: float) -> Changes:
        """What changed after `since`; waits up to `wait_s` for it.

        An item or a question that cannot be read is left out alone; then the answer no longer counts as all there is.
        """
        path = f"/v1/desired?kinds={','.join(kinds)}&since={since}&wait={wait_s}"
        told = msgspec.json.decode(self._ask("GET", path, timeout_s=wait_s + 30).body, type=_Told)
        items, jobs = _read(told.items, Item), _read(told.jobs, Job)
        whole = len(items) == len(told.items)
        return Changes(revision=told.revision, items=items, jobs=jobs, full=told.full and whole, cloud=told.cloud)

    def report(self, reports: Reports) -> None:
        """Deliver reports and answers."""
        self._ask("POST", "/v1/reports", reports)

    def kept(self, keeping: Keeping) -> None:
        """Say what is kept."""
        self._ask("POST", "/v1/kept", keeping)

    def strange(self, strangers: Strangers) -> Unwanted:
        """Ask whether these are unwanted."""
        return _decoded(self._ask("POST", "/v1/strange", strangers).body, Unwanted)

    def image(self, image_id: str) -> Iterator[bytes]:
        """The bytes of an image, on a connection of its own."""
        self._not_held()
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            self._connect(connection)
            connection.request("GET", f"/v1/images/{image_id}/file", headers=self._headers())
            response = connection.getresponse()
            self._met(connection)
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
        self._not_held()
        return self._exchange("POST", "/v1/metadata", msgspec.json.encode(question), 30, {})

    def _not_held(self) -> None:
        if self.held:
            raise LinkError("this node does not take the controller's word")

    # ---- one exchange ---------------------------------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", READS_HEADER: self._reads}
        if self.seen is not None:
            newest = self.seen()
            headers[SEEN_HEADER] = "-" if newest is None else newest.head()
        if self._joined is not None:
            headers |= {"X-Cumulet-Link": self._joined.link_id, "X-Cumulet-Secret": self._joined.secret}
        return headers

    def _ask(
        self,
        method: str,
        path: str,
        body: Shape | None = None,
        timeout_s: float = 30,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        if self.there is not None and path != _JOIN[1]:
            self.there.wait()
        data = msgspec.json.encode(body) if body is not None else None
        answer = self._exchange(method, path, data, timeout_s, headers or {})
        if answer.status >= 300:
            raise LinkError(f"{method} {path.split('?')[0]}: {answer.status} {_detail(answer)}", answer.status)
        return answer

    def _exchange(
        self, method: str, path: str, data: bytes | None, timeout_s: float, headers: Mapping[str, str]
    ) -> Answer:
        for attempt in (1, 2):
            connection, fresh = self._connection()
            try:
                joined = self._joined
                connection.timeout = timeout_s
                met = connection.sock is not None
                if connection.sock is not None:
                    connection.sock.settimeout(timeout_s)
                else:
                    self._connect(connection)
                connection.request(method, path, body=data, headers={**self._headers(), **headers})
                response = connection.getresponse()
                answer = Answer(response.status, dict(response.headers.items()), response.read())
                if not met:
                    self._met(connection)
                if answer.status == _UNAUTHORIZED and attempt == 1 and self._joined_since(joined, path):
                    continue
                return answer
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._local.connection = None
                # A kept connection may have been closed under us; a fresh one tells the truth.
                if fresh or attempt == 2 or isinstance(error, TimeoutError):
                    raise LinkError(f"the controller does not answer: {error}") from error
        raise AssertionError

    def _joined_since(self, joined: Joined | None, path: str) -> bool:
        """Whether this node got another secret while a request with the one before was under way; waits for it."""
        if path == _JOIN[1]:
            return False
        with self._joining:
            return self._joined is not joined

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        """Connect, and look who listens there before anything is said. Raises OSError.

        It is the same one before and after: so it is the one that has our connection, and not somebody who has let the
        port go since.
        """
        address = (self._host, self._port)
        before = None if self._trusted is None else peer.check_listener(address, self._trusted)
        connection.connect()
        if self._trusted is not None and peer.check_listener(connection.sock.getpeername(), self._trusted) != before:
            raise peer.StrangerError(f"port {self._port} of {self._host} has changed hands")

    def _met(self, connection: http.client.HTTPConnection) -> None:
        """Look who has answered: between two looks at a port it may have changed hands. Raises OSError."""
        if self._trusted is not None and connection.sock is not None:
            peer.check_accepted(connection.sock, self._trusted)

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            return connection, False
        connection = self._local.connection = http.client.HTTPConnection(self._host, self._port)
        return connection, True


class _Told(Shape):
    """`Changes`, before its items are read."""

    revision: int
    items: list[msgspec.Raw] = msgspec.field(default_factory=list)
    jobs: list[msgspec.Raw] = msgspec.field(default_factory=list)
    full: bool = False
    cloud: Cloud | None = None


def _decoded(text: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.MsgspecError as error:
        raise LinkError(f"the controller sent what cannot be read as {shape.__name__}: {error}") from error


def _read(told: Sequence[msgspec.Raw], shape: type[T]) -> list[T]:
    found = []
    for raw in told:
        try:
            found.append(msgspec.json.decode(raw, type=shape))
        except msgspec.MsgspecError as error:
            log.error("the controller sent what cannot be read as %s: %s", shape.__name__, error)
    return found


def _kept(file: Path) -> Joined | None:
    """The credentials in `file`; none when they are torn, as after a full disk: then the node joins anew."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Joined)
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("the credentials in %s cannot be read: %s", file, error)
        return None


def _detail(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["errors"][0]["detail"])
    except (ValueError, KeyError, IndexError, TypeError):
        return answer.body[:200].decode(errors="replace")
