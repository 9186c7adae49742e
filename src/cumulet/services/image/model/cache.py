"""Bytes of images that are kept near as well: what the cache API shows, and what feeds nodes and downloads when an
image lies in a store across a network.

A download of an image that lies far away, and a node that asks for it, queue it. Each queued image has a job
(`flows/prefetch.py`), which brings its bytes and looks at each byte's hash on the way. What nobody used for longest
goes when the cache is larger than it may be.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from cumulet.db import Database, Transaction, select_as
from cumulet.engine import Again, Failed, Run, jobs
from cumulet.http.faults import Fault
from cumulet.services.image.model import locations
from cumulet.services.image.model.object_upload import BLOCK, HASH
from cumulet.services.image.model.screening import Screen, screened
from cumulet.services.image.model.stores import BytesMissing, Reading, StoreFault, Writing
from cumulet.services.image.states import ACTIVE
from cumulet.services.image.tables import CachedRow, ImageRow, LocationRow, cached, images

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext


log = logging.getLogger("cumulet.image")

KIND = "image_prefetch"
QUEUED, CACHED = "queued", "cached"


def is_cached(tx: Transaction, image_id: str) -> bool:
    """Whether the image's bytes are in the cache."""
    return bool(tx.rows_by_key(cached, image_id=image_id, state=CACHED))


def opened(db: Database, context: ImageContext, image_id: str) -> Reading | None:
    """The cached bytes, with the use of them noted; None when they are gone."""
    try:
        reading = context.caching.open(image_id)
    except BytesMissing:
        with db.transaction() as tx:
            if tx.update_by_key(cached, {"image_id": image_id}, state=QUEUED):
                context.workers.jobs.put(tx, KIND, image_id, {})
        return None
    with db.transaction() as tx:
        tx.update(cached, cached.c.image_id == image_id, hits=cached.c.hits + 1, last_accessed=tx.now)
    return reading


def is_local(context: ImageContext, places: Iterable[LocationRow]) -> bool:
    """Whether one of the locations is a file of this machine."""
    return any(_local(context, row) is not None for row in places)


def _local(context: ImageContext, row: LocationRow) -> Path | None:
    store = context.stores.find(row.store)
    return store.local_path(row.url) if store is not None and store.owns(row.url) else None


def near(tx: Transaction, context: ImageContext, image_id: str) -> Path | None:
    """A file on this machine with the image's bytes; None when there is none yet. In a transaction that writes they are
    brought near then."""
    for row in locations.best(tx, context.stores, image_id):
        if (path := _local(context, row)) is not None:
            return path
    path = context.caching.folder / image_id
    if is_cached(tx, image_id) and path.exists():
        return path
    if tx.writes:
        request(tx, context, image_id)
    return None


def listed(tx: Transaction) -> tuple[Sequence[CachedRow], list[str]]:
    """What is cached, and the ids of what is queued, each by id. One query."""
    rows = tx.rows(select_as(CachedRow).order_by(cached.c.image_id))
    return [row for row in rows if row.state == CACHED], [row.image_id for row in rows if row.state == QUEUED]


def queue(tx: Transaction, context: ImageContext, image_id: str) -> None:
    """Have the image's bytes brought near; nothing when they are, or are on their way. Up to three statements."""
    if not tx.rows_by_key(cached, image_id=image_id):
        tx.insert(cached, {"image_id": image_id, "state": QUEUED, "size": None, "hits": 0, "created_at": tx.now})
        context.workers.jobs.put(tx, KIND, image_id, {})


def is_wanted(tx: Transaction, image_id: str) -> bool:
    """Whether a request would bring the image near: it is not there, not on its way, and was not found a while ago to
    be what it is not. Two queries."""
    return not tx.rows_by_key(cached, image_id=image_id) and jobs.find(tx, KIND, image_id) is None


def request(tx: Transaction, context: ImageContext, image_id: str) -> None:
    """Queue what somebody waits for, if it is active and wanted."""
    row = tx.row(select(images.c.status).where(images.c.id == image_id, images.c.deleted_at.is_(None)))
    if row is not None and row.status == ACTIVE and is_wanted(tx, image_id):
        queue(tx, context, image_id)


def request_for_later(db: Database, context: ImageContext, image_id: str) -> None:
    """Queue what somebody has just read from afar. That one is not troubled when the database does not serve."""
    try:
        with db.transaction() as tx:
            request(tx, context, image_id)
    except Exception as error:
        if db.trouble(error) is None:
            raise
        log.warning("image %s is not queued for the cache: %s", image_id, error)


def resume(tx: Transaction, context: ImageContext) -> int:
    """Give a job to each queued image that has none, because its rows were restored; how many there are. One query
    while nothing is queued."""
    queued = [row.image_id for row in tx.rows(_QUEUED)]
    having = jobs.unended(tx, KIND) if queued else set()
    missing = [image_id for image_id in queued if image_id not in having]
    for image_id in missing if tx.writes else ():
        context.workers.jobs.put(tx, KIND, image_id, {})
    return len(missing)


