"""One store's copy of an image."""

from __future__ import annotations

from cumulet.http.call import Call
from cumulet.http.faults import Conflict
from cumulet.services.image.api import access
from cumulet.services.image.model import images as model
from cumulet.services.image.model import locations
from cumulet.services.image.service import image as service


@service.delete("/v2/stores/{store_id}/{image_id}", policy_in_handler="delete_image_location")
def delete_from_store(call: Call, store_id: str, image_id: str) -> None:
    """Remove an image's bytes from one of the stores that hold them; never from the last one."""
    if call.context.stores.find(store_id) is None:
        raise Conflict(f"The selected store {store_id} is not available on this node.")
    found = model.get(call.tx, call.caller, image_id, missing="Failed to find image {}")
    for rule in ("get_image_location", "delete_image_location"):
        access.require(call, rule, found.target(call.caller))
    locations.remove_from_store(call.tx, call.context.stores, found.row, store_id)
