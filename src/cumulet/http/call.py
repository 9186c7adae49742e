"""One call of an operation: what the handler gets, and what it may answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cumulet.auth import Caller, Forbidden, Policy
from cumulet.db import Actor, Database, Transaction
from cumulet.http.faults import BadRequest, TooLarge, Unauthorized
from cumulet.http.versions import Version

if TYPE_CHECKING:
    from cumulet.http.operation import Operation

T = TypeVar("T")


@dataclass
class Reply:
    """An answer other than "this body with the operation's status". `body`: a struct, dict or list becomes JSON;
    bytes and str go as they are with `content_type`; an async iterator of bytes is streamed."""

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


class Call:
    """What a handler sees of a request.

    `tx` is the operation's transaction (None when the operation says ``transaction="none"``), `caller` who calls,
    `version` the microversion, `body` the parsed request shape and `raw` the JSON it came from (for services that
    keep attributes they do not know), `query` the parsed query shape or the raw mapping name → values, `sender` whom
    the operation's `admit` made out, `context` what the process assembly handed to the service. `base_url` is
    scheme, host and port as the client addressed them, without a slash at the end. `global_request_id` is the id that
    the caller brought along from the request that made it call, when it is well-formed. `proven`: who has logged in by
    this call; `made`: the answer's body; `about`: ids or names of what it was about, where neither the path nor the
    answer says so. All three are for who watches requests.
    """

    def __init__(self, operation: Operation, db: Database, policy: Policy, context: Any) -> None:
        self.operation = operation
        self.db = db
        self.policy = policy
        self.context = context
        self.version: Version = (0, 0)
        self.method = ""
        self.path = ""
        self.raw_query = ""
        self.headers: Mapping[str, str] = {}
        self.query: Any = {}
        self.body: Any = None
        self.raw: Any = None
        self.sender: Any = None
        self.params: dict[str, str] = {}
        self.base_url = ""
        self.request_id = ""
        self.global_request_id: str | None = None
        self.client_address = ""
        self.proven: Caller | None = None
        self.made: Any = None
        self.about: Sequence[str] = ()
        self._tx: Transaction | None = None
        self._caller: Caller | None = None
        self._receive: Callable[[], Awaitable[Any]] | None = None

    @property
    def tx(self) -> Transaction:
        """The operation's transaction."""
        assert self._tx is not None, "this operation has no transaction of its own"
        return self._tx

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A snapshot to read from, for an operation without a transaction of its own; `tx` is it meanwhile."""
        with self.db.read() as tx:
            self._tx = tx
            try:
                yield tx
            finally:
                self._tx = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that writes what this caller asked for, for an operation that opens its own."""
        with self.db.transaction() as tx:
            if (by := self._caller) is not None:
                tx.actor = Actor(by.user_id, by.user_name, by.project_id, self.request_id)
            yield tx

    @property
    def caller(self) -> Caller:
        """Who calls. Raises 401 when the operation is open to everyone and nobody called."""
        if self._caller is None:
            raise Unauthorized("The request you have made requires authentication.")
        return self._caller

    @property
    def caller_or_none(self) -> Caller | None:
        """Who calls, or None on an operation that is open to everyone."""
        return self._caller

    def allows(self, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Whether the caller passes `rule` on `target`."""
        return self.policy.allows(rule, self.caller, target)

    def require(self, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """Raise `Forbidden` unless the caller passes `rule` on `target`."""
        if not self.allows(rule, target):
            raise Forbidden(rule)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work (a transaction, a hash) on a thread, from an async handler."""
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    async def client_gone(self) -> None:
        """Wait until the client has closed the connection, of an async operation that streams its answer. Whatever
        is left of the request's body is thrown away."""
        assert self._receive is not None
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def chunks(self, limit: int | None = None) -> AsyncIterator[bytes]:
        """The request body in pieces, of an async operation. Raises 413 beyond `limit` bytes."""
        assert self._receive is not None
        seen = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The client closed the connection before the end of the body.")
            piece = message.get("body", b"")
            seen += len(piece)
            if limit is not None and seen > limit:
                raise TooLarge("Request is too large.")
            if piece:
                yield piece
            if not message.get("more_body"):
                return
