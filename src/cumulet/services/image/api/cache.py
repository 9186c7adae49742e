"""The cache: for administrators, which images of far stores are kept near as well."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import EMPTY, Query
from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest
from cumulet.services.image.model import cache
from cumulet.services.image.model import images as model
from cumulet.services.image.service import image as service
from cumulet.services.image.states import ACTIVE
from cumulet.services.image.tables import CachedRow
from cumulet.services.image.wire import cache as wire

_TARGETS = {"": (cache.CACHED, cache.QUEUED), "cache": (cache.CACHED,), "queue": (cache.QUEUED,)}


@service.get("/v2/cache", policy="cache_list", response=wire.CACHE, query=Query({}))
def index(call: Call) -> dict[str, Any]:
    """List what is cached and what is queued for it."""
    rows, queued = cache.listed(call.tx)
    return {"cached_images": [_shown(row) for row in rows], "queued_images": queued}


def _shown(row: CachedRow) -> dict[str, Any]:
    """Times in seconds since 1970, 0 for never."""
    return {
        "image_id": row.image_id,
        "hits": row.hits,
        "size": row.size,
        "last_accessed": (row.last_accessed or 0) / 1e6,
        "last_modified": (row.last_modified or 0) / 1e6,
    }


@service.put("/v2/cache/{image_id}", status=202, policy="cache_image", response=EMPTY)
def queue(call: Call, image_id: str) -> Reply:
    """Have an image brought near."""
    found = model.get(call.tx, call.caller, image_id, missing="Image {} not found.")
    if found.row.status != ACTIVE:
        raise BadRequest("Only images with status active can be targeted for queueing")
    cache.queue(call.tx, call.context, found.id)
    return Reply(status=202)


@service.delete("/v2/cache/{image_id}", policy="cache_delete")
def delete(call: Call, image_id: str) -> None:
    """Take an image out of the cache, or out of the queue for it."""
    if not cache.forget(call.tx, call.context, image_id):
        model.get(call.tx, call.caller, image_id, missing="Image {} not found.")


@service.delete("/v2/cache", policy="cache_delete")
def clear(call: Call) -> None:
    """Empty the cache, the queue for it, or both."""
    states = _TARGETS.get(call.headers.get("x-image-cache-clear-target", "").lower())
    if states is None:
        raise BadRequest("If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
    cache.clear(call.tx, call.context, states)


@service.post("/v2/cache/clean", status=200, policy="cache_clean", transaction="none", response=EMPTY)
def clean(call: Call) -> Reply:
    """Remove entries of the cache that are not whole: here none ever are, what is cached is there as a whole."""
    return Reply(status=200)


@service.post("/v2/cache/prune", status=200, policy="cache_prune", transaction="none", response=wire.PRUNED)
def prune(call: Call) -> dict[str, int]:
    """Remove what nobody used for longest until the cache is no larger than it may be."""
    gone, freed = cache.prune(call.db, call.context)
    return {"total_files_pruned": gone, "total_bytes_pruned": freed}
