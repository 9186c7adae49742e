"""What a controller that starts makes of files and records that do not belong together.

An upload that died left a part without a lock, which never was an image's: it goes. A file that no row names may be an
image of rows that are lost, of a backup's future, or of another cloud. It is set aside in its store's folder of lost
files, and comes back when a row names it again; what was deleted, by a row that says so, goes. In a folder that is
not this cloud's alone, and under rows that may not be those of what lies there, nothing is moved at all. Objects of
buckets go only by rows that say so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import select

from cumulet.db import Database, Transaction
from cumulet.db.in_list import in_list
from cumulet.services.image.model import locations
from cumulet.services.image.model.stores import marks
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.states import ACTIVE, DEACTIVATED, IMPORTING, QUEUED, SAVING, UPLOADING
from cumulet.services.image.tables import cached, erasures, images
from cumulet.services.image.tables import locations as placed

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext

log = logging.getLogger("cumulet.image")

T = TypeVar("T")

Held = Mapping[str, int | None]
"""Image → the bytes that its file has, or None when nobody knows yet."""


def claim(db: Database, context: ImageContext) -> None:
    """Mark the stores' folders as this cloud's. Raises MarkError for a declared one that is another's; the cloud's own
    folder is left alone then, and said. While the rows may not be those of what lies there, marks are neither asked nor
    written."""
    if context.cloud is None:
        return
    context.unclaimed = bool(context.estranged())
    with db.read() as tx:
        cloud_id = context.cloud(tx)
    for place in context.folders:
        if context.unclaimed:
            place.is_ours = False
            continue
        try:
            place.claim = marks.claim(place.folder, cloud_id, place.id, shared=_is_shared(context, place))
        except marks.MarkError as error:
            if place.folder != context.folder.absolute():
                raise
            place.claim = marks.Claim(False, str(error))
        place.is_ours = place.claim.settled
        if place.claim.problem:
            context.problems.append(f"store {place.id}: {place.claim.problem}")


def _is_shared(context: ImageContext, place: FileStore) -> bool:
    return place.shared or (context.shared and place.folder != context.folder.absolute())


def marked_by(folder: Path) -> set[str]:
    """The clouds whose images lie in a folder, by its mark; none when it has none that can be read."""
    try:
        return set(marks.read(folder) or ())
    except marks.MarkError:
        return set()


def take_over(db: Database, context: ImageContext) -> None:
    """Somebody has said which cloud this is that began without knowing: the marks say so, too. What no row names
    stays where it is until the next start."""
    if not context.unclaimed or context.estranged() or context.cloud is None:
        return
    with db.read() as tx:
        cloud_id = context.cloud(tx)
    context.unclaimed = False
    former = _trying(_clouds_of, context.folder) or set()
    for place in context.folders:
        if place.folder == context.folder.absolute() or _trying(_clouds_of, place.folder) in (former, set()):
            _trying(marks.settle, place.folder, cloud_id, place.id)
        elif _is_shared(context, place):
            _trying(marks.claim, place.folder, cloud_id, place.id, True)


def _clouds_of(folder: Path) -> set[str]:
    try:
        return set(marks.read(folder) or ())
    except marks.MarkError:
        return {folder.name}


def recover(db: Database, context: ImageContext) -> list[str]:
    """Undo what uploads left that died, set aside what no row names, and take back what one names again. Harmless
    beside uploads that run. Returns what it did, in sentences."""
    if context.estranged():
        return []
    stores, near = context.folders, (context.staging, context.caching)
    alive: set[str] = set()
    done: list[str] = []
    for place in (*stores, *near):
        living, dead = _trying(place.living) or (set(), [])
        alive |= living
        done += [f"removed what an upload left that died: {name}" for name in dead]
    with db.transaction() as tx:
        done += [f"put image {image_id} back to queued: its upload died" for image_id in _put_back(tx, alive)]
        _adopt_files(tx, stores)
        held: dict[str, Held] = {place.id: _held(tx, place) for place in stores}
        held[context.staging.id] = _staged(tx)
        kept = {row.image_id for row in tx.rows_by_key(cached, state="cached")}
    for place in (*stores, context.staging):
        done += _taken_back(place, held[place.id])
        done += _set_aside(db, place, held[place.id])
    for name in context.caching.names().keys() - kept:  # it can be fetched again
        _trying(context.caching.erase, name)
    return done


def _taken_back(place: FileStore, held: Held) -> list[str]:
    missing = held.keys() - place.names()
    wanted = {kept.id for kept in place.lost} & missing
    return [
        f"took back the file of image {name} in store {place.id}"
        for name in sorted(wanted)
        if held[name] is not None and _trying(place.take_back, name, held[name])
    ]


def _set_aside(db: Database, place: FileStore, held: Held) -> list[str]:
    strangers = sorted(place.names().keys() - held)
    if not strangers:
        return []
    with db.read() as tx:
        deleted = deleted_among(tx, strangers)
    done = []
    for name in strangers:
        if name in deleted:
            _trying(place.erase, name)
            done.append(f"removed the file of image {name} in store {place.id}, which was deleted")
        elif place.is_ours and (where := _trying(place.set_aside, name)) is not None:
            done.append(f"set a file aside that no image has: {where}")
    return done


def _trying(act: Callable[..., T], *arguments: Any) -> T | None:
    """What `act` gives; None when the disk does not let it, which is no reason not to start."""
    try:
        return act(*arguments)
    except OSError as error:
        log.warning("image: %s", error)
        return None


def deleted_among(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Those of these images whose rows say that they were deleted. One query."""
    query = select(images.c.id).where(in_list(images.c.id, ids), images.c.deleted_at.is_not(None))
    return {row.id for row in tx.rows(query)}


