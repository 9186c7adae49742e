"""Where an image's bytes are: rows that name objects of stores, and what becomes of an object that no row names.

An object is removed after the commit that forgets it. One that lies in a store across a network has a row in
`erasures` until it is gone, made in the same transaction, so that a process that dies leaves no object behind; a store
on a local disk finds its strangers when the controller starts.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Database, Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.db.times import SECOND
from cumulet.http.faults import Conflict, NotAllowed, NotFound
from cumulet.services.image.model.location_changes import Location
from cumulet.services.image.model.stores import ImageStore, Stores
from cumulet.services.image.states import ACTIVE
from cumulet.services.image.tables import ErasureRow, ImageRow, LocationRow, erasures, images, locations

log = logging.getLogger("cumulet.image")

CLAIM_S = 600
"""How long a writer of an object may be silent before the object is taken for abandoned."""
_BATCH = 50


def of(tx: Transaction, image_id: str) -> Sequence[LocationRow]:
    """The image's locations in their order."""
    return tx.rows(select_as(LocationRow).where(locations.c.image_id == image_id).order_by(locations.c.id))


_OF_MANY = Prepared(select_as(LocationRow).where(in_bound_list(locations.c.image_id, "ids")).order_by(locations.c.id))


def of_many(tx: Transaction, ids: Collection[str]) -> dict[str, list[LocationRow]]:
    """Locations by image, in their order. One query."""
    found: dict[str, list[LocationRow]] = {}
    if ids:
        for row in tx.rows(_OF_MANY, {"ids": ids}):
            found.setdefault(row.image_id, []).append(row)
    return found


def best(tx: Transaction, stores: Stores, image_id: str, prefer: Collection[str] = ()) -> list[LocationRow]:
    """The image's locations, the one to read first in front: those in preferred stores, then by the stores' weight."""

    def rank(row: LocationRow) -> tuple[int, int]:
        store = stores.find(row.store)
        return (0 if row.store in prefer else 1, -(store.weight if store else 0))

    return sorted(of(tx, image_id), key=rank)


def add(tx: Transaction, image_id: str, store: str | None, url: str, detail: Mapping[str, Any] | None = None) -> None:
    """The bytes are at `url` as well."""
    row = {"image_id": image_id, "store": store, "url": url, "detail": dict(detail or {}), "created_at": tx.now}
    tx.insert(locations, row)
    _summarise(tx, image_id)


def adopt(tx: Transaction, image_id: str, store: ImageStore, url: str) -> bool:
    """Give an object that was claimed and written to the image; False when the claim has run out, and the object may
    be gone. Whoever calls this writes the store's name to the image's row."""
    if store.claims:
        held = (erasures.c.store == store.id) & (erasures.c.url == url) & (erasures.c.due_at > tx.now)
        if not tx.delete(erasures, held):
            return False
    row = {"image_id": image_id, "store": store.id, "url": url, "detail": {}, "created_at": tx.now}
    tx.insert(locations, row)
    return True


def remove(tx: Transaction, stores: Stores, rows: Collection[LocationRow]) -> None:
    """Forget these locations of one image; the objects go after the commit."""
    if rows:
        tx.delete(locations, locations.c.id.in_([row.id for row in rows]))
        _summarise(tx, next(iter(rows)).image_id)
        _forget_all(tx, stores, rows)


def disown(tx: Transaction, image: ImageRow) -> None:
    """Forget addresses that a queued image has: somebody added them, and they did not hold what they were said to."""
    if image.stores is not None:
        tx.delete(locations, locations.c.image_id == image.id)
        tx.update(images, images.c.id == image.id, stores=None)


def remove_from_store(tx: Transaction, stores: Stores, image: ImageRow, store_id: str) -> None:
    """Forget the image's bytes in one store. Raises 403 for the last place, 404 where they are not, 409 unless the
    image is active and nothing copies it."""
    if image.status != ACTIVE:
        raise Conflict("It's not allowed to remove image data from store if image status is not 'active'")
    if image.import_task is not None:
        raise Conflict(f"New operation on image '{image.id}' is not permitted as prior operation is still in progress")
    rows = of(tx, image.id)
    if len(rows) == 1:
        raise NotAllowed(
            "Cannot delete image data from the only store containing it. Consider deleting the image instead.",
            code="HTTPForbidden",
        )
    here = [row for row in rows if row.store == store_id]
    if not here:
        raise NotFound(f"Image {image.id} is not stored in store {store_id}.")
    remove(tx, stores, here[:1])


