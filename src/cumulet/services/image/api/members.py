"""Members: projects that a shared image is offered to, and whether they took it."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call
from cumulet.services.image.model import images as model
from cumulet.services.image.model import members
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import members as wire


@service.post("/v2/images/{image_id}/members", request=wire.MemberCreate, policy_in_handler="add_member")
def create(call: Call, image_id: str) -> dict[str, Any]:
    """Offer a shared image to a project."""
    found = model.get(call.tx, call.caller, image_id)
    members.require_shared(found)
    call.require("add_member", found.target(call.caller))
    return wire.shown(members.add(call.tx, found, call.body.member))


@service.get("/v2/images/{image_id}/members", policy_in_handler="get_members")
def index(call: Call, image_id: str) -> dict[str, Any]:
    """List members: all of them for the owner, itself for a member."""
    found = model.get(call.tx, call.caller, image_id)
    members.require_shared(found)
    call.require("get_members", found.target(call.caller))
    listed = members.listed(call.tx, call.caller, found)
    return {"members": [wire.shown(row) for row in listed], "schema": "/v2/schemas/members"}


@service.get("/v2/images/{image_id}/members/{member_id}", policy_in_handler="get_member")
def show(call: Call, image_id: str, member_id: str) -> dict[str, Any]:
    """Show a member."""
    found = model.get(call.tx, call.caller, image_id)
    row = members.get(call.tx, call.caller, found, member_id)
    call.require("get_member", found.target(call.caller))
    return wire.shown(row)


@service.put("/v2/images/{image_id}/members/{member_id}", request=wire.MemberUpdate, policy_in_handler="modify_member")
def update(call: Call, image_id: str, member_id: str) -> dict[str, Any]:
    """Accept or reject an image, as the member it is offered to."""
    found = model.get(call.tx, call.caller, image_id)
    members.get(call.tx, call.caller, found, member_id)
    call.require("modify_member", {**found.target(call.caller), "member_id": member_id})
    return wire.shown(members.set_status(call.tx, found, member_id, call.body.status))


@service.delete("/v2/images/{image_id}/members/{member_id}", policy_in_handler="delete_member")
def delete(call: Call, image_id: str, member_id: str) -> None:
    """Withdraw the offer to a project."""
    found = model.get(call.tx, call.caller, image_id)
    members.require_shared(found)
    call.require("delete_member", found.target(call.caller))
    members.remove(call.tx, found, member_id)
