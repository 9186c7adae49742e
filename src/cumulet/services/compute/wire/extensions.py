"""Shapes of the list of extensions."""

from __future__ import annotations

from cumulet.http.bodies import Record

EXTENSION = Record(
    "Extension", {"alias": str, "name": str, "description": str, "links": list, "namespace": str, "updated": str}
)
