"""Registered limits: list, create several, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.model import registered_limits as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import limits as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import given

_FIELDS = ("service_id", "region_id", "resource_name", "default_limit", "description")


@identity.get(
    "/v3/registered_limits",
    policy="identity:list_registered_limits",
    response=listed("registered_limits", wire.REGISTERED_LIMIT),
    query=wire.REGISTERED_QUERY,
)
def browse(call: Call) -> Any:
    """List registered limits."""
    return collection(call, "registered_limits", model.browse(call.tx, call.query), wire.shown_registered)


@identity.post(
    "/v3/registered_limits",
    policy="identity:create_registered_limits",
    request=wire.RegisteredLimitsCreateRequest,
    status=201,
    response=under("registered_limits", [wire.REGISTERED_LIMIT]),
)
def create(call: Call) -> Any:
    """Create registered limits, all or none."""
    made = model.create(call.tx, [given(each, *_FIELDS) for each in call.body.registered_limits])
    return {"registered_limits": [wire.shown_registered(call, row) for row in made]}


@identity.get(
    "/v3/registered_limits/{registered_limit_id}",
    policy="identity:get_registered_limit",
    response=under("registered_limit", wire.REGISTERED_LIMIT),
)
def show(call: Call, registered_limit_id: str) -> Any:
    """Show a registered limit."""
    return {"registered_limit": wire.shown_registered(call, model.get(call.tx, registered_limit_id))}


@identity.patch(
    "/v3/registered_limits/{registered_limit_id}",
    policy="identity:update_registered_limit",
    request=wire.RegisteredLimitUpdateRequest,
    response=under("registered_limit", wire.REGISTERED_LIMIT),
)
def update(call: Call, registered_limit_id: str) -> Any:
    """Update a registered limit that no limit refers to."""
    row = model.update(call.tx, registered_limit_id, given(call.body.registered_limit, *_FIELDS))
    return {"registered_limit": wire.shown_registered(call, row)}


@identity.delete("/v3/registered_limits/{registered_limit_id}", policy="identity:delete_registered_limit")
def delete(call: Call, registered_limit_id: str) -> None:
    """Delete a registered limit that no limit refers to."""
    model.delete(call.tx, registered_limit_id)
