"""An image's bytes: the way from the first byte of an upload to a file that survives power loss, and back.

An upload writes ``<image>.<upload>.part`` and holds a lock on it; only when the bytes are on the disk does the file
get its name and then the row its status. Whoever dies on the way leaves a part without a lock, or a file without an
active row; `recover` removes both. Blocks are hashed, screened and written side by side on threads, while the next
block comes in; the order of blocks is kept because each waits for the one before.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import uuid
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cumulet.auth import Caller
from cumulet.http.faults import BadRequest, Conflict, Fault
from cumulet.services.image.model import images as model
from cumulet.services.image.model.screening import Screen, screened
from cumulet.services.image.states import ACTIVE, QUEUED, SAVING
from cumulet.services.image.tables import images
from cumulet.store import Store, Transaction

BLOCK = 4 << 20
_FLUSH = 64 << 20
HASH = "sha512"


@dataclass(frozen=True)
class Stored:
    """What was found out about the bytes. Sizes in bytes."""

    size: int
    virtual_size: int | None
    checksum: str
    os_hash_value: str


class Part:
    """The file of one upload. Not used by two threads at once, except that a block's four jobs run side by side.

    `outcome` is held while the upload is completed or abandoned, whichever comes first; then it is `over`.
    """

    def __init__(self, folder: Path, image_id: str) -> None:
        self.upload_id = uuid.uuid4().hex
        self.path = folder / f"{image_id}.{self.upload_id}.part"
        self.final = folder / image_id
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        self._screen: Screen | None = None
        self._pending: list[Future[Any]] = []
        self._flushing: Future[Any] | None = None
        self.size = 0
        self._unflushed = 0
        self._renamed = False
        self.outcome = threading.Lock()
        self.over = False

    def screen(self, disk_format: str) -> None:
        """Look at the content as it comes."""
        self._screen = Screen(disk_format)

    def put(self, block: bytes | bytearray, threads: ThreadPoolExecutor) -> None:
        """Take the next block: returns when the one before is done. Raises OSError and 415."""
        self.settle()
        jobs = [threads.submit(self._md5.update, block), threads.submit(self._sha512.update, block)]
        jobs.append(threads.submit(self._write, block))
        if self._screen is not None:
            jobs.append(threads.submit(self._screen.eat, block))
        self._pending = jobs
        self.size += len(block)
        self._unflushed += len(block)
        if self._unflushed >= _FLUSH and (self._flushing is None or self._flushing.done()):
            self._unflushed = 0
            self._flushing = threads.submit(os.fdatasync, self._fd)

    def settle(self) -> None:
        """Wait for the block that is under way."""
        pending, self._pending = self._pending, []
        failed = [error for job in pending if (error := job.exception()) is not None]
        if failed:
            raise failed[0]

    def _write(self, block: bytes | bytearray) -> None:
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def finish(self) -> Stored:
        """All bytes came: check them, bring them to the disk and give the file its name. Raises OSError and 415."""
        self.settle()
        virtual = self._screen.finish(self.size) if self._screen is not None else None
        if self._flushing is not None:
            self._flushing.result()
        os.fsync(self._fd)
        os.rename(self.path, self.final)
        self._renamed = True
        _sync_folder(self.final.parent)
        return Stored(self.size, virtual, self._md5.hexdigest(), self._sha512.hexdigest())

    def discard(self) -> None:
        """Remove whatever was written. Only for an upload whose row did not become active."""
        self.path.unlink(missing_ok=True)
        if self._renamed:
            self.final.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file and its lock, when no job uses it any more."""
        for job in (*self._pending, self._flushing):
            if job is not None:
                job.exception()
        os.close(self._fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def begin(tx: Transaction, image: model.Image, part: Part) -> None:
    """queued → saving for this upload. Raises 409 from any other status, 400 while a format is missing."""
    row = image.row
    missing = [name for name in ("disk_format", "container_format") if getattr(row, name) is None]
    if missing:
        raise BadRequest(f"Properties {', '.join(missing)} must be set prior to saving data.")
    where = (images.c.id == row.id) & (images.c.status == QUEUED) & images.c.deleted_at.is_(None)
    if not tx.update(images, where, status=SAVING, upload_id=part.upload_id, updated_at=tx.now):
        raise Conflict(f"Image status transition from {row.status} to {SAVING} is not allowed")
    if screened(row.container_format):
        part.screen(row.disk_format)


def complete(tx: Transaction, image_id: str, part: Part, stored: Stored) -> None:
    """saving → active. Raises 410 when the image was deleted meanwhile; then the caller removes the file."""
    done = tx.update(
        images,
        _uploading(image_id, part),
        status=ACTIVE,
        upload_id=None,
        size=stored.size,
        virtual_size=stored.virtual_size,
        checksum=stored.checksum,
        os_hash_algo=HASH,
        os_hash_value=stored.os_hash_value,
        updated_at=tx.now,
    )
    if not done:
        raise Fault(
            f"Image {image_id} could not be found after upload. The image may have been deleted during the upload.",
            status=410,
            code="HTTPGone",
        )


def abandon(tx: Transaction, image_id: str, part: Part) -> None:
    """saving → queued, as if the upload had never begun; nothing when the image is gone."""
    tx.update(images, _uploading(image_id, part), status=QUEUED, upload_id=None, updated_at=tx.now)


def _uploading(image_id: str, part: Part) -> Any:
    return (images.c.id == image_id) & (images.c.status == SAVING) & (images.c.upload_id == part.upload_id)


def recover(store: Store, folder: Path) -> list[str]:
    """Undo what uploads left that died: parts without a lock, files without an image, images that are 'saving'
    with nobody at it. Harmless beside uploads that run. Returns what it removed or put back."""
    alive = set()
    undone = []
    for path in sorted(folder.glob("*.part")):
        if _remove_dead(path):
            undone.append(path.name)
        else:
            alive.add(path.name.split(".")[1])
    with store.transaction() as tx:
        for row in tx.rows(select(images.c.id, images.c.upload_id).where(images.c.status == SAVING)):
            if row.upload_id not in alive:
                tx.update(images, images.c.id == row.id, status=QUEUED, upload_id=None, updated_at=tx.now)
                undone.append(row.id)
        known = {row.id for row in tx.rows(select(images.c.id).where(images.c.deleted_at.is_(None)))}
        kept = (ACTIVE, "deactivated", SAVING)
        held = {row.id for row in tx.rows(select(images.c.id).where(images.c.status.in_(kept)))} & known
    undone += _remove_strangers(folder, held)
    return undone


def _remove_strangers(folder: Path, held: Collection[str]) -> list[str]:
    removed = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix != ".part" and path.name not in held and _is_id(path.name):
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _remove_dead(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def readable(tx: Transaction, caller: Caller, image_id: str) -> model.Image:
    """The image of a download. Raises 404, and 403 when it is deactivated and the caller is no admin."""
    image = model.get(tx, caller, image_id)
    if image.row.status == "deactivated" and not caller.is_admin:
        raise Fault(
            "The requested image has been deactivated. Image data download is forbidden.",
            status=403,
            code="HTTPForbidden",
        )
    return image
