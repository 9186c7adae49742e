"""Imports into images."""

from __future__ import annotations

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
    found = model.get(call.tx, call.caller, image_id)
    call.require("copy_image" if asked.name == imports.COPY else "modify_image", found.target(call.caller))
    imports.require_possible(found.row, asked, call.context)
    task_id = imports.start(call.tx, call.context, call.caller, found, asked, call.request_id)
    if task_id is not None and asked.name == imports.REMOTE:
        call.context.tokens[task_id] = call.headers.get("x-auth-token", "")
    return Reply(status=202)
