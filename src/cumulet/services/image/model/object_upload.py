"""Bytes on their way in: hashed, screened and written side by side, block by block.

The next block is received while the last one is worked on; the order of blocks is kept because each waits for the one
before. Nothing but the screening looks into the bytes, and no byte is given out before the screening has agreed.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from msgspec import Struct

from cumulet.services.image.model.screening import Screen, screened
from cumulet.services.image.model.stores import ImageStore
from cumulet.services.image.model.stores.file import FileStore

BLOCK = 4 << 20
_FLUSH = 64 << 20
HASH = "sha512"


class Stored(Struct, frozen=True):
    """What was found out about the bytes. Sizes in bytes."""

    size: int
    virtual_size: int | None
    checksum: str
    os_hash_value: str


class ObjectUpload:
    """One object's way into a store. Not used by two threads at once, except that a block's jobs run side by side.

    `outcome` is held while the upload is completed or abandoned, whichever comes first; then it is `over`. Without
    `hashed` the bytes are only written: staged bytes are looked at when they are imported. What is written to a store
    across a network has an empty part in the folder `here`, whose lock says that its writer lives.
    """

    def __init__(self, store: ImageStore, image_id: str, here: FileStore, *, hashed: bool = True) -> None:
        self.upload_id = uuid.uuid4().hex
        self.store = store
        self.writing = store.create(image_id, self.upload_id)
        self._life = here.create(image_id, self.upload_id) if store.claims else None
        self._hashes = [hashlib.md5(usedforsecurity=False), hashlib.sha512()] if hashed else []
        self._screen: Screen | None = None
        self._pending: list[Future[Any]] = []
        self._flushing: Future[Any] | None = None
        self.size = 0
        self._unflushed = 0
        self._renewed = time.monotonic()
        self.outcome = threading.Lock()
        self.over = False

    def needs_renewal(self, after_s: float) -> bool:
        """Whether `after_s` seconds have passed since the last time that this was true."""
        now = time.monotonic()
        if now < self._renewed + after_s:
            return False
        self._renewed = now
        return True

    def screen(self, disk_format: str | None, container_format: str | None) -> None:
        """Look at the content as it comes, unless it is in a container whose inside is never given out."""
        if screened(container_format):
            self._screen = Screen(disk_format)

    def put(self, block: bytes | bytearray, threads: ThreadPoolExecutor) -> None:
        """Take the next block: returns when the one before is done. Raises OSError, StoreFault and 415."""
        self.settle()
        jobs = [threads.submit(job.update, block) for job in self._hashes]
        jobs.append(threads.submit(self.writing.write, block))
        if self._screen is not None:
            jobs.append(threads.submit(self._screen.eat, block))
        self._pending = jobs
        self.size += len(block)
        self._unflushed += len(block)
        if self._unflushed >= _FLUSH and (self._flushing is None or self._flushing.done()):
            self._unflushed = 0
            self._flushing = threads.submit(self.writing.flush)

    def settle(self) -> None:
        """Wait for the block that is under way."""
        pending, self._pending = self._pending, []
        failed = [error for job in pending if (error := job.exception()) is not None]
        if failed:
            raise failed[0]

    def finish(self) -> Stored:
        """All bytes came: check them, and make the object durable. Raises OSError, StoreFault and 415."""
        self.settle()
        virtual = self._screen.finish(self.size) if self._screen is not None else None
        if self._flushing is not None:
            self._flushing.result()
        self.writing.finish()
        checksum, long = [job.hexdigest() for job in self._hashes] or ("", "")
        return Stored(self.size, virtual, checksum, long)

    def discard(self) -> None:
        """Remove whatever was written. Only for bytes that did not become an image's."""
        self._quiet()
        self.writing.discard()

    def close(self) -> None:
        """Let go of the object and its lock, when no job uses it any more."""
        self._quiet()
        self.writing.close()
        if self._life is not None:
            self._life.discard()
            self._life.close()

    def _quiet(self) -> None:
        for job in (*self._pending, self._flushing):
            if job is not None:
                job.exception()
