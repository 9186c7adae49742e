"""Links that Nova puts into its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from cumulet.http import Call
from cumulet.http.bodies import Record, optional
from cumulet.http.collections import page_url

Link = dict[str, str]


def self_and_bookmark(base_url: str, collection: str, ref: str) -> list[Link]:
    """The two links of a resource: with the version and without."""
    ref = quote(ref, safe="")
    return [
        {"rel": "self", "href": f"{base_url}/v2.1/{collection}/{ref}"},
        {"rel": "bookmark", "href": f"{base_url}/{collection}/{ref}"},
    ]


def bookmark(base_url: str, collection: str, ref: str) -> list[Link]:
    """Only the link without a version."""
    return [{"rel": "bookmark", "href": f"{base_url}/{collection}/{quote(ref, safe='')}"}]


def next_page(call: Call, path: str, marker: str, query: Mapping[str, Sequence[str]]) -> list[Link]:
    """The link to what follows `marker`, with the query that led here."""
    return [{"rel": "next", "href": page_url(f"{call.base_url}/v2.1{path}", query, marker)}]


LINKS = [Record("Link", {"rel": str, "href": str})]


def listed(plural: str, term: Any) -> Record:
    """A page of a list: with links when another one follows."""
    return Record("", {plural: [term], f"{plural}_links": optional(LINKS)})