_QUEUED = select(cached.c.image_id).where(cached.c.state == QUEUED).order_by(cached.c.created_at, cached.c.image_id)


def drop(tx: Transaction, context: ImageContext, image_id: str) -> bool:
    """Neither cached nor queued any more; whether it was."""
    found = bool(tx.delete_by_key(cached, image_id=image_id))
    locations.forget(tx, context.caching, image_id)
    return found


def forget(tx: Transaction, context: ImageContext, image_id: str) -> bool:
    """Neither cached, queued nor being brought any more; whether it was cached or queued."""
    context.workers.jobs.cancel(tx, KIND, image_id)
    return drop(tx, context, image_id)


def clear(tx: Transaction, context: ImageContext, states: Collection[str]) -> None:
    """Forget everything in these states."""
    rows = tx.rows(select(cached.c.image_id).where(cached.c.state.in_(list(states))))
    tx.delete(cached, cached.c.state.in_(list(states)))
    context.workers.jobs.cancel(tx, KIND, *(row.image_id for row in rows))
    for row in rows:
        locations.forget(tx, context.caching, row.image_id)


# ---- bringing bytes near


def fill(run: Run, context: ImageContext) -> None:
    """Bring the bytes of a queued image near. Raises Again when a store is away, Failed for bytes that are not those
    that the image's hash speaks of, and Lost."""
    image_id = run.job.subject
    with run.db.read() as tx:
        row = tx.row(select_as(ImageRow).where(images.c.id == image_id, images.c.deleted_at.is_(None)))
        places = locations.best(tx, context.stores, image_id)
        queued = bool(tx.rows_by_key(cached, image_id=image_id, state=QUEUED))
    if row is None or row.status != ACTIVE or not places or not queued:
        with run.ending() as tx:
            if queued:
                drop(tx, context, image_id)
        return
    try:
        writing = context.caching.create(image_id, uuid.uuid4().hex)
        try:
            _keep(run, _copied(run, context, row, places, writing), writing)
        except BaseException:
            if not run.ended:
                writing.discard()
            raise
        finally:
            writing.close()
    except (StoreFault, OSError) as error:
        raise Again(f"the image could not be cached: {error}") from error


def _copied(run: Run, context: ImageContext, row: ImageRow, places: Sequence[LocationRow], writing: Writing) -> int:
    """The bytes from the first place that has them; how many. Raises Failed when they are not the image's, StoreFault
    and OSError."""
    reading = _opened(context, places)
    digest = hashlib.new(row.os_hash_algo or HASH, usedforsecurity=False)
    screen = Screen(row.disk_format) if screened(row.container_format) else None
    position = 0
    try:
        while piece := reading.read(BLOCK, position):
            digest.update(piece)
            writing.write(piece)
            position += len(piece)
            run.tell(copied=position)
            run.alive()
            if screen is not None:
                screen.eat(piece)
        if screen is not None:
            screen.finish(position)
    except Fault as fault:
        log.error("the bytes of image %s in store %s are not as they were: %s", row.id, places[0].store, fault.message)
        raise Failed(fault.message) from fault
    finally:
        reading.close()
    if row.os_hash_value not in (None, digest.hexdigest()) or row.size not in (None, position):
        log.error("the bytes of image %s in store %s are not those of its record", row.id, places[0].store)
        raise Failed("The bytes are not those of the image's record.")
    return position


def _opened(context: ImageContext, places: Sequence[LocationRow]) -> Reading:
    trouble: StoreFault = BytesMissing("No store has the image.")
    for place in places:
        store = context.stores.find(place.store)
        if store is None:
            continue
        try:
            return store.open(place.url)
        except StoreFault as fault:
            trouble = fault
    raise trouble


def _keep(run: Run, size: int, writing: Writing) -> None:
    image_id = run.job.subject
    writing.finish()
    with run.ending() as tx:
        values = {"state": CACHED, "size": size, "last_modified": tx.now}
        there = tx.row(select(images.c.id).where(images.c.id == image_id, images.c.deleted_at.is_(None)))
        kept = there is not None and tx.update_by_key(cached, {"image_id": image_id, "state": QUEUED}, **values)
    if not kept:
        writing.discard()


def prune(db: Database, context: ImageContext, keep: str | None = None) -> tuple[int, int]:
    """Remove what nobody used for longest until the rest fits; how many images went, and how many bytes. `keep` stays
    though it be larger than the whole cache: a node waits for it."""
    with db.transaction() as tx:
        rows, _ = listed(tx)
        left = sum(row.size or 0 for row in rows)
        gone, freed = 0, 0
        for row in sorted(rows, key=lambda row: max(row.last_accessed or 0, row.last_modified or 0)):
            if left - freed <= context.cache_bytes:
                break
            if row.image_id == keep:
                continue
            drop(tx, context, row.image_id)
            gone, freed = gone + 1, freed + (row.size or 0)
    return gone, freed
