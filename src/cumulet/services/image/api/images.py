"""Images: create, list, show, update, delete, deactivate and reactivate."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from cumulet.http.call import Call, Reply
from cumulet.http.faults import NotAllowed, UnsupportedMedia
from cumulet.services.image.model import filters, patches
from cumulet.services.image.model import images as model
from cumulet.services.image.service import image as service
from cumulet.services.image.states import ACTIVE, DEACTIVATED
from cumulet.services.image.wire import images as wire

PATCH_TYPES = ("application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch")


@service.post("/v2/images", status=201, request=dict, policy_in_handler="add_image")
def create(call: Call) -> Reply:
    """Create an image record; its bytes come afterwards."""
    image_id, columns, tags = wire.created(call.body)
    owner = columns.setdefault("owner", call.caller.project_id)
    columns.setdefault("visibility", "shared")
    if owner != call.caller.project_id and not call.caller.is_admin:
        raise NotAllowed(f"You are not permitted to create images owned by '{owner}'.")
    call.require("add_image", {"project_id": owner, "owner": owner, "visibility": columns["visibility"]})
    require_visibility(call, columns["visibility"], {"project_id": owner, "owner": owner})
    made = model.create(call.tx, image_id or str(uuid.uuid4()), columns, tags)
    return Reply(wire.shown(made), headers={"Location": f"{call.base_url}/v2/images/{made.id}"})


def require_visibility(call: Call, visibility: str, target: dict[str, Any]) -> None:
    """Raise 403 unless the caller may make an image public, or community."""
    rule = {"public": "publicize_image", "community": "communitize_image"}.get(visibility)
    if rule is not None:
        call.require(rule, target)


@service.get("/v2/images", policy="get_images")
def index(call: Call) -> dict[str, Any]:
    """List images that the caller sees, newest first unless asked otherwise."""
    wanted = filters.parse(call.query)
    found = filters.listed(call.tx, call.caller, wanted)
    rest = [(name, value) for name, values in call.query.items() for value in values if name != "marker"]
    path = "/v2/images"
    body = {
        "images": [wire.shown(image) for image in found],
        "first": f"{path}?{urlencode(rest)}" if rest else path,
        "schema": "/v2/schemas/images",
    }
    if found and len(found) == wanted.page.limit:
        body["next"] = f"{path}?{urlencode([*rest, ('marker', found[-1].id)])}"
    return body


@service.get("/v2/images/{image_id}", policy_in_handler="get_image")
def show(call: Call, image_id: str) -> dict[str, Any]:
    """Show an image."""
    found = model.get(call.tx, call.caller, image_id)
    call.require("get_image", found.target(call.caller))
    return wire.shown(found)


@service.patch("/v2/images/{image_id}", request=list, policy_in_handler="modify_image")
def update(call: Call, image_id: str) -> dict[str, Any]:
    """Change attributes, tags and properties with a JSON patch."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in PATCH_TYPES:
        accepted = ", ".join(PATCH_TYPES)
        raise UnsupportedMedia("Unsupported Media Type", headers={"Accept-Patch": accepted})
    changes = patches.parse(call.body)
    found = model.get(call.tx, call.caller, image_id)
    target = found.target(call.caller)
    call.require("modify_image", target)
    outcome = patches.apply(found, changes, is_admin=call.caller.is_admin)
    if outcome.visibility != found.row.visibility:
        require_visibility(call, outcome.visibility, target)
    return wire.shown(patches.save(call.tx, call.caller, found, outcome))


@service.delete("/v2/images/{image_id}", policy_in_handler="delete_image")
def delete(call: Call, image_id: str) -> None:
    """Delete an image and its bytes."""
    found = model.get(call.tx, call.caller, image_id)
    call.require("delete_image", found.target(call.caller))
    model.delete(call.tx, found, call.context)


@service.post("/v2/images/{image_id}/actions/deactivate", status=204, policy_in_handler="deactivate")
def deactivate(call: Call, image_id: str) -> None:
    """Refuse downloads of the image to everyone but admins."""
    found = model.get(call.tx, call.caller, image_id)
    call.require("deactivate", found.target(call.caller))
    model.switch(call.tx, found, DEACTIVATED)


@service.post("/v2/images/{image_id}/actions/reactivate", status=204, policy_in_handler="reactivate")
def reactivate(call: Call, image_id: str) -> None:
    """Allow downloads of the image again."""
    found = model.get(call.tx, call.caller, image_id)
    call.require("reactivate", found.target(call.caller))
    model.switch(call.tx, found, ACTIVE)
