"""Operations on security groups."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.network.model import quotas
from cumulet.services.network.model import security_groups as model
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
from cumulet.services.network.tables import security_groups
from cumulet.services.network.wire.security_groups import SECURITY_GROUP

NOUN = Noun(SECURITY_GROUP, security_groups, model.visible, model.bodies, filters={"shared": model.by_sharing})


def with_default(call: Call) -> None:
    """The caller's project has its default group: made on the first look, as Neutron does."""
    project_id = call.caller.project_id
    if project_id is None:
        return
    with call.db.read() as tx:
        if model.default_group(tx, project_id) is not None:
            return
    with call.transaction() as tx:
        model.ensure_default(tx, project_id)


@service.get("/v2.0/security-groups", target=Listed(NOUN), policy="get_security_group", transaction="none")
def list_security_groups(call: Call, allowed: bool) -> Body:
    """List security groups."""
    with_default(call)
    with call.reading():
        return listing(call, NOUN, allowed)


@service.get("/v2.0/security-groups/{group_id}", target=Seen(NOUN, "group_id"), policy="get_security_group")
def show_security_group(call: Call, row: Row[Any]) -> Body:
    """Show a security group."""
    return show(call, NOUN, row)


@service.post("/v2.0/security-groups", status=201, policy_in_handler="create_security_group", request=dict)
def create_security_groups(call: Call) -> Body:
    """Create a security group, or several at once."""
    items, bulk = SECURITY_GROUP.many(call.body)
    room(call, NOUN, items)
    plans = []
    for given in items:
        values = SECURITY_GROUP.accept(given, creating=True)
        project_id = owner(call, given)
        require(call, NOUN, "create", target_of(NOUN, {**values, "project_id": project_id}, None), given)
        plans.append((project_id, values))
    for project_id, count in Counter(plan[0] for plan in plans).items():
        model.ensure_default(call.tx, project_id)
        wanted = {"security_group": count, "security_group_rule": 2 * count}
        quotas.reserve(call.tx, project_id, wanted)
    ids = [model.create(call.tx, *plan) for plan in plans]
    return created(call, NOUN, ids, bulk=bulk)


@service.put(
    "/v2.0/security-groups/{group_id}",
    target=Changeable(NOUN, "group_id", "update"),
    policy="update_security_group",
    request=dict,
)
def update_security_group(call: Call, row: Row[Any]) -> Body:
    """Update a security group."""
    given = SECURITY_GROUP.one(call.body)
    model.update(call.tx, row, SECURITY_GROUP.accept(given, creating=False))
    return one(call, NOUN, row.id)


@service.delete(
    "/v2.0/security-groups/{group_id}", target=Changeable(NOUN, "group_id", "delete"), policy="delete_security_group"
)
def delete_security_group(call: Call, row: Row[Any]) -> None:
    """Delete a security group."""
    model.delete(call.tx, row, call.caller)
