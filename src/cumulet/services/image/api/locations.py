"""Locations by calls of their own: add one to an image that has none, and see those of an image."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import EMPTY, Query
from cumulet.http.call import Call, Reply
from cumulet.services.image.api import access, location_views
from cumulet.services.image.model import images as model
from cumulet.services.image.model import locations, registrations
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import locations as wire


@service.post(
    "/v2/images/{image_id}/locations",
    status=202,
    request=wire.ADDED,
    policy_in_handler="add_image_location",
    response=EMPTY,
)
def add(call: Call, image_id: str) -> Reply:
    """Give a queued image the bytes at an address, which stay there."""
    url, validation = call.body
    found = model.get(call.tx, call.caller, image_id)
    registrations.require_queued(found)
    access.require(call, "add_image_location", found.target(call.caller))
    store = registrations.require_possible(found, url, validation, call.context)
    registrations.start(
        call.tx,
        call.context,
        call.caller,
        found,
        url=url,
        validation=validation,
        store=store,
        request_id=call.request_id,
    )
    return Reply(status=202)


@service.get(
    "/v2/images/{image_id}/locations",
    target=access.IMAGE,
    policy="fetch_image_location",
    response=wire.LISTED,
    query=Query({}),
)
def index(call: Call, found: model.Image) -> list[dict[str, Any]]:
    """List where an image's bytes are, for other services."""
    return [location_views.shown(call, row) for row in locations.of(call.tx, found.id)]
