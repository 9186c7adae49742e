"""An upload: the way of an image's bytes from a client to an active image, or to the folder of staged ones.

The record is begun before the first byte is written. Then the body comes in blocks: while one is hashed and written,
the next is received. Whatever goes wrong, nothing of it stays. Knows no request: what a call says is handed over.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from cumulet.auth import Caller
from cumulet.db import Database, Transaction
from cumulet.http.faults import BadRequest, Fault, TooLarge, Unavailable
from cumulet.services.image.model import content, images, quota
from cumulet.services.image.model.object_upload import BLOCK, ObjectUpload, Stored
from cumulet.services.image.model.stores import ImageStore, ReadOnly, StoreAway, StoreFault, StoreFull

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext

IDLE_S = 60.0
"""How long an upload may bring nothing before it is given up."""
SIZE_CAP = 1 << 40
"""Bytes of one image at most."""


class Way(Struct, frozen=True):
    """What becomes of the bytes: how the record begins and is completed, what they count as, and whether they are
    hashed as they come."""

    begin: Callable[[Transaction, images.Image, ObjectUpload], None]
    complete: Callable[[Transaction, str, ObjectUpload, Stored], None]
    counts_as: str
    hashed: bool = True


UPLOADED = Way(content.begin, content.complete, quota.SIZE)
STAGED = Way(content.begin_staging, content.complete_staging, quota.STAGED, hashed=False)


def require_size(announced: int) -> None:
    """Raise 413 for more bytes than an image may have."""
    if announced > SIZE_CAP:
        raise TooLarge(f"The incoming image is too large: it may have {SIZE_CAP} bytes.")


@dataclass
class Upload:
    """One upload. `transaction` opens one that writes in the name of whoever uploads. First `begin`, then `take`."""

    image_id: str
    store: ImageStore
    way: Way
    context: ImageContext = field(repr=False)
    db: Database = field(repr=False)
    transaction: Callable[[], AbstractContextManager[Transaction]] = field(repr=False)

    def begin(self, caller: Caller, announced: int) -> None:
        """Begin the record, and the object in the store, for so many bytes (0: nobody knows). For a thread. Raises 400,
        404, 409, 410, 413 and 503."""
        try:
            self._object = ObjectUpload(self.store, self.image_id, self.context.staging, hashed=self.way.hashed)
        except (StoreFault, OSError) as error:
            raise explained(error) from None
        try:
            with self.transaction() as tx:
                found = images.get(tx, caller, self.image_id)
                deltas = {self.way.counts_as: announced // quota.MIB, quota.UPLOADS: 1}
                quota.require(tx, self.context, found.row.owner, **deltas)
                self.way.begin(tx, found, self._object)
        except BaseException:
            self._object.discard()
            self._object.close()
            raise

    async def take(self, pieces: AsyncIterator[bytes], length: int | None) -> None:
        """All pieces into the store, and the record completed; `length`: how many bytes they must be. Whatever goes
        wrong, nothing of them stays. Raises 400, 408, 410, 413, 415 and 503."""
        loop = asyncio.get_running_loop()
        try:
            await self._receive(pieces)
            if length not in (None, self._object.size):
                raise BadRequest(f"Size mismatch: {length} bytes were announced, {self._object.size} bytes came.")
            await loop.run_in_executor(None, self._complete)
        except BaseException as error:
            await asyncio.shield(loop.run_in_executor(None, self._abandon))
            raise explained(error) from None
        finally:
            await asyncio.shield(loop.run_in_executor(None, self._object.close))

    async def _receive(self, pieces: AsyncIterator[bytes]) -> None:
        try:
            async with asyncio.timeout(IDLE_S) as patience:
                await self._blocks(pieces, patience)
        except TimeoutError:
            raise Fault(f"No image data came for {IDLE_S:g} seconds.", status=408, code="HTTPRequestTimeout") from None

    async def _blocks(self, pieces: AsyncIterator[bytes], patience: asyncio.Timeout) -> None:
        loop, workers = asyncio.get_running_loop(), self.context.workers
        block = bytearray()
        busy: asyncio.Future[None] | None = None
        renewed = loop.time()
        try:
            async for piece in pieces:
                block += piece
                if (now := loop.time()) > renewed + IDLE_S / 10:
                    patience.reschedule(now + IDLE_S)
                    renewed = now
                if len(block) >= BLOCK:
                    if busy is not None:
                        await busy
                        patience.reschedule(loop.time() + IDLE_S)
                    require_size(self._object.size)
                    busy = loop.run_in_executor(workers.uploads, self._put, block)
                    block = bytearray()
            patience.reschedule(None)
            if busy is not None:
                await busy
        finally:
            if busy is not None:
                await asyncio.wait([busy])
        if block:
            await loop.run_in_executor(workers.uploads, self._object.put, block, workers.threads)

    def _put(self, block: bytearray) -> None:
        self._object.put(block, self.context.workers.threads)
        content.renew(self.db, self._object)

    def _complete(self) -> None:
        with self._object.outcome:
            if self._object.over:
                return
            stored = self._object.finish()
            with self.transaction() as tx:
                self.way.complete(tx, self.image_id, self._object, stored)
            self._object.over = True

    def _abandon(self) -> None:
        """Nothing of the upload stays, unless it became an image at the last moment."""
        with self._object.outcome:
            if self._object.over:
                return
            self._object.over = True
            content.abandon(self.db, self.image_id, self._object, self.context.workers.unsettled)


def explained(error: BaseException) -> BaseException:
    """A store's trouble in Glance's words."""
    if isinstance(error, StoreFull) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return TooLarge("Image storage media is full: there is not enough disk space on the image storage media.")
    if isinstance(error, ReadOnly):
        message = "Error in store configuration. Adding images to store is disabled."
        return Fault(message, status=410, code="HTTPGone")
    if isinstance(error, StoreAway):
        return Unavailable(f"The store of the image does not answer: {error}")
    if isinstance(error, PermissionError):
        return Unavailable("Insufficient permissions on image storage media.")
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EIO, errno.ENOENT, errno.ESTALE):
        return Unavailable(f"The image storage media takes no images: {os.strerror(error.errno)}.")
    return error
