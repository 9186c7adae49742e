"""Who asks, and where, when a proxy stands in between.

``X-Forwarded-For``, ``-Proto``, ``-Host`` and ``-Prefix`` count only when the connection comes from a proxy that the
operator has named: anybody may write them. From others they mean nothing. Addresses in logs, shares of the front door
and queues of logins are those found here; a client can neither choose one nor hide behind the proxy's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from cumulet.http import reading
from cumulet.http.faults import BadRequest

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+){1,16}/?")
_LONGEST_PREFIX = 255
_MOST_HOPS = 16
"""Of a chain of proxies only that many are looked at, from the nearest on."""
_PORTS = {"http": ":80", "https": ":443"}


class Origin(Struct, frozen=True):
    """`base_url`: scheme, host and prefix as the client addressed them, without a slash at the end. `client`: the
    client's address."""

    base_url: str
    client: str


class Public:
    """A service's public URL: its links, when a request comes by that host, and a path that a proxy may have left.
    `own`: the path below which it is on its port, which it shares with others then."""

    def __init__(self, url: str = "", own: str = "") -> None:
        parts = urlsplit(url)
        self.url, self.prefix, self.own = url, parts.path, own
        self._host = _bare(parts.scheme, parts.netloc) if url else ""

    def is_host(self, host: str) -> bool:
        """Whether a request for `host` is one for the public URL."""
        return bool(self._host) and _bare(self.url.partition(":")[0], host) == self._host

    def inside(self, scope: dict[str, Any]) -> dict[str, Any]:
        """The request without the prefix, of a proxy that leaves it in the path."""
        found = below(scope, self.prefix) if self.prefix else None
        return scope if found is None else found


def below(scope: dict[str, Any], prefix: str) -> dict[str, Any] | None:
    """The request without `prefix` at the beginning of its path; None when it does not begin so."""
    path, raw = scope["path"], scope.get("raw_path")
    if not path.startswith(prefix) or path[len(prefix) : len(prefix) + 1] not in ("", "/"):
        return None
    if raw is not None and not raw.startswith(prefix.encode()):
        return None
    found = {**scope, "path": path[len(prefix) :] or "/"}
    if raw is not None:
        found["raw_path"] = raw[len(prefix) :] or b"/"
    return found


def _bare(scheme: str, host: str) -> str:
    return host.lower().removesuffix(_PORTS.get(scheme, ""))


class Proxies:
    """The proxies that are believed. `trusted`: addresses and networks."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(each) for each in trusted]
        self._trusts = lru_cache(maxsize=4096)(self._is_in)

    def trusts(self, address: str) -> bool:
        """Whether `address` is one of theirs."""
        return bool(self._networks) and self._trusts(address)

    def _is_in(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)

    def origin(self, scope: Mapping[str, Any], headers: Mapping[str, str], public: Public) -> Origin:
        """Where a request was sent, and by whom. Raises 400 for headers of a proxy that say nothing clear."""
        peer = scope["client"][0] if scope.get("client") else ""
        scheme, prefix = scope["scheme"], ""
        host = headers.get("host")
        if self.trusts(peer):
            scheme = _scheme(headers.get("x-forwarded-proto"), scheme)
            host = headers.get("x-forwarded-host", host)
            prefix = _prefix(headers.get("x-forwarded-prefix"))
            peer = self._client(headers.get("x-forwarded-for", ""), peer)
        host = reading.host(host or "{}:{}".format(*scope["server"]))
        if not prefix and public.is_host(host):
            return Origin(public.url, peer)
        if not prefix.endswith(public.own):
            prefix += public.own
        return Origin(f"{scheme}://{host}{prefix}", peer)

    def _client(self, chain: str, peer: str) -> str:
        """The last of the chain that no trusted proxy has; what stands before it, that one has made up."""
        for step in reversed(chain.split(",")[-_MOST_HOPS:]):
            found = _address(step.strip())
            if found is None:
                return peer
            peer = str(found)
            if not self.trusts(peer):
                return peer
        return peer


NONE = Proxies()
"""For services that nobody comes to through a proxy."""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _scheme(told: str | None, scheme: str) -> str:
    if told is None:
        return scheme
    if told.lower() not in _PORTS:
        raise BadRequest("The header X-Forwarded-Proto is neither http nor https.")
    return told.lower()


def _prefix(told: str | None) -> str:
    if told is None or told in ("", "/"):
        return ""
    steps = told.split("/")
    if not _PREFIX.fullmatch(told) or len(told) > _LONGEST_PREFIX or "." in steps or ".." in steps:
        raise BadRequest("The header X-Forwarded-Prefix is not a path.")
    return told.rstrip("/")
