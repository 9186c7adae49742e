"""Bytes of images that are kept near as well: what the cache API shows, and what feeds nodes and downloads when an
image lies in a store across a network.

An image that lies in a folder of this machine has its bytes near anyway: its place in the cache is a second name of the
same file (a hard link), made at once and without room of its own; a copy where the folder is on another disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from cumulet.services.image.model import locations
from cumulet.services.image.model.stores import BytesMissing, Reading
from cumulet.services.image.tables import cached
from cumulet.store import Store, Transaction

if TYPE_CHECKING:
    from cumulet.services.image.service import ImageContext


def is_cached(tx: Transaction, image_id: str) -> bool:
    """Whether the image's bytes are in the cache."""
    return bool(tx.where(cached, image_id=image_id, state="cached"))


def opened(store: Store, context: ImageContext, image_id: str) -> Reading | None:
    """The cached bytes, with the use of them noted; None when they are gone."""
    try:
        reading = context.caching.open(context.caching.url(image_id))
    except BytesMissing:
        return None
    with store.transaction() as tx:
        tx.update(cached, cached.c.image_id == image_id, hits=cached.c.hits + 1, last_accessed=tx.now)
    return reading


def is_local(context: ImageContext, places: Iterable[Row[Any]]) -> bool:
    """Whether one of the locations is a file of this machine."""
    return any(_local(context, row) is not None for row in places)


def _local(context: ImageContext, row: Row[Any]) -> Path | None:
    store = context.stores.find(row.store)
    return store.local_path(row.url) if store is not None and store.owns(row.url) else None


def near(tx: Transaction, context: ImageContext, image_id: str) -> Path | None:
    """A file on this machine with the image's bytes; None when there is none yet."""
    for row in locations.best(tx, context.stores, image_id):
        if (path := _local(context, row)) is not None:
            return path
    if is_cached(tx, image_id):
        return context.caching.folder / image_id
    return None
