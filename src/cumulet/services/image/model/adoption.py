"""Files of images that no row names: what they are, and how one becomes an image again.

A file bears the id of the image that it was, which guests' specs name, so the image gets that id back. What its record
said is gone: the format is found out by looking at the content, which is screened as if it had just come in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import select

from cumulet.db import Database, Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.engine import timeline
from cumulet.fleet import door as fleet
from cumulet.http.faults import Fault
from cumulet.services.image.model.object_upload import BLOCK, HASH
from cumulet.services.image.model.screening import Screen, declared_format
from cumulet.services.image.model.stores import StoreFault
from cumulet.services.image.model.stores.file import FileReading, FileStore
from cumulet.services.image.states import ACTIVE, QUEUED
from cumulet.services.image.tables import ImageRow, images, members
from cumulet.services.image.tables import locations as placed

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext


class NotAdoptable(ValueError):
    """The file cannot become an image. The text says why."""


class LostImage(Struct, frozen=True):
    """A file without a row: the image that it was, its store, its size in bytes, and since when it is among the lost
    ones (None: it lies where it always was)."""

    id: str
    store: str
    size: int
    since: date | None


class Examined(Struct, frozen=True):
    """What a look at a lost image's bytes found. Sizes in bytes; `checksum` is MD5, `os_hash_value` SHA-512."""

    lost: LostImage
    disk_format: str
    virtual_size: int | None
    checksum: str
    os_hash_value: str


def lost(tx: Transaction, context: ImageContext) -> list[LostImage]:
    """The files in stores' folders, and among their lost ones, that no row names and no row calls deleted, by id; of
    several copies the newest. Two queries, and a look into each folder; no file is opened."""
    found: dict[str, LostImage] = {}
    for place in context.folders:
        for kept in place.lost:
            found[kept.id] = LostImage(kept.id, place.id, kept.size, kept.since)
        found |= {name: LostImage(name, place.id, size, None) for name, size in place.names().items()}
    known = select(placed.c.url).where(in_list(placed.c.url, found), placed.c.store.is_not(None))
    rows = tx.rows(select(images.c.id).where(in_list(images.c.id, found), _not_waiting()))
    for name in {row.url for row in tx.rows(known)} | {row.id for row in rows}:
        found.pop(name, None)
    return [found[name] for name in sorted(found)]


def _not_waiting() -> Any:
    """Rows that are no image's whose bytes are lost: only a queued one may be."""
    return (images.c.status != QUEUED) | images.c.deleted_at.is_not(None)


def examine(context: ImageContext, one: LostImage, progress: Callable[[int], None] = lambda _read: None) -> Examined:
    """Read the file: its hashes and its format. `progress` is told the bytes of each block. Takes as long as reading
    and hashing does, so never in a transaction. Raises NotAdoptable for what is gone, cannot be read or names another
    file."""
    place, path = _place(context, one)
    digests = [hashlib.md5(usedforsecurity=False), hashlib.new(HASH)]
    screen, at = Screen(None), 0
    try:
        reading = FileReading(path)
    except (StoreFault, OSError) as error:
        raise NotAdoptable(f"image {one.id} in store {place.id} cannot be read: {error}") from None
    try:
        while block := reading.read(BLOCK, at):
            for digest in digests:
                digest.update(block)
            screen.eat(block)
            at += len(block)
            progress(len(block))
        disk_format = declared_format(screen.found())
        if disk_format is None:
            raise NotAdoptable(f"image {one.id} in store {place.id}: its content is of several formats at once")
        screen.declared = disk_format
        virtual = screen.finish(at)
    except Fault as fault:
        raise NotAdoptable(f"image {one.id} in store {place.id}: {fault.message}") from None
    except OSError as error:
        raise NotAdoptable(f"image {one.id} in store {place.id} cannot be read: {error.strerror}") from None
    finally:
        reading.close()
    if at != one.size:
        raise NotAdoptable(f"image {one.id} in store {place.id} changes while it is read")
    return Examined(one, disk_format, virtual, *(digest.hexdigest() for digest in digests))