def rearrange(
    tx: Transaction, stores: Stores, image_id: str, places: Sequence[Location], readers: Mapping[str, str]
) -> None:
    """Make the image's locations those of `places`, in that order; `readers` names the store for each new address.
    The objects of locations that are not among them go after the commit."""
    rows = {row.id: row for row in of(tx, image_id)}
    kept = [place.id for place in places if place.id is not None]
    remove(tx, stores, [row for row in rows.values() if row.id not in kept])
    new = list(places)
    if [place.id for place in places[: len(kept)]] == [row.id for row in rows.values() if row.id in kept]:
        for place in places[: len(kept)]:
            if rows[place.id or 0].detail != place.metadata:
                tx.update(locations, locations.c.id == place.id, detail=place.metadata)
        new = new[len(kept) :]
    else:  # rows are shown in the order of their numbers: another order needs new numbers
        tx.delete(locations, locations.c.image_id == image_id)
    for place in new:
        old = rows.get(place.id or 0)
        store, url = (old.store, old.url) if old is not None else (readers[place.url], place.url)
        row = {"image_id": image_id, "store": store, "url": url, "detail": place.metadata, "created_at": tx.now}
        tx.insert(locations, row)
    _summarise(tx, image_id)


def remove_all(tx: Transaction, stores: Stores, image_id: str) -> None:
    """The image is deleted: forget where it was; the objects go after the commit. Two statements."""
    rows = of(tx, image_id)
    if rows:
        tx.delete(locations, locations.c.image_id == image_id)
        _forget_all(tx, stores, rows)


def _forget_all(tx: Transaction, stores: Stores, rows: Collection[LocationRow]) -> None:
    for row in rows:
        store = stores.find(row.store)
        if store is not None and store.owns(row.url):
            forget(tx, store, row.url)


def _summarise(tx: Transaction, image_id: str) -> None:
    query = select(locations.c.store).where(locations.c.image_id == image_id).order_by(locations.c.id)
    names = list(dict.fromkeys(row.store for row in tx.rows(query) if row.store is not None))
    tx.update(images, images.c.id == image_id, stores=",".join(names) or None)


def forget(tx: Transaction, store: ImageStore, url: str) -> None:
    """The object belongs to no image any more: it goes after the commit, at once where that is quick."""
    if store.read_only:
        return
    if store.claims:
        tx.upsert(erasures, {"store": store.id, "url": url}, due_at=tx.now)
    else:
        tx.on_commit(lambda: store.erase(url))


def claim(tx: Transaction, store: ImageStore, url: str) -> None:
    """Somebody writes the object: it is erased when that one is silent for too long."""
    if store.claims:
        tx.upsert(erasures, {"store": store.id, "url": url}, due_at=tx.now + CLAIM_S * SECOND)


def give_up(tx: Transaction, store: ImageStore, url: str) -> None:
    """The writing is over and nothing is left of it."""
    if store.claims:
        tx.delete_by_key(erasures, store=store.id, url=url)


def erase_due(db: Database, stores: Stores) -> int:
    """Remove objects that belong to no image, as many as are due now; how many went. A store that is away keeps its
    rows for later."""
    with db.read() as tx:
        rows = tx.rows(
            select_as(ErasureRow).where(erasures.c.due_at <= tx.now).order_by(erasures.c.due_at).limit(_BATCH)
        )
    gone = 0
    for row in rows:
        place = stores.find(row.store)
        if place is None:
            continue
        with db.transaction() as tx:  # from here on nobody adopts it
            if not tx.update_by_key(erasures, {"store": row.store, "url": row.url, "due_at": row.due_at}, due_at=0):
                continue
        try:
            place.erase(row.url)
        except Exception as error:
            log.warning("store %s could not erase an object, and is asked again: %s", row.store, error)
            with db.transaction() as tx:
                tx.update_by_key(erasures, {"store": row.store, "url": row.url}, due_at=tx.now + 60 * SECOND)
            continue
        with db.transaction() as tx:
            tx.delete_by_key(erasures, store=row.store, url=row.url)
        gone += 1
    return gone
