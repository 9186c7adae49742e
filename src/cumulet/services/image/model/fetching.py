"""Fetching bytes from a URL that a tenant gave: only from places where a stranger may be sent.

The host's addresses are looked up once, each is judged, and the connection goes to one that passed, so that a name
that changes its mind between the check and the connection gains nothing. Every redirect is judged anew. A host that is
written as anything but a name or a plain address (decimal, hexadecimal, octal, shortened) is refused. Proxies of the
environment are never used: they would be asked to go where we may not.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from cumulet.services.image.model.reachable import Address, is_public, unwrapped

_NAME = re.compile(r"(?=.{1,253}\.?\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


class Refused(Exception):
    """The URL leads where nobody may be sent. The text says why, without what a look-up found."""


class Failed(Exception):
    """The other side did not give the bytes."""


@dataclass(frozen=True)
class Rules:
    """What may be fetched. `allowed_hosts` are names, addresses or networks that are let through though they are
    private; times in seconds, sizes in bytes."""

    allowed_hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = (80, 443)
    schemes: tuple[str, ...] = ("http", "https")
    most_bytes: int = 1 << 40
    connect_s: float = 10.0
    idle_s: float = 60.0
    longest_s: float = 6 * 3600.0
    lookup: Callable[[str, int], Sequence[str]] = field(default=lambda host, port: _addresses(host, port), repr=False)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Failed("The host of the URL has no address.") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def judge(url: str, rules: Rules) -> SplitResult:
    """The URL's parts, when its form is one that may be fetched; looks nothing up. Raises Refused."""
    if not url.isascii() or any(ord(letter) <= 32 or letter == "\\" for letter in url):
        raise Refused("the URL has characters that do not belong there")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("the URL is malformed") from None
    if parts.scheme not in rules.schemes:
        raise Refused(f"its scheme is not one of {', '.join(rules.schemes)}")
    if "@" in parts.netloc:
        raise Refused("it names a user")
    if (port or _standard_port(parts)) not in rules.ports:
        raise Refused("its port is not allowed")
    _judge_host((parts.hostname or "").lower(), rules)
    return parts


def _standard_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def _judge_host(host: str, rules: Rules) -> None:
    address = _plain(host)
    if "%" in host:
        raise Refused("its host has a zone")
    if address is not None:
        _judge_address(host, address, rules)
    elif _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise Refused("its host is a number that is no plain address")
    elif not _NAME.fullmatch(host):
        raise Refused("its host is no name and no address")
    elif (host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")) and not _named(host, rules):
        raise Refused("its host is this machine")


def _plain(host: str) -> Address | None:
    """The address that the text is, without the zone of an IPv6 address, which names a device of this machine."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _named(host: str, rules: Rules) -> bool:
    return host.rstrip(".") in rules.allowed_hosts


def _judge_address(host: str, address: Address, rules: Rules) -> None:
    """Raises Refused for an address inside, whatever it is wrapped in, unless the operator lets it through."""
    if _named(host, rules):
        return
    for inner in unwrapped(address):
        if any(_contains(network, inner) for network in rules.allowed_hosts):
            continue
        if not is_public(inner):
            raise Refused("its host has an address that is not of the public Internet")


def _contains(network: str, address: Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False


def allowed_addresses(parts: SplitResult, rules: Rules) -> list[str]:
    """The addresses of the URL's host; every one of them must pass. Raises Refused and Failed."""
    host = (parts.hostname or "").lower()
    address = _plain(host)
    if address is not None:
        return [str(address)]
    found = list(rules.lookup(host, parts.port or _standard_port(parts)))
    for text in found:
        plain = _plain(text)
        if plain is None:
            raise Refused("its host has no plain address")
        _judge_address(host, plain, rules)
    if not found:
        raise Failed("The host of the URL has no address.")
    return found


class Fetched:
    """An answer that is open. `size` is what the other side says is to come, or None."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, rules: Rules) -> None:
        self._connection, self._answer, self._rules = connection, answer, rules
        length = answer.getheader("content-length") or ""
        self.size = int(length) if length.isascii() and length.isdigit() and not answer.chunked else None
        self.status = answer.status
        self._seen, self._end = 0, time.monotonic() + rules.longest_s
        if self.size is not None and self.size > rules.most_bytes:
            self.close()
            raise Failed("There are more bytes than an image may have.")

    def read(self, count: int) -> bytes:
        """The next bytes, fewer than `count` only at the end. Raises Failed when they stop early, are too many or come
        too slowly."""
        try:
            piece = self._answer.read(count)
        except (OSError, ValueError, http.client.HTTPException):
            raise Failed("The other side broke off.") from None
        self._seen += len(piece)
        if self._seen > self._rules.most_bytes:
            raise Failed("There are more bytes than an image may have.")
        if time.monotonic() > self._end:
            raise Failed("The other side took too long.")
        if not piece and self.size is not None and self._seen != self.size:
            raise Failed(f"{self.size} bytes were announced, {self._seen} came.")
        return piece

    def skip(self, count: int) -> None:
        """Read `count` bytes and throw them away. Raises Failed."""
        while count > 0 and (piece := self.read(min(count, 1 << 20))):
            count -= len(piece)

    def close(self) -> None:
        """Let go of the connection."""
        self._answer.close()
        self._connection.close()


def fetch(
    url: str, rules: Rules, headers: Mapping[str, str] | None = None, accept: Collection[int] = (200,)
) -> Fetched:
    """GET the URL, following redirects, each to where it may go. `headers` go to the first host only. Raises Refused
    and Failed."""
    sent = dict(headers or {})
    for _ in range(_MOST_REDIRECTS + 1):
        parts = judge(url, rules)
        connection, answer = _ask(parts, allowed_addresses(parts, rules), rules, sent)
        if answer.status not in _REDIRECTS:
            if answer.status not in accept:
                connection.close()
                raise Failed(f"The other side answered {answer.status}.")
            return Fetched(connection, answer, rules)
        where = answer.getheader("location")
        connection.close()
        if not where:
            raise Failed("The other side sends elsewhere without saying where.")
        url, sent = urljoin(url, where), {}
    raise Failed("The other side sends elsewhere too often.")


def _ask(
    parts: SplitResult, addresses: Sequence[str], rules: Rules, headers: Mapping[str, str]
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = _connected(parts, addresses, rules)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept-Encoding": "identity", **headers})
        return connection, connection.getresponse()
    except (OSError, http.client.HTTPException):
        connection.close()
        raise Failed("The other side does not answer.") from None


def _connected(parts: SplitResult, addresses: Sequence[str], rules: Rules) -> http.client.HTTPConnection:
    """A connection to one of the addresses that were judged, under the host's name."""
    port = parts.port or _standard_port(parts)
    connection = http.client.HTTPConnection(parts.hostname or "", port, timeout=rules.idle_s)
    connection.default_port = _standard_port(parts)
    for address in addresses:
        try:
            sock = socket.create_connection((address, port), timeout=rules.connect_s)
        except OSError:
            continue
        sock.settimeout(rules.idle_s)
        if parts.scheme == "https":
            try:
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
            except OSError:
                sock.close()
                raise Failed("The other side has no certificate that can be trusted.") from None
        connection.sock = sock
        return connection
    raise Failed("The other side cannot be reached.")
