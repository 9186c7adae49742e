"""Members: projects that a shared image is offered to, and whether they took it."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Query
from cumulet.http.call import Call
from cumulet.http.faults import NotAllowed, NotFound
from cumulet.services.image.api import access
from cumulet.services.image.model import images as model
from cumulet.services.image.model import members
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import members as wire

_PATH = "/v2/images/{image_id}/members"
_ONE = _PATH + "/{member_id}"
_ONLY_SHARED = "Only shared images have members."


def _found(call: Call, image_id: str) -> model.Image:
    """The image, when the caller sees it. Raises 404."""
    found = model.get(call.tx, call.caller, image_id, missing="Image {} not found.")
    access.require(call, "get_image", found.target(call.caller))
    return found


def _shared(call: Call, image_id: str, verb: str) -> model.Image:
    """The image, when it can have members. Raises 403 and 404."""
    found = _found(call, image_id)
    if not members.possible(found):
        raise NotAllowed(f"Not allowed to {verb} members for image {image_id}.", code="HTTPForbidden")
    return found


@service.post(_PATH, request=wire.MemberCreate, policy_in_handler="add_member", response=wire.SHOWN)
def create(call: Call, image_id: str) -> dict[str, Any]:
    """Offer a shared image to a project."""
    project_id = call.body.named()
    found = _shared(call, image_id, "create")
    call.require("add_member", found.target(call.caller))
    return wire.shown(members.add(call.tx, found, project_id))


@service.get(_PATH, policy_in_handler="get_members", response=wire.LISTED, query=Query({}))
def index(call: Call, image_id: str) -> dict[str, Any]:
    """List members: all of them for the owner, itself for a member."""
    found = _found(call, image_id)
    if not members.possible(found):
        raise NotAllowed(f"Not allowed to list members for image {image_id}: {_ONLY_SHARED}", code="HTTPForbidden")
    target = found.target(call.caller)
    call.require("get_members", target)
    listed = members.listed(call.tx, call.caller, found) if call.allows("get_member", target) else []
    return {"members": [wire.shown(row) for row in listed], "schema": "/v2/schemas/members"}


@service.get(_ONE, policy_in_handler="get_member", response=wire.SHOWN)
def show(call: Call, image_id: str, member_id: str) -> dict[str, Any]:
    """Show a member; whoever may not is told that there is none."""
    found = _found(call, image_id)
    if not members.possible(found):
        raise NotFound(_ONLY_SHARED)
    if not call.allows("get_member", found.target(call.caller)):
        raise members.not_found(found, member_id)
    return wire.shown(members.get(call.tx, call.caller, found, member_id))


@service.put(_ONE, request=wire.MemberUpdate, policy_in_handler="modify_member", response=wire.SHOWN)
def update(call: Call, image_id: str, member_id: str) -> dict[str, Any]:
    """Accept or reject an image, as the member it is offered to."""
    status = call.body.said()
    found = _shared(call, image_id, "update")
    target = found.target(call.caller)
    call.require("get_member", target)
    members.get(call.tx, call.caller, found, member_id)
    call.require("modify_member", target)
    return wire.shown(members.set_status(call.tx, found, member_id, wire.chosen(status)))


@service.delete(_ONE, policy_in_handler="delete_member")
def delete(call: Call, image_id: str, member_id: str) -> None:
    """Withdraw the offer to a project."""
    found = _shared(call, image_id, "delete")
    target = found.target(call.caller)
    call.require("get_member", target)
    members.get(call.tx, call.caller, found, member_id)
    call.require("delete_member", target)
    members.remove(call.tx, found, member_id)
