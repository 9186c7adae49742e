"""Operations on floating ips."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.services.network.model import floatingips as model
from cumulet.services.network.model import quotas
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.nouns import (
    Body,
    changeable,
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


@service.get("/v2.0/floatingips", policy_in_handler="get_floatingip")
def list_floatingips(call: Call) -> Body:
    """List floating ips."""
    return listing(call, NOUN)


@service.get("/v2.0/floatingips/{floatingip_id}", policy_in_handler="get_floatingip")
def show_floatingip(call: Call, floatingip_id: str) -> Body:
    """Show a floating ip."""
    return show(call, NOUN, floatingip_id)


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


@service.put("/v2.0/floatingips/{floatingip_id}", policy_in_handler="update_floatingip", request=dict)
def update_floatingip(call: Call, floatingip_id: str) -> Body:
    """Make a floating ip lead to another port, or to none."""
    given = FLOATINGIP.one(call.body)
    row = changeable(call, NOUN, floatingip_id, "update", given)
    model.update(call.tx, call.caller, row, FLOATINGIP.accept(given, creating=False))
    return one(call, NOUN, floatingip_id)


@service.delete("/v2.0/floatingips/{floatingip_id}", policy_in_handler="delete_floatingip")
def delete_floatingip(call: Call, floatingip_id: str) -> None:
    """Delete a floating ip."""
    model.delete(call.tx, changeable(call, NOUN, floatingip_id, "delete"))
