"""JSON schemas of images and members, which clients read before they write."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call
from cumulet.http.faults import NotFound
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import schemas as wire


@service.get("/v2/schemas/{name}", transaction="none")
def show(call: Call, name: str) -> dict[str, Any]:
    """The schema of an image, of images, of a member or of members."""
    schema = wire.SCHEMAS.get(name)
    if schema is None:
        raise NotFound("The resource could not be found.")
    return schema
