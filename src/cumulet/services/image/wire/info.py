"""Shapes of what the service tells about itself."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Record, optional

_STORE: dict[str, Any] = {
    "id": str,
    "description": optional(str),
    "default": optional(str),
    "read-only": optional(str),
}
STORE = Record("ImageStore", _STORE)
DETAILED_STORE = Record("DetailedImageStore", {**_STORE, "type": str, "weight": int, "properties": dict})
USAGE = {str: Record("ImageUsage", {"usage": int, "limit": int})}
