"""Reads what strangers send: headers, paths, queries and bodies, none of which may be more than it seems.

Everything that cannot be meant is refused here with a 400, before an operation sees it: NUL bytes (PostgreSQL stores
none), bytes that are no UTF-8, JSON nested deeper than any request is, the same single-valued header twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import msgspec

from cumulet.http.faults import BadRequest, Fault

DEEPEST = 64
"""How deep objects and lists of a body may stand in each other. No request of OpenStack's nests beyond ten."""
LONGEST_URL = 16_384
MOST_PARAMETERS = 1000

_SINGLE = frozenset({"content-length", "host", "content-type", "x-auth-token", "x-subject-token"})
_HOST = re.compile(r"[A-Za-z0-9._~\[\]:-]{1,255}")
_BAD_JSON = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect: "
    "the body is not JSON."
)


def folded(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; one that came several times is joined by commas. Raises 400 when it must be one."""
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    if len(found) == len(pairs):
        return found
    found = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in found and name in _SINGLE:
            if found[name] != value:
                raise BadRequest(f"The header {name} came several times with different values.")
        else:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


@lru_cache(maxsize=256)
def host(text: str) -> str:
    """The Host header, which answers repeat in links. Raises 400 for what is no host and port."""
    if not _HOST.fullmatch(text):
        raise BadRequest("The Host header is not a host name.")
    return text


def check_target(scope_path: str, raw_path: bytes, raw_query: bytes) -> None:
    """Refuse a URL that is too long (414), or a path that holds control characters or is no UTF-8 (400)."""
    if len(raw_path) + len(raw_query) > LONGEST_URL:
        raise Fault("The URL is too long.", status=414, code="HTTPRequestURITooLong")
    if b"%" in raw_path and (not scope_path.isprintable() or "\N{REPLACEMENT CHARACTER}" in scope_path):
        _check_escaped(scope_path, raw_path)


def _check_escaped(path: str, raw_path: bytes) -> None:
    try:
        unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        raise BadRequest("The path holds control characters.")


def parameters(raw_query: str) -> dict[str, list[str]]:
    """The query as name → values in order. Raises 400 for NUL, for what is no UTF-8, and for absurdly many."""
    found: dict[str, list[str]] = {}
    if not raw_query:
        return found
    try:
        text = raw_query if raw_query.isascii() else raw_query.encode("latin-1").decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise BadRequest("Query string is not UTF-8 encoded") from None
    except ValueError:
        raise BadRequest("The query has too many parameters.") from None
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise BadRequest("The query holds a NUL character.")
        found.setdefault(name, []).append(value)
    return found


def decoded(body: bytes) -> Any:
    """A JSON body; an empty one is an empty object. Raises 400."""
    if not body:
        return {}
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(_BAD_JSON) from None
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _check_depth([found])
    if b"\\u0000" in body:
        _check_nul(found)
    return found


def _check_depth(level: Iterable[Any]) -> None:
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(item for item in value.values() if isinstance(item, dict | list))
            elif isinstance(value, list):
                inner.extend(item for item in value if isinstance(item, dict | list))
        if not inner:
            return
        level = inner
    raise BadRequest("The body is nested too deeply.")


def _check_nul(value: Any) -> None:
    """Called for bodies that are not deep: see `decoded`."""
    if isinstance(value, str):
        if "\x00" in value:
            raise BadRequest("The body holds a NUL character.")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_nul(name)
            _check_nul(item)
    elif isinstance(value, list):
        for item in value:
            _check_nul(item)


def header_value(text: str) -> bytes:
    """A header's value as bytes: what could end the header, or is no Latin-1, goes percent-encoded.

    Answers repeat names that clients chose (``Location``); a line break in one would start a header of theirs.
    """
    if text.isprintable() and text.isascii():
        return text.encode("ascii")
    return quote(text, safe=" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\t", errors="replace").encode("ascii")