def expire(context: ImageContext) -> list[str]:
    """Remove a few lost files whose time is over; their names."""
    if context.estranged():
        return []
    gone: list[str] = []
    for place in (*context.folders, context.staging):
        if place.is_ours or place is context.staging:
            gone += _trying(place.lost.expire, context.lost_days) or []
    for name in gone:
        log.warning("image: nobody asked for a lost file in %d days, and it is removed: %s", context.lost_days, name)
    return gone


def settle(db: Database, context: ImageContext) -> None:
    """Write down what could not be while the database did not serve."""
    while True:
        try:
            act = context.workers.unsettled.get_nowait()
        except Empty:
            return
        try:
            with db.transaction() as tx:
                act(tx)
        except Exception:
            context.workers.unsettled.put(act)
            raise


def _put_back(tx: Transaction, alive: set[str]) -> list[str]:
    """Images whose upload died are queued again, and what it wrote far away is erased."""
    query = select(images.c.id, images.c.upload_id)
    begun = (images.c.status == SAVING) | ((images.c.status == UPLOADING) & images.c.upload_id.is_not(None))
    dead = [row for row in tx.rows(query.where(begun)) if row.upload_id not in alive]
    ids = [row.id for row in dead]
    tx.update(images, images.c.id.in_(ids), status=QUEUED, upload_id=None, updated_at=tx.now)
    for row in dead:
        if row.upload_id:
            tx.update(erasures, erasures.c.url.endswith(row.upload_id, autoescape=True), due_at=tx.now)
    return ids


def _adopt_files(tx: Transaction, folders: Iterable[FileStore]) -> None:
    """Active images of before there were locations: their file is the one that bears their id."""
    unplaced = select(images.c.id).where(
        images.c.status.in_((ACTIVE, DEACTIVATED)),
        images.c.deleted_at.is_(None),
        images.c.id.not_in(select(placed.c.image_id)),
    )
    for row in tx.rows(unplaced):
        place = next((place for place in folders if (place.folder / row.id).exists()), None)
        if place is not None:
            locations.add(tx, row.id, place.id, row.id)


def _held(tx: Transaction, place: FileStore) -> dict[str, int | None]:
    """Files that are an image's, or are about to be."""
    there = select(placed.c.url, images.c.size).join(images, images.c.id == placed.c.image_id)
    found: dict[str, int | None] = {row.url: row.size for row in tx.rows(there.where(placed.c.store == place.id))}
    coming = images.c.status.in_((SAVING, IMPORTING)) | images.c.import_task.is_not(None)
    for row in tx.rows(select(images.c.id).where(coming, images.c.deleted_at.is_(None))):
        found.setdefault(row.id, None)
    return found


def _staged(tx: Transaction) -> dict[str, int | None]:
    """Images whose bytes are staged, or are being staged for an import."""
    busy = images.c.status.in_((UPLOADING, IMPORTING)) | images.c.import_task.is_not(None)
    query = select(images.c.id, images.c.size).where(busy, images.c.deleted_at.is_(None))
    return {row.id: row.size for row in tx.rows(query)}
