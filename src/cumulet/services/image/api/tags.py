"""Tags of an image, one by one."""

from __future__ import annotations

from cumulet.http.call import Call
from cumulet.http.faults import NotFound, TooLarge
from cumulet.services.image.api import access
from cumulet.services.image.model import images as model
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import images as wire

_MISSING = "Image {} not found."


@service.put("/v2/images/{image_id}/tags/{tag}", status=204, policy_in_handler="modify_image")
def update(call: Call, image_id: str, tag: str) -> None:
    """Give the image a tag; it may have it already."""
    wire.checked("tags", [tag])
    found = model.get(call.tx, call.caller, image_id, missing=_MISSING)
    access.require(call, "modify_image", found.target(call.caller))
    if tag in found.tags:
        return
    if len(found.tags) >= wire.MAX_TAGS:
        most = f"Attempted: {len(found.tags) + 1}, Maximum: {wire.MAX_TAGS}"
        raise TooLarge(
            f"Image tag limit exceeded for image {image_id}: "
            f"The limit has been exceeded on the number of allowed image tags. {most}:"
        )
    model.set_tags(call.tx, found.id, [*found.tags, tag])
    model.touch(call.tx, found.id)


@service.delete("/v2/images/{image_id}/tags/{tag}", target=access.Of(_MISSING), policy="modify_image")
def delete(call: Call, found: model.Image, tag: str) -> None:
    """Take a tag from the image."""
    if tag not in found.tags:
        raise NotFound("The resource could not be found.")
    model.set_tags(call.tx, found.id, [other for other in found.tags if other != tag])
    model.touch(call.tx, found.id)
