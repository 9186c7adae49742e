"""How many connections there may be, and how long each may take: one look a second at all of them, no timer for each.

A connection gives nothing that it holds back for nothing: a head has to come within seconds, a body and an answer have
to move, a connection that asks nothing ends. When there are as many as may be, the address that holds most of those
that ask nothing loses its oldest ones; so a crowd at one address takes nothing from the others, and where
everybody comes from one address (a load balancer) it makes room for itself. Never ends what is being answered.
"""

from __future__ import annotations

import ipaddress
import logging
import resource
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Protocol

log = logging.getLogger("cumulet.http")

HEAD_S = 20.0
"""From the connection, or the first byte of the next request, to the end of the head."""
KEEP_ALIVE_S = 75.0
"""Without a request. Clients and load balancers of OpenStack keep theirs for a minute."""
BODY_S, LONG_BODY_S = 20.0, 60.0
"""In each such time a body has to bring `SLOWEST` bytes a second: one whose length is known and small, and any other
(an upload of an image may stand still for as long as the image service lets it)."""
SMALL_BODY = 1 << 20
ANSWER_S = 30.0
"""In each such time a client has to take `SLOWEST` bytes a second of an answer that waits for it."""
SLOWEST = 512
LINGER_S = 10.0
"""For what is still to be sent on a connection that was closed."""
MOST = 8192
"""Connections of a process, where the limit of open files allows them: an idle one takes about 10 KiB."""
OTHER_FILES = 512
"""Open files for all else: listeners, database, images, logs."""
FEWEST = 64
ENDED_AT_ONCE = 50
"""Connections that one look ends: a crowd that came at once does not hold up the event loop by going at once."""
LITTLE = 65_536
"""A body of which no more has come may make room for others."""


class Connection(Protocol):
    """What `Connections` asks of a connection (`protocol.Protocol`)."""

    transport: Any
    since: float
    """Since when it is as it is."""

    @property
    def address(self) -> str:
        """Whose share it counts towards (`share_of`)."""
        ...

    @property
    def spare(self) -> int:
        """0: it is being answered. 1: a body comes, of which there is little. 2: it asks nothing, or half a head."""
        ...

    def look(self, now: float) -> bool:
        """End it when it has missed a deadline; whether it has."""
        ...

    def leave(self) -> None:
        """Make room."""
        ...


class Connections:
    """Those of one process. `most`: so many at a time."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.leaving = 0
        """Connections that were told to leave and are not gone yet."""
        self._closing: dict[Any, float] = {}

    def sweep(self, connections: Collection[Any], now: float) -> bool:
        """End what has missed its deadline, and what was closed and does not go. Whether there is more of it.
        `connections`: all there are."""
        closing: dict[Any, float] = {}
        ended = 0
        for connection in list(connections):
            if connection.transport.is_closing():
                since = closing[connection] = self._closing.get(connection, now)
                if now - since >= LINGER_S:
                    connection.transport.abort()
            elif ended < ENDED_AT_ONCE and (look := getattr(connection, "look", None)) is not None:
                try:
                    ended += look(now)  # of websockets, which have no `look`, the server pings the client itself
                except Exception:  # one that nobody understands must not keep all others from their deadlines
                    log.exception("a connection could not be looked at")
                    connection.transport.abort()
        self._closing = closing
        return ended >= ENDED_AT_ONCE

    def admit(self, connections: Collection[Any], newcomer: Connection) -> bool:
        """Whether `newcomer`, the last of `connections`, may stay. Makes room for several at a time, so that the search
        costs little for each."""
        if len(connections) - self.leaving <= self.most:
            return True
        found: dict[str, list[Connection]] = {}
        for connection in connections:
            if connection is not newcomer and getattr(connection, "spare", False):
                found.setdefault(connection.address, []).append(connection)
        if not found:
            return False
        address, held = max(found.items(), key=lambda one: len(one[1]))
        held.sort(key=lambda connection: (-connection.spare, connection.since))
        going = held[: max(1, min(self.most // 32, len(held) // 2))]
        log.warning("%d connections: %d idle ones of %s have to leave", self.most, len(going), address)
        for connection in going:
            connection.leave()
        return True


@lru_cache(maxsize=4096)
def share_of(address: str) -> str:
    """Whose share an address counts towards: its own; of IPv6 the network of 64 bits, which one machine has whole."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


def most_connections() -> int:
    """How many connections this process may have; raises its limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + OTHER_FILES
    aim = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < aim:
        resource.setrlimit(resource.RLIMIT_NOFILE, (aim, hard))
        soft = aim
    return MOST if soft == resource.RLIM_INFINITY else max(FEWEST, min(MOST, soft - OTHER_FILES))
