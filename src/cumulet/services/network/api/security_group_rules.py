"""Operations on rules of security groups."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.network.api.security_groups import NOUN as GROUP_NOUN
from cumulet.services.network.api.security_groups import with_default
from cumulet.services.network.model import quotas
from cumulet.services.network.model import security_groups as model
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.nouns import (
    Body,
    Changeable,
    Listed,
    Seen,
    created,
    find,
    listing,
    owner,
    require,
    room,
    show,
    target_of,
)
from cumulet.services.network.service import network as service
from cumulet.services.network.tables import security_group_rules
from cumulet.services.network.wire.security_groups import SECURITY_GROUP_RULE, check_rule

NOUN = Noun(
    SECURITY_GROUP_RULE,
    security_group_rules,
    model.rules_visible,
    model.rule_bodies,
    model.group_of_rules,
    columns={"normalized_cidr": "remote_ip_prefix"},
)


@service.get("/v2.0/security-group-rules", target=Listed(NOUN), policy="get_security_group_rule", transaction="none")
def list_security_group_rules(call: Call, allowed: bool) -> Body:
    """List rules of security groups."""
    with_default(call)
    with call.reading():
        return listing(call, NOUN, allowed)


@service.get("/v2.0/security-group-rules/{rule_id}", target=Seen(NOUN, "rule_id"), policy="get_security_group_rule")
def show_security_group_rule(call: Call, row: Row[Any]) -> Body:
    """Show a rule of a security group."""
    return show(call, NOUN, row)


@service.post("/v2.0/security-group-rules", status=201, policy_in_handler="create_security_group_rule", request=dict)
def create_security_group_rules(call: Call) -> Body:
    """Create a rule of a security group, or several at once."""
    items, bulk = SECURITY_GROUP_RULE.many(call.body)
    room(call, NOUN, items)
    plans = [_plan(call, given) for given in items]
    projects = {project_id for project_id, _ in plans}
    ids: dict[int, str] = {}
    for project_id in projects:
        own = [index for index, plan in enumerate(plans) if plan[0] == project_id]
        quotas.reserve(call.tx, project_id, {"security_group_rule": len(own)})
        made = model.create_rules(call.tx, project_id, [plans[index][1] for index in own])
        ids.update(zip(own, made, strict=True))
    return created(call, NOUN, [ids[index] for index in range(len(plans))], bulk=bulk)


def _plan(call: Call, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A rule belongs to the project of its group, whoever makes it. Raises 400 for a project not the caller's."""
    values = SECURITY_GROUP_RULE.accept(given, creating=True)
    check_rule(values)
    group = find(call, GROUP_NOUN, values["security_group_id"])
    if given.get("project_id") or given.get("tenant_id"):
        owner(call, given)
    require(call, NOUN, "create", target_of(NOUN, {**values, "project_id": group.project_id}, None), given)
    if values["remote_group_id"]:
        model.existing(call.tx, call.caller, [values["remote_group_id"]])
    return group.project_id, values


@service.delete(
    "/v2.0/security-group-rules/{rule_id}",
    target=Changeable(NOUN, "rule_id", "delete"),
    policy="delete_security_group_rule",
)
def delete_security_group_rule(call: Call, row: Row[Any]) -> None:
    """Delete a rule of a security group."""
    model.delete_rule(call.tx, row)
