"""HTTP/1.1 on a connection: uvicorn's protocol, with a limit on a request's head, deadlines, and our own words.

uvicorn's parser takes a head of any length, at any speed. Here each head is counted byte by byte, from its first to
its last, however it was cut into reads and whatever else a read holds; a read is fed to the parser in parts that end
where a head or a body ends. A request that cannot be parsed, or that does not come in time, is answered in the
service's own body and the connection is closed; never in the middle of another request's answer. Deadlines are looked
at by `connections.Connections`, once a second.
"""

from __future__ import annotations

import sys
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cumulet.http import connections
from cumulet.http.connections import Connections, share_of
from cumulet.http.faults import BadRequest, Fault, Unavailable

MOST_HEAD = 65_536
"""Bytes of a request line and its headers, the empty line at their end included."""

MOST_HEADERS = 256
"""Each takes more memory than its bytes."""
MOST_QUEUED = 8
"""Requests that wait behind one that is being answered on the same connection; what follows stays unread."""

IDLE, HEAD, BODY = range(3)
"""What comes next: the first byte of a request, the rest of its head, its body."""

_END = b"\r\n\r\n"
_UNKNOWN = -1


class _Flow(FlowControl):
    """Reads no further while something that was read waits to be looked at, whoever wants a body."""

    held = b""

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """One connection of one client. `limits` are those of the process."""

    def __init__(self, limits: Connections, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.limits = limits
        self.since = 0.0
        self._phase = IDLE
        self._head = 0  # bytes of the head so far
        self._tail = b""  # the last three, which may begin the end of a head
        self._left = _UNKNOWN  # bytes of the body to come, when its length was announced
        self._came = 0  # bytes of the body since `since`
        self._patience = 0.0
        self._stuck: tuple[float, int] | None = None  # since when how many bytes wait for the client
        self._deaf = self._gone = self._leaving = False

    # ---- what the transport says

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport)
        self.since = self.loop.time()
        if not self.limits.admit(self.connections, self):
            self._deaf = True
            self._answer(Unavailable("There are too many connections at the moment.", headers={"Retry-After": "5"}))

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        if self._leaving:
            self.limits.leaving -= 1
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = (self.loop.time(), self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._stuck = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self.flow.held:
            self._hold(self.flow.held + data)
            return
        start, size = 0, len(data)
        while start < size and not (self._deaf or self._gone or self.transport.is_closing()):
            if self._phase is IDLE and len(self.pipeline) >= MOST_QUEUED:
                self._hold(data[start:])
                return
            if self._phase is BODY:
                end = self._end_of_body(data, start)
                self._came += end - start
                super().data_received(data if end - start == size else data[start:end])
            else:
                end = self._end_of_head(data, start)
                if self._head + end - start > MOST_HEAD:
                    self._refuse(_too_long())
                    return
                if self._phase is IDLE:
                    self._phase = HEAD
                    if self.cycle is not None:  # the first request has its time from the connection on
                        self.since = self.loop.time()
                piece = data if end - start == size else data[start:end]
                super().data_received(piece)
                self._after_head(piece)
            start = end

    def _hold(self, data: bytes) -> None:
        self.flow.held = data
        self.flow.pause_reading()

    def _end_of_head(self, data: bytes, start: int) -> int:
        """Where the part of `data` from `start` ends that belongs to this head."""
        if self._tail:
            joined = self._tail + data[start : start + 3]
            if (found := joined.find(_END)) >= 0:
                return start + found + 4 - len(self._tail)
        found = data.find(_END, start)
        return len(data) if found < 0 else found + 4

    def _end_of_body(self, data: bytes, start: int) -> int:
        """The same of a body. One in chunks ends with an empty line, too; one inside of it makes no difference."""
        if self._left == _UNKNOWN:
            end = self._end_of_head(data, start)
            self._tail = b"" if data.endswith(_END, start, end) else (self._tail + data[max(start, end - 3) : end])[-3:]
            return end
        end = min(len(data), start + self._left)
        self._left -= end - start
        return end if end > start else len(data)

    def _after_head(self, piece: bytes) -> None:
        """`piece` of a head was fed; see what it made."""
        if self._phase is HEAD:
            self._head += len(piece)
            if len(self.headers or ()) > MOST_HEADERS:
                self._refuse(_too_long())
            last = (self._tail + piece)[-4:]
            self._tail = b"" if last == _END else last[-3:]
            return
        self._head, self._tail = 0, b""
        if self._phase is BODY:
            lengths = [value for name, value in self.headers if name == b"content-length"]
            known = lengths and lengths[0].isascii() and lengths[0].isdigit()
            self._left = int(lengths[0]) if known else _UNKNOWN
            small = 0 <= self._left <= connections.SMALL_BODY
            self._patience = connections.BODY_S if small else connections.LONG_BODY_S
            self.since, self._came = self.loop.time(), 0

    # ---- what the parser says

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEADERS:
            raise OverflowError
        super().on_headers_complete()
        self._phase = BODY

    def on_message_complete(self) -> None:
        if self._phase is BODY and self.cycle is not None and self.cycle.response_complete:
            self.since = self.loop.time()
        self._phase, self._tail = IDLE, b""
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what it cannot parse, in the service's own words."""
        if "Content-Length" in str(sys.exception()):
            msg = "content-length header must be an integer"
        self._refuse(_too_long() if len(self.headers or ()) > MOST_HEADERS else BadRequest(msg))

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over. What is no handshake the library leaves without an answer, open for ever."""
        self._deaf = True
        super().handle_websocket_upgrade()
        if not getattr(self.transport.get_protocol(), "handshake_initiated", True):
            self._answer(BadRequest("The request does not open a websocket."))

    def _unsupported_upgrade_warning(self) -> None:
        """What follows on a request for another protocol may be that protocol: it is not looked at."""
        self._deaf, self.cycle.keep_alive = True, False

    def on_response_complete(self) -> None:
        """As uvicorn does it, but for a timer of each request: `look` sees how long nothing was asked."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        held, self.flow.held = self.flow.held, b""
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            if held:
                self.data_received(held)
        elif self._phase is IDLE:
            self.since = self.loop.time()

    # ---- what `Connections` asks

    @property
    def address(self) -> str:
        """Whose share the connection counts towards."""
        return share_of(self.client[0]) if self.client else ""

    @property
    def spare(self) -> int:
        """How easily it can go: see `connections.Connection`."""
        if self.transport.is_closing():
            return 0
        answered = self.cycle is None or self.cycle.response_complete  # None: also a body that an upgrade brings along
        if self._phase is BODY:
            busy = self.pipeline or (not answered and self.cycle.response_started)
            return int(not busy and self._came < connections.LITTLE)
        return 2 if answered else 0

    def leave(self) -> None:
        """Close the connection, to make room."""
        self._leaving = True
        self.limits.leaving += 1
        self._disconnect()
        self.transport.close()

    def look(self, now: float) -> bool:
        """End the connection when what it has to do did not happen in time; whether that is so."""
        if self._stuck is not None and self._is_stuck(now):
            self.transport.abort()
        elif self._phase is BODY:
            return self._look_at_body(now)
        elif self.cycle is not None and not self.cycle.response_complete:
            self.since = now  # it waits for us
            return False
        elif self._phase is HEAD and now - self.since >= connections.HEAD_S:
            self._refuse(Fault("The request's headers did not come in time.", status=408, code="HTTPRequestTimeout"))
        elif now - self.since >= (connections.HEAD_S if self.cycle is None else connections.KEEP_ALIVE_S):
            self.transport.close()
        else:
            return False
        return True

    def _is_stuck(self, now: float) -> bool:
        """Whether the client takes too little of what waits for it."""
        assert self._stuck is not None
        since, before = self._stuck
        if now - since < connections.ANSWER_S:
            return False
        left = self.transport.get_write_buffer_size()
        self._stuck = (now, left)
        return bool(before - left < connections.ANSWER_S * connections.SLOWEST)

    def _look_at_body(self, now: float) -> bool:
        answered = self.cycle is None or self.cycle.response_complete
        if not answered and (self.pipeline or self.flow.read_paused or self.cycle.waiting_for_100_continue):  # for us
            self.since, self._came = now, 0
        elif now - self.since >= self._patience:
            if self._came < self._patience * connections.SLOWEST:
                self._refuse(Fault("The request's body did not come in time.", status=408, code="HTTPRequestTimeout"))
                return True
            self.since, self._came = now, 0
        return False

    # ---- the end

    def _refuse(self, fault: Fault) -> None:
        """The last words on this connection, if they can be told from another request's answer."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._phase is not BODY:  # the answer of the request before comes first, and is the last
                cycle.keep_alive, self._deaf = False, True
                return
            if self.pipeline or cycle.response_started:
                self.transport.abort()
                return
            self._disconnect()
        elif self._phase is BODY:  # it was answered before its body was there
            self.transport.close()
            return
        self._answer(fault)

    def _disconnect(self) -> None:
        """Tell the operation that its client is gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _answer(self, fault: Fault) -> None:
        mounts = getattr(self.config.app, "mounts", {})
        mount = mounts.get(self.server[1]) if self.server else None
        body, kind = (
            mount.service.faults(fault, "", "application/json") if mount else (fault.message.encode(), "text/plain")
        )
        more = "".join(f"{name.lower()}: {value}\r\n" for name, value in fault.headers.items())
        head = (
            f"HTTP/1.1 {fault.status} {_REASONS[fault.status]}\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\n{more}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


def _too_long() -> Fault:
    return Fault("The request's headers are too long.", status=431, code="HTTPHeadersTooLarge")


_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
