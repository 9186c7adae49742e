"""The ASGI app of all services: port → service → operation → answer.

The order in which a request passes is `Exchange._answer`: preflight, health check, URL, microversion, route, token,
body limit, body and query shapes, policy, transaction, handler, answer. Whatever goes wrong becomes the
service's own error body; an error of ours is logged with its request id and answered without its text.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from cumulet import __version__
from cumulet.auth import Caller, Forbidden, Unauthenticated
from cumulet.auth.access_rules import allows
from cumulet.db import Database, Unstorable
from cumulet.db.trouble import RETRY_AFTER_S, SENTENCES
from cumulet.http import encoding, forwarded, health, measures, openapi, reading, running
from cumulet.http.bodies import Body, QueryStruct
from cumulet.http.call import Call, Reply
from cumulet.http.cors import Cors
from cumulet.http.faults import (
    JSON,
    BadRequest,
    Fault,
    NotAllowed,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
    keystone_body,
)
from cumulet.http.measures import Measures
from cumulet.http.mount import Mount, Shared
from cumulet.http.on_demand import OnDemand
from cumulet.http.operation import Choice, Operation, Service
from cumulet.http.shapes import Invalid, trimmed
from cumulet.http.versions import Version
from cumulet.space import Room

log = logging.getLogger("cumulet.http")

Authenticate = Callable[..., Caller]
"""(transaction, token) → caller; with a third argument when a service hands on a request: its own token, which lets
the caller's have expired lately. Raises `Unauthenticated`."""
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
HeaderList = list[tuple[str, str]]
Exposition = Callable[[str, str], Awaitable[tuple[bytes, str] | None]]
"""(authorization, accept) → the process's numbers as text and their content type; None for who may not see them."""
Watcher = Callable[["Exchange"], None]
"""Sees each request when it is over. It must not fail, nor take long: it holds up the event loop."""

