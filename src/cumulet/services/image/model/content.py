"""An image's bytes and its record: the way from the first byte of an upload to an active image, and back.

The record says `saving` before the first byte is written and `active` when the object is safe in its store, both by
compare-and-set on the upload's id. Whoever dies on the way leaves an object that no location names, and a record that
is `saving` with nobody at it; `recovery` puts both right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from cumulet.auth import Caller
from cumulet.db import Database, Transaction
from cumulet.engine import timeline
from cumulet.http.faults import BadRequest, Conflict, Fault
from cumulet.services.image.model import images as model
from cumulet.services.image.model import locations
from cumulet.services.image.model.object_upload import HASH, ObjectUpload, Stored
from cumulet.services.image.states import ACTIVE, DEACTIVATED, QUEUED, SAVING, UPLOADING
from cumulet.services.image.tables import ImageRow, images

log = logging.getLogger("cumulet.image")


def begin(tx: Transaction, image: model.Image, upload: ObjectUpload) -> None:
    """queued → saving for this upload. Raises 409 from any other status, 400 while a format is missing."""
    row = image.row
    missing = [name for name in ("disk_format", "container_format") if getattr(row, name) is None]
    if missing:
        raise BadRequest(f"Properties {', '.join(missing)} must be set prior to saving data.")
    _from_queued(tx, row, SAVING, upload)
    locations.claim(tx, upload.store, upload.writing.url)
    upload.screen(row.disk_format, row.container_format)


def begin_staging(tx: Transaction, image: model.Image, upload: ObjectUpload) -> None:
    """queued → uploading: bytes are kept until they are imported. Raises 409 from any other status."""
    _from_queued(tx, image.row, UPLOADING, upload)


def _from_queued(tx: Transaction, row: ImageRow, status: str, upload: ObjectUpload) -> None:
    where = (images.c.id == row.id) & (images.c.status == QUEUED) & images.c.deleted_at.is_(None)
    if not tx.update(images, where, status=status, upload_id=upload.upload_id, updated_at=tx.now):
        raise Conflict(f"Image status transition from {row.status} to {status} is not allowed")
    locations.disown(tx, row)


def complete(tx: Transaction, image_id: str, upload: ObjectUpload, stored: Stored) -> None:
    """saving → active. Raises 410 when the image was deleted meanwhile; then the caller removes the object."""
    values = {"status": ACTIVE, "upload_id": None, "stores": upload.store.id, **described(stored)}
    if not tx.update(images, _uploading(image_id, SAVING, upload), **values, updated_at=tx.now):
        raise gone(image_id)
    if not locations.adopt(tx, image_id, upload.store, upload.writing.url):
        raise gone(image_id)
    timeline.record(tx, image_id, "uploaded", f"{stored.size} bytes were uploaded to store {upload.store.id}.")


def described(stored: Stored) -> dict[str, Any]:
    """The record's columns that say what the bytes are."""
    return {
        "size": stored.size,
        "virtual_size": stored.virtual_size,
        "checksum": stored.checksum,
        "os_hash_algo": HASH,
        "os_hash_value": stored.os_hash_value,
    }


def complete_staging(tx: Transaction, image_id: str, upload: ObjectUpload, stored: Stored) -> None:
    """The staged bytes are whole. Raises 410 when the image was deleted meanwhile."""
    where = _uploading(image_id, UPLOADING, upload)
    if not tx.update(images, where, upload_id=None, size=stored.size, updated_at=tx.now):
        raise gone(image_id)


def gone(image_id: str) -> Fault:
    """The image is not there any more when its bytes are."""
    return Fault(
        f"Image {image_id} could not be found after upload. The image may have been deleted during the "
        "upload, cleaning up the chunks uploaded.",
        status=410,
        code="HTTPGone",
    )


def abandon(
    db: Database, image_id: str, upload: ObjectUpload, later: SimpleQueue[Callable[[Transaction], None]]
) -> None:
    """Back to queued, as if nothing had begun; nothing when the image is gone. The bytes go first, as they may be what
    fills the disk that the database is on; when that does not serve, the rest is left in `later`. A store that cannot
    remove what came so far keeps its claim, and is asked again when that has run out."""
    erased = True
    try:
        upload.discard()
    except Exception as error:
        log.warning("store %s could not drop an upload: %s", upload.store.id, error)
        erased = False

    def settle(tx: Transaction) -> None:
        for status in (SAVING, UPLOADING):
            where = _uploading(image_id, status, upload)
            tx.update(images, where, status=QUEUED, upload_id=None, updated_at=tx.now)
        if erased:
            locations.give_up(tx, upload.store, upload.writing.url)

    try:
        with db.transaction() as tx:
            settle(tx)
    except Exception as error:  # the database may be full as well; what the client hears is why the upload ended
        if db.trouble(error) is None:
            raise
        log.warning("image %s: the end of an upload is written down later: %s", image_id, error)
        later.put(settle)


def renew(db: Database, upload: ObjectUpload) -> None:
    """The upload lives: what it writes is not to be erased. Cheap when called often."""
    if upload.store.claims and upload.needs_renewal(locations.CLAIM_S / 5):
        with db.transaction() as tx:
            locations.claim(tx, upload.store, upload.writing.url)


def _uploading(image_id: str, status: str, upload: ObjectUpload) -> Any:
    return (images.c.id == image_id) & (images.c.status == status) & (images.c.upload_id == upload.upload_id)


def readable(tx: Transaction, caller: Caller, image_id: str) -> model.Image:
    """The image of a download. Raises 404, and 403 when it is deactivated and the caller is no admin."""
    image = model.get(tx, caller, image_id)
    if image.row.status == DEACTIVATED and not caller.is_admin:
        raise Fault(
            "The requested image has been deactivated. Image data download is forbidden.",
            status=403,
            code="HTTPForbidden",
        )
    return image
