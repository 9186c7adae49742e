"""Operations on subnets."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.network.api.networks import NOUN as NETWORK_NOUN
from cumulet.services.network.model import networks, quotas
from cumulet.services.network.model import subnets as model
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
from cumulet.services.network.tables import subnets
from cumulet.services.network.wire.subnets import SUBNET

NOUN = Noun(SUBNET, subnets, model.visible, model.bodies, networks.parents, filters={"subnetpool_id": model.by_pool})


@service.get("/v2.0/subnets", target=Listed(NOUN), policy="get_subnet")
def list_subnets(call: Call, allowed: bool) -> Body:
    """List subnets."""
    return listing(call, NOUN, allowed)


@service.get("/v2.0/subnets/{subnet_id}", target=Seen(NOUN, "subnet_id"), policy="get_subnet")
def show_subnet(call: Call, row: Row[Any]) -> Body:
    """Show a subnet."""
    return show(call, NOUN, row)


@service.post("/v2.0/subnets", status=201, policy_in_handler="create_subnet", request=dict)
def create_subnets(call: Call) -> Body:
    """Create a subnet, or several at once."""
    items, bulk = SUBNET.many(call.body)
    room(call, NOUN, items)
    plans = []
    for given in items:
        values = SUBNET.accept(given, creating=True)
        project_id = owner(call, given)
        network = find(call, NETWORK_NOUN, values["network_id"])
        target = target_of(NOUN, {**values, "project_id": project_id}, networks.parent(network))
        require(call, NOUN, "create", target, given)
        plans.append((project_id, network, values))
    for project_id, count in Counter(plan[0] for plan in plans).items():
        quotas.reserve(call.tx, project_id, {"subnet": count})
    ids = [model.create(call.tx, *plan) for plan in plans]
    return created(call, NOUN, ids, bulk=bulk)


@service.put(
    "/v2.0/subnets/{subnet_id}", target=Changeable(NOUN, "subnet_id", "update"), policy="update_subnet", request=dict
)
def update_subnet(call: Call, row: Row[Any]) -> Body:
    """Update a subnet."""
    given = SUBNET.one(call.body)
    model.update(call.tx, row, networks.by_id(call.tx, row.network_id), SUBNET.accept(given, creating=False))
    return one(call, NOUN, row.id)


@service.delete("/v2.0/subnets/{subnet_id}", target=Changeable(NOUN, "subnet_id", "delete"), policy="delete_subnet")
def delete_subnet(call: Call, row: Row[Any]) -> None:
    """Delete a subnet."""
    model.delete(call.tx, row, networks.by_id(call.tx, row.network_id))
