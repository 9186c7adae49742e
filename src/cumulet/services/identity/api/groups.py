"""Groups: list, create, show, update, delete, and their users."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.directories import FRESH_GROUP, FRESH_GROUPS, check_new, check_ours, refresh
from cumulet.services.identity.api.targets import GROUP, KNOWN_GROUP, By, narrowed, own_domain, target
from cumulet.services.identity.model import groups as model
from cumulet.services.identity.model import lookups, users
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import GroupRow, UserRow
from cumulet.services.identity.wire import groups as wire
from cumulet.services.identity.wire import users as user_wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

Both = tuple[GroupRow, UserRow]


@identity.get(
    "/v3/groups",
    target=FRESH_GROUPS,
    policy="identity:list_groups",
    response=listed("groups", wire.GROUP),
    query=wire.QUERY,
)
def browse(call: Call, domain_id: str | None) -> Any:
    """List groups."""
    return collection(call, "groups", model.browse(call.tx, call.query, domain_id), wire.shown)


@identity.post(
    "/v3/groups",
    policy_in_handler="identity:create_group",
    request=wire.GroupCreateRequest,
    status=201,
    response=under("group", wire.GROUP),
)
def create(call: Call) -> Any:
    """Create a group."""
    fields = given(call.body.group, "name", "domain_id", "description")
    fields.setdefault("domain_id", own_domain(call))
    call.require("identity:create_group", {f"target.group.{name}": fields[name] for name in fields if fields[name]})
    fields["extra"] = extra(wire.GroupCreate, call.raw["group"])
    check_new(call, call.tx, fields["domain_id"])
    return {"group": wire.shown(call, model.create(call.tx, fields))}


@identity.get(
    "/v3/groups/{group_id}", target=FRESH_GROUP, policy="identity:get_group", response=under("group", wire.GROUP)
)
def show(call: Call, group: GroupRow) -> Any:
    """Show a group."""
    return {"group": wire.shown(call, group)}


@identity.patch(
    "/v3/groups/{group_id}",
    target=GROUP,
    policy="identity:update_group",
    request=wire.GroupUpdateRequest,
    response=under("group", wire.GROUP),
)
def update(call: Call, group: GroupRow) -> Any:
    """Update a group."""
    check_ours(group)
    fields = given(call.body.group, "name", "domain_id", "description")
    fields["extra"] = group.extra | extra(wire.GroupUpdate, call.raw["group"])
    return {"group": wire.shown(call, model.update(call.tx, group, fields))}


@identity.delete("/v3/groups/{group_id}", target=KNOWN_GROUP, policy="identity:delete_group")
def delete(call: Call, group: GroupRow) -> None:
    """Delete a group."""
    check_ours(group)
    model.delete(call.tx, group.id)


@identity.get(
    "/v3/groups/{group_id}/users",
    target=FRESH_GROUP,
    policy="identity:list_users_in_group",
    response=listed("users", user_wire.USER),
    query=user_wire.QUERY,
)
def browse_users(call: Call, group: GroupRow) -> Any:
    """List the users in a group."""
    return collection(call, "users", users.browse(call.tx, call.query, narrowed(call), group.id), user_wire.shown)


def _both(call: Call, rule: str, group_id: str, user_id: str) -> Both:
    """The group and the user, when the caller passes `rule` on both. Raises 403, 404."""
    group = lookups.find(call.tx, GroupRow, group_id)
    user = lookups.find(call.tx, UserRow, user_id)
    call.require(rule, {**target("group", group), **target("user", user)})
    if group is None or user is None:
        raise lookups.missing("group", group_id) if group is None else lookups.missing("user", user_id)
    return group, user


class _Fresh(By):
    """The user's directory is asked before who is in the group."""

    def ahead(self, call: Call) -> None:
        """See `Target`."""
        refresh(call, "user")


_MEMBER = "/v3/groups/{group_id}/users/{user_id}"
_BOTH = By(("group_id", "user_id"), _both)
_FRESH_BOTH = _Fresh(_BOTH.params, _both)


@identity.put(_MEMBER, target=_BOTH, policy="identity:add_user_to_group", status=204)
def add_user(call: Call, both: Both) -> None:
    """Add a user to a group."""
    group, user = both
    check_ours(group)
    model.add(call.tx, group.id, user.id)


@identity.get(_MEMBER, target=_FRESH_BOTH, policy="identity:check_user_in_group", status=204)
def check_user(call: Call, both: Both) -> None:
    """Check whether a user is in a group."""
    group, user = both
    if not model.contains(call.tx, group.id, user.id):
        raise model.not_in(group.id, user.id)


@identity.delete(_MEMBER, target=_BOTH, policy="identity:remove_user_from_group")
def remove_user(call: Call, both: Both) -> None:
    """Remove a user from a group."""
    group, user = both
    check_ours(group)
    model.remove(call.tx, group.id, user.id)
