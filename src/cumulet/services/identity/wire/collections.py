"""The envelope of every list of identity: the items under their name, and links to self and the next page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from cumulet.http import Call
from cumulet.http.bodies import Query, Record
from cumulet.http.collections import is_full, page_url
from cumulet.services.identity.model.filters import page

T = TypeVar("T")


def collection(
    call: Call, key: str, rows: Sequence[T], render: Callable[[Call, T], dict[str, Any]], *, whole: bool = False
) -> Any:
    """The answer of a list. `whole`: it is one that is never cut into pages, and so has no next one."""
    items = [render(call, row) for row in rows]
    limit = page(call.query).limit
    following = None
    if is_full(items, limit) and not whole:
        pairs = parse_qsl(call.raw_query, keep_blank_values=True)
        following = page_url(f"{call.base_url}{call.path}", pairs, items[-1]["id"])
    here = f"{call.base_url}{call.path}" + (f"?{call.raw_query}" if call.raw_query else "")
    return {key: items, "links": {"next": following, "self": here, "previous": None}}


def self_link(call: Call, path: str) -> dict[str, str]:
    """``{"self": …}`` of the resource at `path` below ``/v3``."""
    return {"self": f"{call.base_url}/v3/{path}"}


LINK = {"self": str}
_PAGES = Record("PageLinks", {"next": str | None, "self": str, "previous": str | None})
_COMPARATORS = ("contains", "startswith", "endswith", "icontains", "istartswith", "iendswith")


def listed(key: str, term: Any) -> Record:
    """The answer of `collection`."""
    return Record("", {key: [term], "links": _PAGES})


def filters(*texts: str, **others: Any) -> Query:
    """The query of a list: pages, and filters by texts (with comparators: ``name__contains``) and others."""
    compared = {f"{name}__{comparator}": str for name in texts for comparator in _COMPARATORS}
    return Query({"limit": int, "marker": str, "id": str, **dict.fromkeys(texts, str), **compared, **others})
