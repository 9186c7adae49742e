"""Shapes of discovery."""

from __future__ import annotations

from cumulet.http.bodies import Record

VERSIONS = Record(
    "", {"versions": [Record("ApiVersion", {"id": str, "status": str, "links": [{"rel": str, "href": str}]})]}
)
