"""Operations on ports."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.network.api.networks import NOUN as NETWORK_NOUN
from cumulet.services.network.model import networks, port_filters, quotas
from cumulet.services.network.model import ports as model
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.nouns import (
    Body,
    Changeable,
    Listed,
    Seen,
    created,
    find,
    listing,
    one,
    owner,
    require,
    room,
    show,
    target_of,
)
from cumulet.services.network.service import network as service
from cumulet.services.network.tables import ports
from cumulet.services.network.wire.ports import PORT

NOUN = Noun(
    PORT,
    ports,
    model.visible,
    model.bodies,
    networks.parents,
    columns={"binding:host_id": "host", "binding:vnic_type": "vnic_type"},
    filters=port_filters.FILTERS,
)


@service.get("/v2.0/ports", target=Listed(NOUN), policy="get_port")
def list_ports(call: Call, allowed: bool) -> Body:
    """List ports."""
    return listing(call, NOUN, allowed)


@service.get("/v2.0/ports/{port_id}", target=Seen(NOUN, "port_id"), policy="get_port")
def show_port(call: Call, row: Row[Any]) -> Body:
    """Show a port."""
    return show(call, NOUN, row)


@service.post("/v2.0/ports", status=201, policy_in_handler="create_port", request=dict, body_limit=1 << 20)
def create_ports(call: Call) -> Body:
    """Create a port, or several at once."""
    items, bulk = PORT.many(call.body)
    room(call, NOUN, items)
    plans = []
    for given in items:
        values = PORT.accept(given, creating=True)
        project_id = owner(call, given)
        network = find(call, NETWORK_NOUN, values["network_id"])
        target = target_of(NOUN, {**values, "project_id": project_id}, networks.parent(network))
        require(call, NOUN, "create", target, given)
        plans.append((project_id, network, values))
    for project_id, count in Counter(plan[0] for plan in plans).items():
        quotas.reserve(call.tx, project_id, {"port": count})
    ids = [model.create(call.tx, call.caller, *plan).id for plan in plans]
    return created(call, NOUN, ids, bulk=bulk)


@service.put("/v2.0/ports/{port_id}", target=Changeable(NOUN, "port_id", "update"), policy="update_port", request=dict)
def update_port(call: Call, row: Row[Any]) -> Body:
    """Update a port."""
    given = PORT.one(call.body)
    model.update(call.tx, call.caller, row, PORT.accept(given, creating=False))
    return one(call, NOUN, row.id)


@service.delete("/v2.0/ports/{port_id}", target=Changeable(NOUN, "port_id", "delete"), policy="delete_port")
def delete_port(call: Call, row: Row[Any]) -> None:
    """Delete a port."""
    model.delete(call.tx, row)
