"""Operations on rules of security groups. A rule is never changed: another one takes its place."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.services.network.api.security_groups import NOUN as GROUP
from cumulet.services.network.api.security_groups import with_default
from cumulet.services.network.bodies import Created, Creation, Filters, ShownList
from cumulet.services.network.crud import crud
from cumulet.services.network.extension import Body
from cumulet.services.network.model import quotas
from cumulet.services.network.model import security_group_rules as model
from cumulet.services.network.model.port_groups import existing
from cumulet.services.network.nouns import Listed, created, find, listing, owner, require, room, target_of
from cumulet.services.network.service import network as service
from cumulet.services.network.wire.security_groups import check_rule

NOUN = model.NOUN

crud(service, NOUN, model, but="list create update")


@service.get(
    "/v2.0/security-group-rules",
    target=Listed(NOUN),
    policy="get_security_group_rule",
    transaction="none",
    response=ShownList(NOUN),
    query=Filters(NOUN),
)
def list_security_group_rules(call: Call, allowed: bool) -> Body:
    """List rules of security groups."""
    with_default(call)
    with call.reading():
        return listing(call, NOUN, allowed)


@service.post(
    "/v2.0/security-group-rules",
    status=201,
    policy_in_handler="create_security_group_rule",
    request=Creation(NOUN),
    response=Created(NOUN),
)
def create_security_group_rules(call: Call) -> Body:
    """Create a rule of a security group, or several at once."""
    items, bulk = call.body
    room(call, NOUN, items)
    plans = [_plan(call, given) for given in items]
    projects = {project_id for project_id, _ in plans}
    ids: dict[int, str] = {}
    for project_id in projects:
        own = [index for index, plan in enumerate(plans) if plan[0] == project_id]
        quotas.reserve(call.tx, project_id, {"security_group_rule": len(own)})
        made = model.create_all(call.tx, project_id, [plans[index][1] for index in own])
        ids.update(zip(own, made, strict=True))
    return created(call, NOUN, [ids[index] for index in range(len(plans))], bulk=bulk)


def _plan(call: Call, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A rule belongs to the project of its group, whoever makes it. Raises 400 for a project not the caller's."""
    values = NOUN.resource.accept(given, creating=True)
    check_rule(values)
    group = find(call, GROUP, values["security_group_id"])
    if given.get("project_id") or given.get("tenant_id"):
        owner(call, given)
    require(call, NOUN, "create", target_of(NOUN, {**values, "project_id": group.project_id}, None), given)
    if values["remote_group_id"]:
        existing(call.tx, call.caller, [values["remote_group_id"]])
    return group.project_id, values