def _place(context: ImageContext, one: LostImage) -> tuple[FileStore, Path]:
    place = next((place for place in context.folders if place.id == one.store), None)
    if place is None:
        raise NotAdoptable(f"there is no store {one.store} of files")
    if one.since is None:
        return place, place.folder / one.id
    for kept in place.lost:
        if (kept.id, kept.since, kept.size) == (one.id, one.since, one.size):
            return place, kept.path
    raise NotAdoptable(f"image {one.id} is not among the lost files of store {one.store} any more")


def adopt(
    tx: Transaction,
    context: ImageContext,
    one: Examined,
    *,
    owner: str,
    name: str | None = None,
    properties: Mapping[str, str] | None = None,
) -> str:
    """Make the image of a file that was examined: private to the project `owner`, active, under the id that the file
    bears; its id. A queued image of that id gets the bytes and keeps its own name and owner. Three statements, or
    four. Raises NotAdoptable when the file is gone, or the id is an image's that has its bytes."""
    found, image_id = one.lost, one.lost.id
    place, path = _place(context, found)
    row = tx.row(select_as(ImageRow).where(images.c.id == image_id))
    if row is not None and (row.deleted_at is not None or row.status != QUEUED):
        raise NotAdoptable(f"the image {image_id} is there already, or was deleted")
    facts = {
        "status": ACTIVE,
        "size": found.size,
        "virtual_size": one.virtual_size,
        "checksum": one.checksum,
        "os_hash_algo": HASH,
        "os_hash_value": one.os_hash_value,
        "disk_format": one.disk_format,
        "container_format": "bare",
        "stores": place.id,
        "updated_at": tx.now,
    }
    if row is None:
        told = {"name": name or f"adopted-{image_id[:8]}", "owner": owner, "visibility": "private"}
        bounds = {"min_disk": 0, "min_ram": 0, "protected": False, "os_hidden": False}
        made = {"id": image_id, "properties": dict(properties or {}), "created_at": tx.now}
        tx.insert(images, {**facts, **told, **bounds, **made})
    else:
        tx.update(images, images.c.id == image_id, **facts, upload_id=None)
    row_of_it = {"image_id": image_id, "store": place.id, "url": image_id, "detail": {}, "created_at": tx.now}
    tx.insert(placed, row_of_it)
    timeline.record(tx, image_id, "adopted", f"The image was made of a file of store {place.id} that no row named.")
    if found.since is not None:
        try:
            path.rename(place.folder / image_id)
        except OSError as error:
            raise NotAdoptable(f"image {image_id} cannot be taken back: {error.strerror}") from None
    elif not path.exists():
        raise NotAdoptable(f"image {image_id} is not in store {place.id} any more")
    return str(image_id)


def follow(tx: Transaction, found: fleet.Adoption) -> None:
    """Projects have other ids now; what they own and see of images follows them. Three statements for each."""
    for old, new in found.became.items():
        tx.update(images, images.c.owner == old, owner=new)
        tx.delete(members, members.c.member == new)
        tx.update(members, members.c.member == old, member=new)


class LostImages(Struct, frozen=True):
    """Lost images for the operator's verbs. `owner`: whose adopted ones are, as nobody knows
    theirs. `known_as`: what somebody remembers one to be called, or nothing."""

    context: ImageContext
    owner: Callable[[Transaction], str]
    known_as: Callable[[Transaction, str], str]

    def listed(self, tx: Transaction) -> list[dict[str, Any]]:
        """Their ``id``, ``store`` and ``size`` in bytes."""
        return [{"id": one.id, "store": one.store, "size": one.size} for one in lost(tx, self.context)]

    def adopt(self, db: Database, image_id: str) -> str:
        """Make the row of one, which takes as long as reading it; its name. Raises NotAdoptable."""
        with db.read() as tx:
            found = next((one for one in lost(tx, self.context) if one.id == image_id), None)
        if found is None:
            raise NotAdoptable(f"no file of an image {image_id} is without its row")
        examined = examine(self.context, found)
        with db.transaction() as tx:
            name = tx.scalar(select(images.c.name).where(images.c.id == image_id))
            name = name or self.known_as(tx, image_id) or f"adopted-{image_id[:8]}"
            adopt(tx, self.context, examined, owner=self.owner(tx), name=name)
        return str(name)
