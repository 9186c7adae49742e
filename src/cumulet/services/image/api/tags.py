"""Tags of an image, one by one."""

from __future__ import annotations

from cumulet.http.call import Call
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.image.model import images as model
from cumulet.services.image.service import image as service
from cumulet.services.image.wire.images import MAX_TAGS, too_many


@service.put("/v2/images/{image_id}/tags/{tag}", status=204, policy_in_handler="modify_image")
def update(call: Call, image_id: str, tag: str) -> None:
    """Give the image a tag; it may have it already."""
    if len(tag) > 255:
        raise BadRequest("Provided object does not match schema 'image': tag is too long")
    found = model.get(call.tx, call.caller, image_id)
    call.require("modify_image", found.target(call.caller))
    wanted = {*found.tags, tag}
    if len(wanted) > MAX_TAGS:
        raise too_many("tags", MAX_TAGS, len(wanted))
    if tag not in found.tags:
        model.set_tags(call.tx, found.id, wanted)
        model.touch(call.tx, found.id)


@service.delete("/v2/images/{image_id}/tags/{tag}", policy_in_handler="modify_image")
def delete(call: Call, image_id: str, tag: str) -> None:
    """Take a tag from the image."""
    found = model.get(call.tx, call.caller, image_id)
    call.require("modify_image", found.target(call.caller))
    if tag not in found.tags:
        raise NotFound(f"Tag {tag} not found for image {image_id}")
    model.set_tags(call.tx, found.id, [other for other in found.tags if other != tag])
    model.touch(call.tx, found.id)