_GLOBAL_ID = re.compile(r"req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MOST_SAID = 8000  # letters of an error's message, which may repeat what was sent
_SMALL_BODY = 8192
_MOST_UNPROVEN = 1 << 26  # bytes of larger bodies that come at the same time from callers whom nobody has checked yet
_MISSING_TOKEN = "The request you have made requires authentication."  # noqa: S105 - Keystone's sentence
_SHORT_RETRY_S = "60"


class App:
    """The ASGI application. `mounts`: port → service, or several; `origins`: web origins whose scripts may call;
    `proxies`: addresses and networks of proxies that are believed; `state`: the folder in which a file switches the
    health check off; `room`: the disks that operations grow on."""

    def __init__(
        self,
        db: Database,
        mounts: Mapping[int, Mount | Shared],
        authenticate: Authenticate,
        *,
        origins: Sequence[str] = (),
        proxies: Sequence[str] = (),
        state: Path | None = None,
        room: Room | None = None,
    ) -> None:
        self.db = db
        self.mounts = dict(mounts)
        self.authenticate = authenticate
        self.cors = Cors(origins)
        self.proxies = forwarded.Proxies(proxies)
        self.state = state
        self.room = room
        self.compresses_for = encoding.wanted
        self.unproven = 0
        self.on_demand: OnDemand | None = None
        self.measures = Measures()
        self.exposition: Exposition | None = None
        self.watchers: list[Watcher] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        mount, scope = self.mounts[scope["server"][1]].found(scope)
        if scope["type"] == "websocket":
            if mount.service.websocket is None:
                await send({"type": "websocket.close", "code": 1008})
                return
            await mount.service.websocket(mount.context, self.db, scope, receive, send)
            return
        await Exchange(self, mount, scope, receive, send).run()


class Exchange:
    """One request and its answer."""

    def __init__(self, app: App, mount: Mount, scope: Message, receive: Receive, send: Send) -> None:
        self.app, self.mount, self.scope, self.receive, self.send = app, mount, scope, receive, send
        self.headers: dict[str, str] = {}
        self.client = scope["client"][0] if scope.get("client") else ""
        self.request_id = f"req-{uuid.uuid4()}"
        self.global_id: str | None = None
        self.answer_headers: HeaderList = [("x-openstack-request-id", self.request_id)]
        if mount.request_id_header:
            self.answer_headers.append((mount.request_id_header, self.request_id))
        self.started = False
        self.status = 0
        self.operation: Operation | None = None
        self.caller: Caller | None = None
        self.call: Call | None = None
        self.version: Version | None = None

    async def run(self) -> None:
        begun = time.perf_counter()
        try:
            await self._answer()
        except Exception as error:
            await self._fail(error)
        seconds = time.perf_counter() - begun
        operation = self.operation
        route = (self.mount.type, self.scope["method"], operation.path if operation else "")
        if not operation and self.scope["method"] not in _METHODS:
            route = (self.mount.type, "other", "")  # a method may be any word
        self.app.measures.count(route, self.status, seconds)
        for watcher in self.app.watchers:
            watcher(self)
        quiet = self.status < 400 and (self.scope["path"] == health.PATH or (operation and operation.quiet))
        if log.isEnabledFor(logging.DEBUG if quiet else logging.INFO):
            self._log(seconds, logging.DEBUG if quiet else logging.INFO)

    def _log(self, seconds: float, level: int) -> None:
        """One line per request. A path is shown as it came when it holds what could forge a line."""
        path, caller = self.scope["path"], self.caller
        log.log(
            level,
            "%s %s status: %d time: %.6f [%s %s %s %s] from %s",
            self.scope["method"],
            path if path.isprintable() else ascii(path),
            self.status,
            seconds,
            self.global_id or "-",
            self.request_id,
            caller.user_id if caller else "-",
            (caller.project_id if caller else None) or "-",
            self.client or "-",
        )

    async def _answer(self) -> None:
        method, path = self.scope["method"], self.scope["path"]
        self.headers = reading.folded(self.scope["headers"])
        if self.app.cors.origins and await self._crossed_origins(method):
            return
        if path == health.PATH:
            await self._health(method)
            return
        if path == measures.PATH and self.app.exposition is not None:
            await self._measures(method)
            return
        service = self.mount.service
        raw_path = self.scope.get("raw_path") or path.encode()
        reading.check_target(path, raw_path, self.scope["query_string"])
        asked = self.headers.get("x-openstack-request-id")
        if asked is not None and _GLOBAL_ID.fullmatch(asked):
            self.global_id = asked
        version: Version = (0, 0)
        if service.microversions is not None:
            version = self.version = service.microversions.asked(self.headers)
            self.answer_headers += service.microversions.headers(version)
        decoded = path if b"%2F" not in raw_path.upper() else raw_path.decode("latin-1")
        matched = service.match("GET" if method == "HEAD" else method, decoded, version)
        if isinstance(matched, set) and method == "HEAD":
            matched = service.match("HEAD", decoded, version)
        if isinstance(matched, set):
            if path != openapi.PATH or method not in ("GET", "HEAD") or not service.rules:
                self._no_route(matched)
            await self._send(200, await asyncio.to_thread(_document, service), JSON)
            return
        operation, params = matched
        self.operation = operation
        if not isinstance(operation, Choice):
            await self._foresee(operation)
        call = self.call = self._call(operation, {k: unquote(v) for k, v in params.items()}, version)
        if operation.auth:
            call._caller = self.caller = self.mount.policy.seen(await self._authenticate(operation, decoded))
        if service.admit is not None:
            service.admit(call)
        if operation.admit is not None:
            operation.admit(call)
        if operation.grows or operation.writes:
            self._check_room(operation)
        await self._read(call)
        operation = call.operation
        if operation.policy is not None and operation.target is None:
            call.require(operation.policy)
        await self._reply(call, await running.run(call))

    async def _foresee(self, operation: Operation) -> None:
        """Meet the fault that somebody asked for. Raises it."""
        if self.app.on_demand is not None and self.app.on_demand.asked:
            await self.app.on_demand.meet(operation)

    def _check_room(self, operation: Operation) -> None:
        """Refuse what makes the cloud grow before the disk does, and at the end all but deleting. Raises 413 or 503."""
        room = self.app.room
        if room is None:
            return
        short = (room.short() if operation.grows else None) or (room.scarce() if operation.writes else None)
        if short is not None:
            raise self.mount.service.no_room(short, headers={"Retry-After": _SHORT_RETRY_S})

    async def _crossed_origins(self, method: str) -> bool:
        """What browsers need to know; whether the request was a preflight, which is answered here."""
        preflight = self.app.cors.preflight(self.headers) if method == "OPTIONS" else None
        self.answer_headers += self.app.cors.headers(self.headers) if preflight is None else preflight
        if preflight is not None:
            await self._send(200, b"", None)
        return preflight is not None

    async def _health(self, method: str) -> None:
        if method not in ("GET", "HEAD"):
            self._no_route({"GET", "HEAD"})
        accept = self.headers.get("accept", "")
        await self._send(*health.answer(self.app.state, self.mount.type, method, accept))

    async def _measures(self, method: str) -> None:
        """The process's numbers, for who has the token that opens them and nothing else."""
        assert self.app.exposition is not None
        if method not in ("GET", "HEAD"):
            self._no_route({"GET", "HEAD"})
        found = await self.app.exposition(self.headers.get("authorization", ""), self.headers.get("accept", ""))
        if found is None:
            raise Unauthorized("This needs the token of secrets/metrics_token.", headers={"WWW-Authenticate": "Bearer"})
        await self._send(200, *found)

    def _call(self, operation: Operation, params: dict[str, str], version: Version) -> Call:
        call = Call(operation, self.app.db, self.mount.policy, self.mount.context)
        call.version, call.params, call.headers = version, params, self.headers
        call.method, call.path = self.scope["method"], self.scope["path"]
        call.raw_query = self.scope["query_string"].decode("latin-1")
        proxies = self.app.proxies if self.mount.proxied else forwarded.NONE
        origin = proxies.origin(self.scope, self.headers, self.mount.public)
        call.base_url, self.client = origin.base_url, origin.client
        call.request_id, call.global_request_id = self.request_id, self.global_id
        call._receive = self.receive
        call.client_address = self.client
        return call

    async def _authenticate(self, operation: Operation, path: str) -> Caller:
        """The caller behind the request's token. `path`: as it was routed, which a slash that is part of a name (%2F)
        does not look like one of the path's own. Raises `Unauthenticated`."""
        token = self.headers.get("x-auth-token") or self.headers.get("x-storage-token")
        if not token:
            raise Unauthenticated(_MISSING_TOKEN)
        service_token = self.headers.get("x-service-token")
        with self.app.db.read() as tx:
            if service_token:
                return self.app.authenticate(tx, token, service_token)
            caller = self.app.authenticate(tx, token)
        rules = caller.access_rules
        if rules is None:
            return caller
        # Patterns of its owner's: what they cost is nothing for the event loop.
        if not await asyncio.to_thread(allows, rules, operation.service, self.scope["method"], path):
            raise Unauthenticated(_MISSING_TOKEN)
        return caller

    async def _read(self, call: Call) -> None:
        """Body and query of the request into the call."""
        operation = call.operation
        call.query = reading.parameters(call.raw_query)
        if isinstance(operation.query, type):
            call.query = self._parsed(QueryStruct(operation.query), call.query, call.version)
        if operation.asynchronous and operation.request is None:
            return
        if operation.request is None and not operation.raw_body and call.method in ("GET", "HEAD", "DELETE"):
            return
        body = await self._body(operation)
        if operation.raw_body:
            call.body = body
        elif isinstance(operation, Choice):
            call.raw = reading.decoded(body)
            await self._choose(call, operation.chosen(call.raw, call.version))
        elif operation.request is not None:
            call.raw = reading.decoded(body)
            call.body = self._parsed(operation.body, call.raw, call.version)

    async def _choose(self, call: Call, operation: Operation) -> None:
        """The action that the body has named takes the place of the path's choice."""
        self.operation = call.operation = operation
        await self._foresee(operation)
        self._check_room(operation)
        assert operation.request is not None
        call.body = self._parsed(operation.body, call.raw, call.version)

    def _parsed(self, body: Body, raw: Any, version: Version) -> Any:
        try:
            return body.parse(raw, version)
        except Invalid as invalid:
            raise self.mount.service.invalidity(invalid) from None

    async def _body(self, operation: Operation) -> bytes:
        """The whole body. Raises 413, and 503 when too much is on its way from callers whom nobody has checked yet."""
        limit, length = operation.body_limit, self.headers.get("content-length", "0")
        if limit is not None and length.isascii() and length.isdigit() and int(length) > limit:
            raise TooLarge("Request is too large.")
        unproven = not operation.auth and operation.admit is None
        pieces: list[bytes] = []
        size = counted = 0
        try:
            while True:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest("The client closed the connection before the end of the body.")
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if limit is not None and size > limit:
                    raise TooLarge("Request is too large.")
                if not message.get("more_body"):
                    return b"".join(pieces)
                if unproven and size > _SMALL_BODY:
                    self.app.unproven += size - counted
                    counted = size
                    if self.app.unproven > _MOST_UNPROVEN:
                        raise Unavailable(
                            "Too many requests are coming in at the moment.", headers={"Retry-After": "5"}
                        )
        finally:
            self.app.unproven -= counted

    async def _reply(self, call: Call, result: Any) -> None:
        reply = result if isinstance(result, Reply) else Reply(result)
        status = reply.status or call.operation.status
        self.answer_headers += list(reply.headers.items())
        body = call.made = reply.body
        if body is None:
            await self._send(status, b"", reply.content_type)
        elif isinstance(body, bytes | str):
            data = body.encode() if isinstance(body, str) else body
            await self._send(status, data, reply.content_type or "text/plain; charset=UTF-8")
        elif hasattr(body, "__aiter__"):
            await self._stream(status, body, reply.content_type or "application/octet-stream")
        else:
            windowed = self.mount.service.microversions is not None
            data = msgspec.json.encode(trimmed(body, call.version) if windowed else body)
            await self._send(status, data, reply.content_type or JSON)

    def _no_route(self, allowed: set[str]) -> None:
        service = self.mount.service
        if allowed:
            fault = Fault(
                "The method is not allowed for the requested URL.",
                status=405,
                code="HTTPMethodNotAllowed",
                headers={"Allow": ", ".join(sorted(allowed))},
            )
        elif service.not_found is not None:
            fault = service.not_found()
        else:
            fault = NotFound("The resource could not be found.")
        raise fault

    async def _fail(self, error: Exception) -> None:
        service = self.mount.service
        render = service.faults
        if isinstance(error, Unauthenticated):
            render = keystone_body
            where = f'Keystone uri="{self.mount.auth_url}"'
            fault = Fault(str(error) or _MISSING_TOKEN, status=401, headers={"WWW-Authenticate": where})
        elif isinstance(error, Forbidden):
            fault = service.forbidden(error.rule) if service.forbidden else _disallowed(error.rule)
        elif isinstance(error, Invalid):
            fault = service.invalidity(error)
        elif isinstance(error, Fault):
            fault = error
        elif isinstance(error, Unstorable):  # beyond what a column holds: what no check of shapes stopped
            fault = BadRequest("A value of the request cannot be kept: it is too long, too large or holds a NUL.")
        elif (why := self.app.db.trouble(error)) is not None:
            log.error("request %s failed, the database or a disk does not serve: %s", self.request_id, error)
            fault = Unavailable(SENTENCES[why], headers={"Retry-After": str(RETRY_AFTER_S[why])})
        else:
            log.error("request %s failed", self.request_id, exc_info=error)
            fault = Fault(
                "An unexpected error prevented the server from fulfilling your request. "
                f"The log has the reason under {self.request_id}.",
                code="HTTPInternalServerError",
            )
        if self.started:  # the answer is on its way: all that is left is to break it off
            raise error
        fault.version, fault.method = self.version, self.scope["method"]
        if len(fault.message) > _MOST_SAID:
            fault.message = f"{fault.message[:_MOST_SAID]}..."
        data, content_type = render(fault, self.request_id, self.headers.get("accept", ""))
        self.answer_headers += list(fault.headers.items())
        await self._send(fault.status, data, content_type)

    async def _start(self, status: int, headers: HeaderList) -> None:
        self.started, self.status = True, status
        raw = [(k.lower().encode("latin-1"), reading.header_value(v)) for k, v in headers]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def _send(self, status: int, data: bytes, content_type: str | None) -> None:
        headers = self.answer_headers
        if len(data) >= encoding.SMALLEST:
            data = await self._compressed(data, content_type)
        if status != 204 or data:
            headers = [*headers, ("content-length", str(len(data)))]
        if content_type and (data or status != 204):
            headers = [("content-type", content_type), *headers]
        await self._start(status, headers)
        if self.scope["method"] == "HEAD":
            data = b""
        await self.send({"type": "http.response.body", "body": data})

    async def _compressed(self, data: bytes, content_type: str | None) -> bytes:
        """`data` as the client asked for it; caches hear that it depends on that."""
        asked = self.headers.get("accept-encoding", "")
        if self.scope["method"] == "HEAD" or not self.app.compresses_for(asked, content_type, len(data), self.client):
            return data
        if any(name.lower() == "content-encoding" for name, _ in self.answer_headers):
            return data
        self.answer_headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
        if len(data) < encoding.ON_THREAD:
            return encoding.gzipped(data)
        return await asyncio.get_running_loop().run_in_executor(None, encoding.gzipped, data)

    async def _stream(self, status: int, pieces: Any, content_type: str) -> None:
        await self._start(status, [("content-type", content_type), *self.answer_headers])
        async for piece in pieces:
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b""})


@cache
def _document(service: Service) -> bytes:
    """The service's OpenAPI document, made when it is asked for the first time."""
    return msgspec.json.encode(openapi.document(service, __version__))


def _disallowed(rule: str) -> Fault:
    return NotAllowed(f"Policy doesn't allow {rule} to be performed.")
