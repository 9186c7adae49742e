"""JSON schemas, which clients read before they write."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call
from cumulet.http.faults import NotFound
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import schemas as wire


@service.get("/v2/schemas/{name}", transaction="none", response=wire.SHOWN)
def show(call: Call, name: str) -> dict[str, Any]:
    """The schema of an image, a member or a task, or of a list of them."""
    return _known(wire.SCHEMAS, name)


@service.get("/v2/schemas/metadefs/{name}", transaction="none", response=wire.SHOWN)
def show_metadef(call: Call, name: str) -> dict[str, Any]:
    """The schema of a namespace and of what it holds, or of a list of them."""
    return _known(wire.METADEFS, name)


def _known(schemas: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    schema = schemas.get(name)
    if schema is None:
        raise NotFound("The resource could not be found.")
    return schema
