"""Pages of lists: what the query string asks for, and the links that lead on."""

from __future__ import annotations

from typing import Any

from cumulet.db import Page
from cumulet.http.bodies import Record, optional
from cumulet.http.collections import Dialect, Query, last, page_url
from cumulet.http.faults import BadRequest

DEFAULT_LIMIT, MAX_LIMIT = 25, 1000


def _number(text: str) -> int:
    try:
        wanted = int(text)
    except ValueError:
        raise BadRequest("limit param must be an integer") from None
    if wanted < 0:
        raise BadRequest("limit param must be positive")
    return wanted


def _wrong_direction(text: str) -> BadRequest:
    return BadRequest(f"Invalid sort direction: {text}")


DIALECT = Dialect(number=_number, wrong_direction=_wrong_direction, default=DEFAULT_LIMIT, most=MAX_LIMIT)
"""Glance's lists."""
WHOLE = Dialect(number=_number, wrong_direction=_wrong_direction, most=MAX_LIMIT)
"""Those that are whole unless a limit is given."""


def simple(query: Query, dialect: Dialect = DIALECT) -> Page:
    """The page of a list that sorts by one key: newest first unless asked otherwise. Raises 400."""
    key = last(query, "sort_key") or "created_at"
    down = dialect.descends(last(query, "sort_dir") or "desc")
    return Page(dialect.limit(query), last(query, "marker"), ((key, down),))


def links(path: str, query: Query, marker: str | None) -> dict[str, Any]:
    """``first``, and ``next`` when `marker` is the last of a full page."""
    found = {"first": page_url(path, query, None)}
    if marker is not None:
        found["next"] = page_url(path, query, marker)
    return found


PAGE: dict[str, Any] = {"limit": int, "marker": str}
SORTED_PAGE = {**PAGE, "sort_key": str, "sort_dir": str}


def listed(plural: str, item: Any) -> Record:
    """A page of a list."""
    return Record("", {plural: [item], "schema": str, "first": str, "next": optional(str)})
