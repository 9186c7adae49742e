"""Image data on its way out: downloads and ranges of them, streamed."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
from collections.abc import AsyncIterator

from cumulet.http.bodies import Media, Query
from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest, Fault, Unavailable
from cumulet.services.image.api import access
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import cache, content, locations
from cumulet.services.image.model import images as model
from cumulet.services.image.model.stores import BytesMissing, Reading, StoreFault, UnknownStore
from cumulet.services.image.service import image as service
from cumulet.services.image.tables import ImageRow, LocationRow

log = logging.getLogger("cumulet.image")

_RANGE = re.compile(r"bytes\s*=\s*([0-9]*)-([0-9]*)")
_CONTENT_RANGE = re.compile(r"bytes\s+([0-9]+)-([0-9]+)/([0-9]+|\*)")
_CHUNK = 1 << 20


@service.get(
    "/v2/images/{image_id}/file",
    policy_in_handler="download_image",
    also=(204, 206),
    faults=(416, 503),
    query=Query({"prefer": str}),
    response=Media("application/octet-stream"),
)
async def download(call: Call, image_id: str) -> Reply:
    """Download an image's bytes, or a range of them."""
    row, reading = await call.in_thread(_open, call, image_id)
    if reading is None or row.size is None:  # one goes with the other
        return Reply(status=204)
    try:
        first, last = _asked(call, row.size) or (0, row.size - 1)
    except BaseException:
        await call.in_thread(reading.close)
        raise
    headers = {"Content-Length": str(last + 1 - first)}
    status = 200
    if row.checksum:
        headers["Content-Md5"] = row.checksum
    if first or last + 1 != row.size or "range" in call.headers or "content-range" in call.headers:
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{row.size}"
    return Reply(_pieces(call, reading, first, last + 1), status, headers, "application/octet-stream")


def _open(call: Call, image_id: str) -> tuple[ImageRow, Reading | None]:
    """The image's row and its bytes, from the first place that has them. Raises 404, 403, 400 and 503."""
    context: ImageContext = call.context
    prefer = _preferred(call)
    with call.db.read() as tx:
        found = content.readable(tx, call.caller, image_id)
        places = locations.best(tx, context.stores, found.id, prefer)
        far = not cache.is_local(context, places)
        near = far and cache.is_cached(tx, found.id)
        wanted = far and not near and cache.is_wanted(tx, found.id)
    access.require(call, "download_image", found.target(call.caller))
    if prefer:
        access.require(call, "download_from_store", found.target(call.caller))
    if not places or found.row.size is None:
        return found.row, None
    if near and not prefer and (reading := cache.opened(call.db, context, found.id)) is not None:
        return found.row, reading
    reading = _first(context, found.row, places)
    if wanted and found.row.size <= context.cache_bytes:
        cache.request_for_later(call.db, context, found.id)
    return found.row, reading


def _preferred(call: Call) -> list[str]:
    """Stores that the client wants to be asked first. Raises 400."""
    context: ImageContext = call.context
    names = [name.strip() for value in call.query.get("prefer", []) for name in value.split(",") if name.strip()]
    for name in names:
        try:
            context.stores.get(name)
        except UnknownStore:
            raise BadRequest(f"Store '{name}' is not configured.") from None
    return names


def _first(context: ImageContext, row: ImageRow, places: list[LocationRow]) -> Reading:
    trouble: StoreFault | None = None
    for place in places:
        store = context.stores.find(place.store)
        if store is None:
            continue
        try:
            return store.open(place.url)
        except StoreFault as fault:
            log.warning("image %s is not readable from store %s: %s", row.id, place.store, fault)
            trouble = fault
    if trouble is None or isinstance(trouble, BytesMissing):
        raise model.not_found(row.id)
    raise Unavailable(f"The store of the image does not answer: {trouble}")


def _asked(call: Call, size: int) -> tuple[int, int] | None:
    """First and last byte that the client wants; None for all. `Content-Range` in a request is an old habit of
    Glance's clients. Raises 416."""
    for name, parse in (("range", _range), ("content-range", _content_range)):
        header = call.headers.get(name)
        if header is not None:
            found = parse(header.strip(), size)
            if found is None or not 0 <= found[0] <= found[1] < size:
                message = f"Invalid range header '{header}'"
                raise Fault(message, status=416, headers={"Content-Range": f"bytes */{size}"})
            return found
    return None


def _range(header: str, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]) or len(header) > 100:
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    return int(match[1]), min(int(match[2] or size - 1), size - 1)


def _content_range(header: str, size: int) -> tuple[int, int] | None:
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None or len(header) > 100 or (match[3] != "*" and int(match[3]) != size):
        return None
    return int(match[1]), int(match[2])


async def _pieces(call: Call, reading: Reading, position: int, end: int) -> AsyncIterator[bytes]:
    """The bytes; the next piece is read while the last one is sent."""
    loop = asyncio.get_running_loop()
    threads = call.context.workers.threads

    def read(at: int) -> asyncio.Future[bytes]:
        return loop.run_in_executor(threads, reading.read, min(_CHUNK, end - at), at)

    ahead: asyncio.Future[bytes] | None = read(position) if position < end else None
    gone = loop.create_task(call.client_gone())
    try:
        while ahead is not None and not gone.done():
            piece = await ahead
            ahead = None
            if not piece:
                raise OSError(errno.EIO, "the bytes of the image are fewer than its record says")
            position += len(piece)
            ahead = read(position) if position < end else None
            yield piece
    finally:
        gone.cancel()
        if ahead is not None:
            await asyncio.wait([ahead])
        await loop.run_in_executor(threads, reading.close)
