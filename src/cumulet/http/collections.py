"""Queries of lists, and links from one page to the next: once, for all services.

What differs between services is said by a `Dialect` of each: how many rows come when nobody says how many, what a limit
of zero means, and the words of its errors. Nothing here knows a row: pages are read by `cumulet.db.paging`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from cumulet.http.faults import Fault

Query = Mapping[str, Sequence[str]]
"""Name → values, in the order in which they were sent."""
Sort = tuple[tuple[str, bool], ...]
"""(key, whether it descends), the most important first."""

PAGING = frozenset({"limit", "marker", "sort_key", "sort_dir", "sort", "page_reverse", "fields"})
"""Parameters that say which page, and nothing about what is on it."""
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def last(query: Query, name: str) -> str | None:
    """The last value of a parameter, or None."""
    values = query.get(name)
    return values[-1] if values else None


def boolean(text: str) -> bool | None:
    """`text` as OpenStack reads a boolean (oslo's words, without their case); None when it is none."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def is_uuid(value: Any) -> bool:
    """Whether `value` is the text of a UUID, with its dashes or without."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


class Dialect(Struct, frozen=True):
    """How a service reads the query of a list.

    - `number`: the text of a limit as a number. Raises the service's fault for what is none.
    - `default`: the limit when the query has none; None is no limit.
    - `most`: a limit above it counts as this one; None is no such bound.
    - `zero_is_all`: a limit of zero means all, not none.
    - `wrong_direction`: the fault of a direction that is neither ``asc`` nor ``desc``.
    """

    number: Callable[[str], int | None]
    wrong_direction: Callable[[str], Fault]
    default: int | None = None
    most: int | None = None
    zero_is_all: bool = False

    def limit(self, query: Query) -> int | None:
        """How many rows at most; None for all. Raises what `number` raises."""
        text = last(query, "limit")
        found = self.number(text) if text is not None else self.default
        if found is None or (found == 0 and self.zero_is_all):
            return None
        return found if self.most is None else min(found, self.most)

    def descends(self, direction: str) -> bool:
        """Whether a direction is ``desc``. Raises `wrong_direction`."""
        if direction not in ("asc", "desc"):
            raise self.wrong_direction(direction)
        return direction == "desc"


def page_url(
    url: str,
    query: Query | Iterable[tuple[str, str]],
    marker: str | None,
    *,
    drop: Container[str] = ("marker",),
    **more: str,
) -> str:
    """The address of another page of the list at `url`: the query that led here without what is to `drop`, and with
    another marker, or none. `query` may be pairs, for a list that keeps their order across names."""
    pairs = [(name, value) for name, value in _pairs(query) if name not in drop]
    if marker is not None:
        pairs.append(("marker", marker))
    pairs += more.items()
    return f"{url}?{urlencode(pairs)}" if pairs else url


def _pairs(query: Query | Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    if isinstance(query, Mapping):
        return [(name, value) for name, values in query.items() for value in values]
    return query


def is_full(rows: Sequence[Any], limit: int | None) -> bool:
    """Whether a page has as many rows as it may, so that another one may follow."""
    return limit is not None and len(rows) == limit and bool(rows)
