"""Shapes of the cache."""

from __future__ import annotations

from cumulet.http.bodies import Record

CACHED_IMAGE = Record(
    "CachedImage", {"image_id": str, "hits": int, "size": int, "last_accessed": float, "last_modified": float}
)
CACHE = Record("", {"cached_images": [CACHED_IMAGE], "queued_images": [str]})
PRUNED = Record("Pruned", {"total_files_pruned": int, "total_bytes_pruned": int})
