"""Queries that lists share."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Query, since

PAGE = Query({"limit": int, "marker": str})


def paged(version: str, **more: Any) -> Query:
    """The query of a list that comes in pages from `version` on."""
    return Query({"limit": since(version, int), "marker": since(version, str), **more})
