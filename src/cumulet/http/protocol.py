"""HTTP/1.1 on a connection: uvicorn's protocol, with a limit on a request's head and our own words for broken ones.

uvicorn's parser takes a head of any length; without a limit one client could fill the memory before any code of ours
sees a request. A request that cannot be parsed is answered in the service's own body and the connection is closed.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cumulet.http.faults import BadRequest, Fault

MOST_HEAD = 65_536
"""Bytes of a request line and its headers, as they may come together."""


class Protocol(HttpToolsProtocol):
    """One connection of one client."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._head = 0
        self._in_head = True
        self._arrived = 0

    def data_received(self, data: bytes) -> None:
        before, self._arrived = self._in_head, len(data)
        super().data_received(data)
        if before and self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._refuse(_too_long())

    def on_message_begin(self) -> None:
        self._head, self._in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        # What came so far bounds the head from above; mostly nobody needs to add up.
        if self._head + self._arrived > MOST_HEAD and self._length() > MOST_HEAD:
            raise OverflowError
        super().on_headers_complete()

    def _length(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head, self._in_head = 0, True

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what it cannot parse, in the service's own words."""
        self._refuse(_too_long() if self.headers and self._length() > MOST_HEAD else BadRequest(msg))

    def _refuse(self, fault: Fault) -> None:
        mounts = getattr(self.config.app, "mounts", {})
        mount = mounts.get(self.server[1]) if self.server else None
        body, kind = (
            mount.service.faults(fault, "", "application/json") if mount else (fault.message.encode(), "text/plain")
        )
        head = (
            f"HTTP/1.1 {fault.status} {_REASONS[fault.status]}\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


def _too_long() -> Fault:
    return Fault("The request's headers are too long.", status=431, code="HTTPHeadersTooLarge")


_REASONS = {400: "Bad Request", 431: "Request Header Fields Too Large"}
