"""Image data on its way in: upload and staging, streamed."""

from __future__ import annotations

from cumulet.http.call import Call
from cumulet.http.faults import BadRequest, UnsupportedMedia
from cumulet.services.image.api import access
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import images as model
from cumulet.services.image.model.stores import ImageStore, UnknownStore
from cumulet.services.image.model.upload import STAGED, UPLOADED, Upload, Way, require_size
from cumulet.services.image.service import image as service

_SIZE, _LENGTH = "x-openstack-image-size", "content-length"


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
    begun = await call.in_thread(_begun, call, image_id, UPLOADED, _store(call))
    await begun.take(call.chunks(), _said(call, _LENGTH, _SIZE))


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
    begun = await call.in_thread(_begun, call, image_id, STAGED, call.context.staging)
    await begun.take(call.chunks(), _said(call, _LENGTH, _SIZE))


def _require_octets(call: Call) -> None:
    kind = call.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/octet-stream":
        raise UnsupportedMedia("Unsupported Media Type")
    size = call.headers.get(_SIZE)
    if size is not None and not (size.isascii() and size.isdigit()):
        raise BadRequest("Invalid or missing image size in request headers.")
    require_size(_said(call, _SIZE, _LENGTH) or 0)


def _said(call: Call, *headers: str) -> int | None:
    """The size that the first of these headers says that says one."""
    for name in headers:
        said = call.headers.get(name, "")
        if said.isascii() and said.isdigit():
            return int(said)
    return None


def _store(call: Call) -> ImageStore:
    """The store that the client asks for, or the default one. Raises 400."""
    context: ImageContext = call.context
    name = call.headers.get("x-image-meta-store")
    try:
        return context.stores.default if name is None else context.stores.get(name)
    except UnknownStore as unknown:
        raise BadRequest(str(unknown)) from None


def _begun(call: Call, image_id: str, way: Way, store: ImageStore) -> Upload:
    """The upload, when the caller may and the image waits for its bytes."""
    with call.db.read() as tx:
        found = model.get(tx, call.caller, image_id)
    access.require(call, call.operation.policy_in_handler or "", found.target(call.caller))
    upload = Upload(found.id, store, way, call.context, call.db, call.transaction)
    upload.begin(call.caller, _said(call, _SIZE, _LENGTH) or 0)
    return upload
