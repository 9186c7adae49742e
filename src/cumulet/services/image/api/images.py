"""Images: create, list, show, update, delete, deactivate and reactivate."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from cumulet.auth import Forbidden
from cumulet.db import Transaction
from cumulet.http.call import Call, Reply
from cumulet.http.faults import NotAllowed, UnsupportedMedia
from cumulet.services.image.api import access, location_views
from cumulet.services.image.model import filters, imports, patches, quota
from cumulet.services.image.model import images as model
from cumulet.services.image.model.protections import Guard
from cumulet.services.image.service import image as service
from cumulet.services.image.states import ACTIVE, DEACTIVATED
from cumulet.services.image.wire import images as wire
from cumulet.services.image.wire import pages
from cumulet.services.image.wire import patches as patch_wire
from cumulet.services.image.wire.patches import Change


def guard(call: Call) -> Guard:
    """Property protections as they stand for the caller."""
    return Guard(call.context.protections, call.caller, call.allows)


def views(call: Call, tx: Transaction, found: Sequence[model.Image]) -> list[dict[str, Any]]:
    """Images as this caller sees them: without the properties and the locations that are not for it."""
    properties = guard(call)
    located = location_views.visible(call, tx, found)
    shown = [wire.shown(one, properties.readable(one.row.properties), located.get(one.id, ())) for one in found]
    for made in shown:
        if "stores" in made:
            made["stores"] = call.context.stores.by_weight(made["stores"])
    return shown


def view(call: Call, tx: Transaction, found: model.Image) -> dict[str, Any]:
    """One image as this caller sees it."""
    return views(call, tx, [found])[0]


@service.post("/v2/images", status=201, request=wire.CREATION, policy_in_handler="add_image", response=wire.SHOWN)
def create(call: Call) -> Reply:
    """Create an image record; its bytes come afterwards."""
    draft: wire.Draft = call.body
    columns = {"owner": call.caller.project_id, "visibility": "shared", **draft.columns}
    _require_creation(call, columns["owner"], columns["visibility"])
    rules = guard(call)
    for name in draft.properties:
        rules.require("create", name)
    quota.require(call.tx, call.context, call.caller.project_id, **{quota.COUNT: 1})
    image_id = draft.id or str(uuid.uuid4())
    made = model.create(call.tx, image_id, {**columns, "properties": draft.properties}, draft.tags)
    headers = {
        "Location": f"{call.base_url}/v2/images/{made.id}",
        "OpenStack-image-import-methods": ",".join(imports.METHODS),
        "OpenStack-image-store-ids": ",".join(store.id for store in call.context.stores),
    }
    return Reply(view(call, call.tx, made), headers=headers)


def _require_creation(call: Call, owner: str | None, visibility: str) -> None:
    target = {"project_id": owner, "owner": owner, "visibility": visibility}
    try:
        call.require("add_image", target)
    except Forbidden:
        if owner == call.caller.project_id:
            raise
        message = f"You are not permitted to create images owned by '{owner}'"
        raise NotAllowed(message, code="HTTPForbidden") from None
    require_visibility(call, visibility, target)


def require_visibility(call: Call, visibility: str, target: dict[str, Any]) -> None:
    """Raise 403 unless the caller may make an image public, or community."""
    rule = {"public": "publicize_image", "community": "communitize_image"}.get(visibility)
    if rule is not None:
        call.require(rule, target)


@service.get("/v2/images", policy="get_images", response=pages.listed("images", wire.SHOWN), query=wire.QUERY)
def index(call: Call) -> dict[str, Any]:
    """List images that the caller sees, newest first unless asked otherwise."""
    wanted = filters.parse(call.query)
    listed = filters.listed(call.tx, guard(call), wanted)
    found = [one for one in listed if call.allows("get_image", one.target(call.caller))]
    full = found and len(listed) == wanted.page.limit
    return {
        "images": views(call, call.tx, found),
        "schema": "/v2/schemas/images",
        **pages.links("/v2/images", call.query, found[-1].id if full else None),
    }


@service.get("/v2/images/{image_id}", target=access.IMAGE, policy="get_image", response=wire.SHOWN)
def show(call: Call, found: model.Image) -> dict[str, Any]:
    """Show an image."""
    return view(call, call.tx, found)


@service.patch(
    "/v2/images/{image_id}",
    request=patch_wire.PATCH,
    transaction="none",
    policy_in_handler="modify_image",
    response=wire.SHOWN,
    consumes=patch_wire.MEDIA_TYPES,
)
def update(call: Call, image_id: str) -> dict[str, Any]:
    """Change attributes, tags, properties and locations with a JSON patch."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in patch_wire.MEDIA_TYPES:
        accepted = ", ".join(patch_wire.MEDIA_TYPES)
        raise UnsupportedMedia(
            f"Image PATCH expects Content-Type one of: {accepted}", headers={"Accept-Patch": accepted}
        )
    changes = patch_wire.parse(call.body, kind)
    sizes = location_views.sizes(call, image_id, changes)
    with call.transaction() as tx:
        found = model.get(tx, call.caller, image_id)
        _require_changes(call, found, changes)
        outcome = patches.apply(found, [one for one in changes if one.name != "locations"], guard(call))
        moved = location_views.apply(call, tx, found, changes, sizes)
        saved = patches.save(tx, found, outcome, moved)
        return view(call, tx, saved)


def _require_changes(call: Call, found: model.Image, changes: Sequence[Change]) -> None:
    """Raise 403 or 404 unless policy allows each change."""
    target = found.target(call.caller)
    if not changes:
        access.require(call, "get_image", target)
    for change in changes:
        if change.name == "locations":
            rule = "delete_image_location" if change.op == "remove" else "set_image_location"
            access.require(call, rule, target)
            continue
        if change.name == "visibility" and change.op != "remove":
            require_visibility(call, change.value, target)
        access.require(call, "modify_image", target)


@service.delete("/v2/images/{image_id}", target=access.Of("Failed to find image {} to delete"), policy="delete_image")
def delete(call: Call, found: model.Image) -> None:
    """Delete an image and its bytes."""
    model.delete(call.tx, found, call.context)


@service.post(
    "/v2/images/{image_id}/actions/deactivate",
    status=204,
    target=access.Of("Failed to find image {} to deactivate"),
    policy="deactivate",
)
def deactivate(call: Call, found: model.Image) -> None:
    """Refuse downloads of the image to everyone but admins."""
    model.switch(call.tx, found, DEACTIVATED)


@service.post(
    "/v2/images/{image_id}/actions/reactivate",
    status=204,
    target=access.Of("Failed to find image {} to reactivate"),
    policy="reactivate",
)
def reactivate(call: Call, found: model.Image) -> None:
    """Allow downloads of the image again."""
    model.switch(call.tx, found, ACTIVE)
