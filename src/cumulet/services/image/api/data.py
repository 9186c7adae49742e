"""Image data: upload and download, streamed."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator
from typing import Any

from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest, Fault, TooLarge, UnsupportedMedia
from cumulet.services.image.model import content
from cumulet.services.image.model import images as model
from cumulet.services.image.service import ImageContext
from cumulet.services.image.service import image as service

_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")
_CHUNK = 1 << 20
IDLE_S = 60.0
"""How long an upload may bring nothing before it is given up."""


@service.put("/v2/images/{image_id}/file", status=204, body_limit=None, policy_in_handler="upload_image")
async def upload(call: Call, image_id: str) -> None:
    """Upload an image's bytes."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/octet-stream":
        raise UnsupportedMedia("Unsupported Media Type")
    part = await call.in_thread(_begin, call, image_id)
    try:
        await _receive(call, part)
        await call.in_thread(_complete, call, image_id, part)
    except BaseException as error:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, _abandon, call, image_id, part))
        raise _explained(error) from None
    finally:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, part.close))


def _begin(call: Call, image_id: str) -> content.Part:
    with call.store.read() as tx:
        found = model.get(tx, call.caller, image_id)
    call.require("upload_image", found.target(call.caller))
    part = content.Part(call.context.folder, found.id)
    try:
        with call.store.transaction() as tx:
            content.begin(tx, model.get(tx, call.caller, image_id), part)
    except BaseException:
        part.discard()
        part.close()
        raise
    return part


async def _receive(call: Call, part: content.Part) -> None:
    """The body in blocks: while one is hashed and written, the next comes in. Raises 400 and 408."""
    announced = call.headers.get("content-length") or call.headers.get("x-openstack-image-size")
    try:
        async with asyncio.timeout(IDLE_S) as patience:
            await _blocks(call, part, patience)
    except TimeoutError:
        raise Fault(f"No image data came for {IDLE_S:g} seconds.", status=408, code="HTTPRequestTimeout") from None
    if announced is not None and announced.isdigit() and int(announced) != part.size:
        raise BadRequest(f"Size mismatch: {announced} bytes were announced, {part.size} bytes came.")


async def _blocks(call: Call, part: content.Part, patience: asyncio.Timeout) -> None:
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
            if len(block) >= content.BLOCK:
                if busy is not None:
                    await busy
                    patience.reschedule(loop.time() + IDLE_S)
                busy = loop.run_in_executor(None, part.put, block, context.threads)
                block = bytearray()
        patience.reschedule(None)
        if busy is not None:
            await busy
    finally:
        if busy is not None:
            await asyncio.wait([busy])
    if block:
        await loop.run_in_executor(None, part.put, block, context.threads)


def _complete(call: Call, image_id: str, part: content.Part) -> None:
    with part.outcome:
        if part.over:
            return
        stored = part.finish()
        with call.store.transaction() as tx:
            content.complete(tx, image_id, part, stored)
        part.over = True


def _abandon(call: Call, image_id: str, part: content.Part) -> None:
    """Nothing of the upload stays, unless it became an image at the last moment."""
    with part.outcome:
        if part.over:
            return
        part.over = True
        part.discard()
        with call.store.transaction() as tx:
            content.abandon(tx, image_id, part)


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TooLarge("Image storage media is full: there is not enough disk space on the image storage media.")
    return error


@service.get("/v2/images/{image_id}/file", policy_in_handler="download_image")
async def download(call: Call, image_id: str) -> Reply:
    """Download an image's bytes, or a range of them."""
    row, fd = await call.in_thread(_open, call, image_id)
    if fd is None:
        return Reply(status=204)
    headers = {"Content-Md5": row.checksum or ""}
    first, last = _range(call.headers.get("range"), row.size) or (0, row.size - 1)
    headers["Content-Length"] = str(last + 1 - first)
    status = 200
    if "range" in call.headers:
        status = 206
        headers = {"Content-Length": headers["Content-Length"], "Content-Range": f"bytes {first}-{last}/{row.size}"}
    return Reply(_pieces(call, fd, first, last + 1), status, headers, "application/octet-stream")


def _open(call: Call, image_id: str) -> tuple[Any, int | None]:
    with call.store.read() as tx:
        found = content.readable(tx, call.caller, image_id)
    call.require("download_image", found.target(call.caller))
    if found.row.size is None:
        return found.row, None
    try:
        return found.row, os.open(call.context.path(found.id), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise model.not_found(image_id) from None


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header. Raises 416."""
    if header is None:
        return None
    match = _RANGE.match(header.strip())
    unsatisfiable = Fault(f"Invalid range header '{header}'", status=416, headers={"Content-Range": f"bytes */{size}"})
    if match is None or not (match[1] or match[2]):
        raise unsatisfiable
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last or first >= size:
        raise unsatisfiable
    return first, last


async def _pieces(call: Call, fd: int, position: int, end: int) -> AsyncIterator[bytes]:
    """The file's bytes; the next piece is read while the last one is sent."""
    loop = asyncio.get_running_loop()
    threads = call.context.threads

    def read(at: int) -> asyncio.Future[bytes]:
        return loop.run_in_executor(threads, os.pread, fd, min(_CHUNK, end - at), at)

    ahead: asyncio.Future[bytes] | None = read(position) if position < end else None
    gone = loop.create_task(call.client_gone())
    try:
        while ahead is not None and not gone.done():
            piece = await ahead
            ahead = None
            if not piece:
                raise OSError(errno.EIO, "the file of the image is shorter than its record")
            position += len(piece)
            ahead = read(position) if position < end else None
            yield piece
    finally:
        gone.cancel()
        if ahead is not None:
            await asyncio.wait([ahead])
        os.close(fd)
