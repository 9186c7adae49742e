"""Groups: list, create, show, update, delete, and their users."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.identity.api.directories import FRESH_GROUP, FRESH_GROUPS, check_new, check_ours, fresh
from cumulet.services.identity.api.targets import GROUP, KNOWN_GROUP, narrowed, own_domain, target
from cumulet.services.identity.model import groups as model
from cumulet.services.identity.model import lookups, users
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import groups as wire
from cumulet.services.identity.wire import users as user_wire
from cumulet.services.identity.wire.collections import collection
from cumulet.services.identity.wire.fields import extra, given


@identity.get("/v3/groups", target=FRESH_GROUPS, policy="identity:list_groups")
def browse(call: Call, domain_id: str | None) -> Any:
    """List groups."""
    return collection(call, "groups", model.browse(call.tx, call.query, domain_id), wire.shown)


@identity.post("/v3/groups", policy_in_handler="identity:create_group", request=wire.GroupCreateRequest, status=201)
def create(call: Call) -> Any:
    """Create a group."""
    fields = given(call.body.group, "name", "domain_id", "description")
    fields.setdefault("domain_id", own_domain(call))
    call.require("identity:create_group", {f"target.group.{name}": fields[name] for name in fields if fields[name]})
    fields["extra"] = extra(wire.GroupCreate, call.raw["group"])
    check_new(call, call.tx, fields["domain_id"])
    return {"group": wire.shown(call, model.create(call.tx, fields))}


@identity.get("/v3/groups/{group_id}", target=FRESH_GROUP, policy="identity:get_group")
def show(call: Call, group: Row[Any]) -> Any:
    """Show a group."""
    return {"group": wire.shown(call, group)}


@identity.patch("/v3/groups/{group_id}", target=GROUP, policy="identity:update_group", request=wire.GroupUpdateRequest)
def update(call: Call, group: Row[Any]) -> Any:
    """Update a group."""
    check_ours(group)
    fields = given(call.body.group, "name", "domain_id", "description")
    fields["extra"] = group.extra | extra(wire.GroupUpdate, call.raw["group"])
    return {"group": wire.shown(call, model.update(call.tx, group, fields))}


@identity.delete("/v3/groups/{group_id}", target=KNOWN_GROUP, policy="identity:delete_group")
def delete(call: Call, group: Row[Any]) -> None:
    """Delete a group."""
    check_ours(group)
    model.delete(call.tx, group.id)


@identity.get("/v3/groups/{group_id}/users", target=FRESH_GROUP, policy="identity:list_users_in_group")
def browse_users(call: Call, group: Row[Any]) -> Any:
    """List the users in a group."""
    return collection(call, "users", users.browse(call.tx, call.query, narrowed(call), group.id), user_wire.shown)


@identity.put("/v3/groups/{group_id}/users/{user_id}", policy_in_handler="identity:add_user_to_group", status=204)
def add_user(call: Call, group_id: str, user_id: str) -> None:
    """Add a user to a group."""
    check_ours(_both(call, "identity:add_user_to_group", group_id, user_id))
    model.add(call.tx, group_id, user_id)


@identity.get(
    "/v3/groups/{group_id}/users/{user_id}",
    policy_in_handler="identity:check_user_in_group",
    status=204,
    transaction="none",
)
@fresh("user", "identity:check_user_in_group")
def check_user(call: Call, group_id: str, user_id: str) -> None:
    """Check whether a user is in a group."""
    _both(call, "identity:check_user_in_group", group_id, user_id)
    if not model.contains(call.tx, group_id, user_id):
        raise model.not_in(group_id, user_id)


@identity.delete("/v3/groups/{group_id}/users/{user_id}", policy_in_handler="identity:remove_user_from_group")
def remove_user(call: Call, group_id: str, user_id: str) -> None:
    """Remove a user from a group."""
    check_ours(_both(call, "identity:remove_user_from_group", group_id, user_id))
    model.remove(call.tx, group_id, user_id)


def _both(call: Call, rule: str, group_id: str, user_id: str) -> Any:
    """The group, when the caller passes `rule` on it and the user. Raises 403, 404."""
    group = lookups.find(call.tx, "group", group_id)
    user = lookups.find(call.tx, "user", user_id)
    call.require(rule, {**target("group", group), **target("user", user)})
    if group is None or user is None:
        raise lookups.missing("group", group_id) if group is None else lookups.missing("user", user_id)
    return group
