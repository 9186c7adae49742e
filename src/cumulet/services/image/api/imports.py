"""Imports into images."""

from __future__ import annotations

from msgspec.structs import replace

from cumulet.http.bodies import EMPTY
from cumulet.http.call import Call, Reply
from cumulet.services.image.model import images as model
from cumulet.services.image.model import imports
from cumulet.services.image.service import image as service
from cumulet.services.image.wire.imports import IMPORT


@service.post(
    "/v2/images/{image_id}/import",
    status=202,
    grows=True,
    request=IMPORT,
    policy_in_handler="modify_image",
    response=EMPTY,
)
def import_image(call: Call, image_id: str) -> Reply:
    """Import bytes: those that are staged, those of a URL, another region's, or this image's to further stores."""
    asked = imports.parse(call.body, call.headers.get("x-image-meta-store"), call.context)
    if asked.name == imports.REMOTE:
        asked = replace(asked, token=call.context.sealing.sealed(call.headers.get("x-auth-token", "")))
    found = model.get(call.tx, call.caller, image_id)
    call.require("copy_image" if asked.name == imports.COPY else "modify_image", found.target(call.caller))
    imports.require_possible(found.row, asked, call.context)
    imports.start(call.tx, call.context, call.caller, found, asked, call.request_id)
    return Reply(status=202)
