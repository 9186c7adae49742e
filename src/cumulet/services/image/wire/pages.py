"""Pages of lists: what the query string asks for, and the links that lead on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cumulet.db import Page
from cumulet.http.bodies import Record, optional
from cumulet.http.faults import BadRequest

DEFAULT_LIMIT, MAX_LIMIT = 25, 1000
Query = Mapping[str, list[str]]


def last(query: Query, name: str) -> str | None:
    """The last value of a parameter, or None."""
    values = query.get(name)
    return values[-1] if values else None


def limit(query: Query, default: int | None = DEFAULT_LIMIT) -> int | None:
    """How many at most. Raises 400."""
    text = last(query, "limit")
    if text is None:
        return default
    try:
        wanted = int(text)
    except ValueError:
        raise BadRequest("limit param must be an integer") from None
    if wanted < 0:
        raise BadRequest("limit param must be positive")
    return min(wanted, MAX_LIMIT)


def direction(text: str) -> bool:
    """Whether a sort direction is descending. Raises 400."""
    if text not in ("asc", "desc"):
        raise BadRequest(f"Invalid sort direction: {text}")
    return text == "desc"


def simple(query: Query, *, default: int | None = DEFAULT_LIMIT) -> Page:
    """The page of a list that sorts by one key: newest first unless asked otherwise. Raises 400."""
    key = last(query, "sort_key") or "created_at"
    down = direction(last(query, "sort_dir") or "desc")
    return Page(limit(query, default), last(query, "marker"), ((key, down),))


def links(path: str, query: Query, marker: str | None) -> dict[str, Any]:
    """``first``, and ``next`` when `marker` is the last of a full page."""
    rest = [(name, value) for name, values in query.items() for value in values if name != "marker"]
    found = {"first": f"{path}?{urlencode(rest)}" if rest else path}
    if marker is not None:
        found["next"] = f"{path}?{urlencode([*rest, ('marker', marker)])}"
    return found


PAGE: dict[str, Any] = {"limit": int, "marker": str}
SORTED_PAGE = {**PAGE, "sort_key": str, "sort_dir": str}


def listed(plural: str, item: Any) -> Record:
    """A page of a list."""
    return Record("", {plural: [item], "schema": str, "first": str, "next": optional(str)})
