"""Image data on its way in: upload and staging, streamed."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from cumulet.http.call import Call
from cumulet.http.faults import BadRequest, Fault, TooLarge, Unavailable, UnsupportedMedia
from cumulet.services.image.api import access
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import content, quota
from cumulet.services.image.model import images as model
from cumulet.services.image.model.stores import ImageStore, ReadOnly, StoreAway, StoreFault, StoreFull, UnknownStore
from cumulet.services.image.model.upload import BLOCK, Stored, Upload
from cumulet.services.image.service import image as service

IDLE_S = 60.0
"""How long an upload may bring nothing before it is given up."""
SIZE_CAP = 1 << 40
"""Bytes of one image at most."""

Complete = Callable[[Any, str, Upload, Stored], None]


@service.put(
    "/v2/images/{image_id}/file",
    status=204,
    grows=True,
    body_limit=None,
    policy_in_handler="upload_image",
    faults=(408, 410, 503),
)
async def upload(call: Call, image_id: str) -> None:
    """Upload an image's bytes."""
    _require_octets(call)
    store = _store(call)
    upload = await call.in_thread(_begin_upload, call, image_id, store)
    await _take(call, image_id, upload, _completed)


@service.put(
    "/v2/images/{image_id}/stage",
    status=204,
    grows=True,
    body_limit=None,
    policy_in_handler="modify_image",
    faults=(408, 410, 503),
)
async def stage(call: Call, image_id: str) -> None:
    """Keep an image's bytes until they are imported."""
    _require_octets(call)
    upload = await call.in_thread(_begin_staging, call, image_id)
    await _take(call, image_id, upload, content.complete_staging)


def _require_octets(call: Call) -> None:
    kind = call.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/octet-stream":
        raise UnsupportedMedia("Unsupported Media Type")
    size = call.headers.get("x-openstack-image-size")
    if size is not None and not (size.isascii() and size.isdigit()):
        raise BadRequest("Invalid or missing image size in request headers.")
    if _announced(call) > SIZE_CAP:
        raise _too_large()


def _announced(call: Call) -> int:
    """The size that the client says, or 0."""
    for name in ("x-openstack-image-size", "content-length"):
        said = call.headers.get(name, "")
        if said.isascii() and said.isdigit():
            return int(said)
    return 0


def _too_large() -> TooLarge:
    return TooLarge(f"The incoming image is too large: it may have {SIZE_CAP} bytes.")


def _store(call: Call) -> ImageStore:
    """The store that the client asks for, or the default one. Raises 400."""
    context: ImageContext = call.context
    name = call.headers.get("x-image-meta-store")
    try:
        return context.stores.default if name is None else context.stores.get(name)
    except UnknownStore as unknown:
        raise BadRequest(str(unknown)) from None


def _begin_upload(call: Call, image_id: str, store: ImageStore) -> Upload:
    with call.db.read() as tx:
        found = model.get(tx, call.caller, image_id)
    access.require(call, "upload_image", found.target(call.caller))
    try:
        upload = Upload(store, found.id, call.context.staging)
    except (StoreFault, OSError) as error:
        raise _explained(error) from None
    return _begin(call, image_id, upload, content.begin, quota.SIZE)


def _begin_staging(call: Call, image_id: str) -> Upload:
    with call.db.read() as tx:
        found = model.get(tx, call.caller, image_id)
    access.require(call, "modify_image", found.target(call.caller))
    staging = call.context.staging
    try:
        upload = Upload(staging, found.id, staging, hashed=False)
    except OSError as error:
        raise _explained(error) from None
    return _begin(call, image_id, upload, content.begin_staging, quota.STAGED)


def _begin(call: Call, image_id: str, upload: Upload, begin: Callable[..., None], resource: str) -> Upload:
    try:
        with call.transaction() as tx:
            found = model.get(tx, call.caller, image_id)
            deltas = {resource: _announced(call) // quota.MIB, quota.UPLOADS: 1}
            quota.require(tx, call.context, found.row.owner, **deltas)
            begin(tx, found, upload)
    except BaseException:
        upload.discard()
        upload.close()
        raise
    return upload


def _completed(tx: Any, image_id: str, upload: Upload, stored: Stored) -> None:
    content.complete(tx, image_id, upload, stored)


async def _take(call: Call, image_id: str, upload: Upload, complete: Complete) -> None:
    """The body into the upload; whatever goes wrong, nothing of it stays."""
    loop = asyncio.get_running_loop()
    try:
        await _receive(call, upload)
        await call.in_thread(_complete, call, image_id, upload, complete)
    except BaseException as error:
        await asyncio.shield(loop.run_in_executor(None, _abandon, call, image_id, upload))
        raise _explained(error) from None
    finally:
        await asyncio.shield(loop.run_in_executor(None, upload.close))


async def _receive(call: Call, upload: Upload) -> None:
    """The body in blocks: while one is hashed and written, the next comes in. Raises 400, 408 and 413."""
    announced = call.headers.get("content-length") or call.headers.get("x-openstack-image-size")
    try:
        async with asyncio.timeout(IDLE_S) as patience:
            await _blocks(call, upload, patience)
    except TimeoutError:
        raise Fault(f"No image data came for {IDLE_S:g} seconds.", status=408, code="HTTPRequestTimeout") from None
    if announced is not None and announced.isascii() and announced.isdigit() and int(announced) != upload.size:
        raise BadRequest(f"Size mismatch: {announced} bytes were announced, {upload.size} bytes came.")


async def _blocks(call: Call, upload: Upload, patience: asyncio.Timeout) -> None:
    context: ImageContext = call.context
    loop = asyncio.get_running_loop()
    block = bytearray()
    busy: asyncio.Future[None] | None = None
    renewed = loop.time()
    try:
        async for piece in call.chunks():
            block += piece
            if (now := loop.time()) > renewed + IDLE_S / 10:
                patience.reschedule(now + IDLE_S)
                renewed = now
            if len(block) >= BLOCK:
                if busy is not None:
                    await busy
                    patience.reschedule(loop.time() + IDLE_S)
                if upload.size > SIZE_CAP:
                    raise _too_large()
                busy = loop.run_in_executor(context.workers.uploads, partial(_put, call, upload, block, context))
                block = bytearray()
        patience.reschedule(None)
        if busy is not None:
            await busy
    finally:
        if busy is not None:
            await asyncio.wait([busy])
    if block:
        await loop.run_in_executor(context.workers.uploads, upload.put, block, context.workers.threads)


def _put(call: Call, upload: Upload, block: bytearray, context: ImageContext) -> None:
    upload.put(block, context.workers.threads)
    content.renew(call.db, upload)


def _complete(call: Call, image_id: str, upload: Upload, complete: Complete) -> None:
    with upload.outcome:
        if upload.over:
            return
        stored = upload.finish()
        with call.transaction() as tx:
            complete(tx, image_id, upload, stored)
        upload.over = True


def _abandon(call: Call, image_id: str, upload: Upload) -> None:
    """Nothing of the upload stays, unless it became an image at the last moment."""
    with upload.outcome:
        if upload.over:
            return
        upload.over = True
        content.abandon(call.db, image_id, upload, call.context.workers.unsettled)


def _explained(error: BaseException) -> BaseException:
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
