"""Shapes of discovery."""

from __future__ import annotations

from cumulet.http.bodies import Record

_LINKS = [{"rel": str, "href": str}]
VERSION = Record("ApiVersion", {"id": str, "status": str, "links": _LINKS})
RESOURCE = Record("ApiResource", {"name": str, "collection": str, "links": _LINKS})
EXTENSION = Record("Extension", {"alias": str, "name": str, "description": str, "updated": str, "links": list})
