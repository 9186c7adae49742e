"""Operations on networks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.network.model import networks as model
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
    room,
    show,
    target_of,
)
from cumulet.services.network.service import network as service
from cumulet.services.network.tables import networks
from cumulet.services.network.wire.networks import NETWORK

NOUN = Noun(NETWORK, networks, model.visible, model.bodies, columns=model.COLUMNS, filters={"status": model.by_status})


@service.get("/v2.0/networks", target=Listed(NOUN), policy="get_network")
def list_networks(call: Call, allowed: bool) -> Body:
    """List networks."""
    return listing(call, NOUN, allowed)


@service.get("/v2.0/networks/{network_id}", target=Seen(NOUN, "network_id"), policy="get_network")
def show_network(call: Call, row: Row[Any]) -> Body:
    """Show a network."""
    return show(call, NOUN, row)


@service.post("/v2.0/networks", status=201, policy_in_handler="create_network", request=dict)
def create_networks(call: Call) -> Body:
    """Create a network, or several at once."""
    items, bulk = NETWORK.many(call.body)
    room(call, NOUN, items)
    plans = []
    for given in items:
        values = NETWORK.accept(given, creating=True)
        project_id = owner(call, given)
        require(call, NOUN, "create", target_of(NOUN, {**values, "project_id": project_id}, None), given)
        plans.append((project_id, values))
    for project_id in {project for project, _ in plans}:
        quotas.reserve(call.tx, project_id, {"network": sum(project == project_id for project, _ in plans)})
    ids = [model.create(call.tx, project_id, values) for project_id, values in plans]
    return created(call, NOUN, ids, bulk=bulk)


@service.put(
    "/v2.0/networks/{network_id}",
    target=Changeable(NOUN, "network_id", "update"),
    policy="update_network",
    request=dict,
)
def update_network(call: Call, row: Row[Any]) -> Body:
    """Update a network."""
    given = NETWORK.one(call.body)
    model.update(call.tx, row, NETWORK.accept(given, creating=False))
    return one(call, NOUN, row.id)


@service.delete("/v2.0/networks/{network_id}", target=Changeable(NOUN, "network_id", "delete"), policy="delete_network")
def delete_network(call: Call, row: Row[Any]) -> None:
    """Delete a network."""
    model.delete(call.tx, row)
