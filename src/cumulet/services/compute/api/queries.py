"""Query parameters that many of compute's lists share: limit, marker, sort, booleans, times."""

from __future__ import annotations

from cumulet.db.times import parse_iso
from cumulet.desired import texts
from cumulet.http import Call
from cumulet.http.collections import Dialect, boolean, last
from cumulet.http.faults import BadRequest

_MOST = 10**12
MAX_LIMIT = 1000
"""As Nova's ``[api] max_limit``."""


def one(call: Call, name: str) -> str | None:
    """The last value of a parameter, or None."""
    return last(call.query, name)


def invalid(name: str, value: str, problem: str) -> BadRequest:
    """The fault about a query parameter."""
    return BadRequest(f"Invalid input for query parameters {name}. Value: {value}. {problem}")


def _number(text: str) -> int:
    if not text:
        return MAX_LIMIT
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise invalid("limit", text, f"'{text}' does not match '^[0-9]*$'")
    return int(text)


def _wrong_direction(text: str) -> BadRequest:
    return invalid("sort_dir", text, f"'{text}' is not one of ['asc', 'desc']")


DIALECT = Dialect(number=_number, wrong_direction=_wrong_direction, default=MAX_LIMIT, most=MAX_LIMIT)
"""Nova's lists."""


def limit_of(call: Call) -> int:
    """How many rows the caller may get: what they asked for, `MAX_LIMIT` at most."""
    return DIALECT.limit(call.query) or 0


def flag(call: Call, name: str) -> bool:
    """A parameter that is there and not false."""
    text = one(call, name)
    if text is None:
        return False
    found = boolean(text) if text else True
    if found is None:
        raise BadRequest(f"Invalid value for {name}: {text}")
    return found


def time_of(call: Call, name: str) -> int | None:
    """A parameter that is a time, in µs."""
    text = one(call, name)
    if not text:
        return None
    try:
        return parse_iso(text.strip().replace(" ", "+", 1) if "T" in text else text.strip())
    except (ValueError, OverflowError):
        raise invalid(name, text, f"'{text}' is not a 'date-time'") from None


def whole(call: Call, name: str) -> int | None:
    """A parameter that is a whole number."""
    text = one(call, name)
    if text is None or text == "":
        return None
    try:
        return texts.whole(text, -_MOST, _MOST)
    except ValueError:
        raise BadRequest(f"Invalid {name} filter [{text}]") from None
