"""Operations on floating ips."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.network.model import floatingips as model
from cumulet.services.network.model import quotas
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.nouns import (
    Body,
    Changeable,
    Listed,
    Seen,
    created,
    listing,
    one,
    owner,
    require,
    show,
    target_of,
)
from cumulet.services.network.service import network as service
from cumulet.services.network.tables import floatingips
from cumulet.services.network.wire.floatingips import FLOATINGIP

NOUN = Noun(FLOATINGIP, floatingips, model.visible, model.bodies)


@service.get("/v2.0/floatingips", target=Listed(NOUN), policy="get_floatingip")
def list_floatingips(call: Call, allowed: bool) -> Body:
    """List floating ips."""
    return listing(call, NOUN, allowed)


@service.get("/v2.0/floatingips/{floatingip_id}", target=Seen(NOUN, "floatingip_id"), policy="get_floatingip")
def show_floatingip(call: Call, row: Row[Any]) -> Body:
    """Show a floating ip."""
    return show(call, NOUN, row)


@service.post("/v2.0/floatingips", status=201, policy_in_handler="create_floatingip", request=dict)
def create_floatingip(call: Call) -> Body:
    """Create a floating ip, and make it lead to a port."""
    given = FLOATINGIP.one(call.body)
    values = FLOATINGIP.accept(given, creating=True)
    project_id = owner(call, given)
    explicit = {name: value for name, value in given.items() if value is not None}
    require(call, NOUN, "create", target_of(NOUN, {**values, "project_id": project_id}, None), explicit)
    quotas.reserve(call.tx, project_id, {"floatingip": 1})
    return created(call, NOUN, [model.create(call.tx, call.caller, project_id, values)], bulk=False)


@service.put(
    "/v2.0/floatingips/{floatingip_id}",
    target=Changeable(NOUN, "floatingip_id", "update"),
    policy="update_floatingip",
    request=dict,
)
def update_floatingip(call: Call, row: Row[Any]) -> Body:
    """Make a floating ip lead to another port, or to none."""
    given = FLOATINGIP.one(call.body)
    model.update(call.tx, call.caller, row, FLOATINGIP.accept(given, creating=False))
    return one(call, NOUN, row.id)


@service.delete(
    "/v2.0/floatingips/{floatingip_id}", target=Changeable(NOUN, "floatingip_id", "delete"), policy="delete_floatingip"
)
def delete_floatingip(call: Call, row: Row[Any]) -> None:
    """Delete a floating ip."""
    model.delete(call.tx, row)
