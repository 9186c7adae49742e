"""Users: list, create, show, update, delete, own password, groups, projects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from cumulet.db import Transaction, iso
from cumulet.http import Call, Reply
from cumulet.http.bodies import under
from cumulet.services.identity.api.directories import FRESH_USER, FRESH_USERS, check_new, check_ours
from cumulet.services.identity.api.targets import USER, narrowed, own_domain, target
from cumulet.services.identity.api.turns import in_turn
from cumulet.services.identity.context import IdentityContext
from cumulet.services.identity.model import federated_users, groups, lookups, memberships, options, projects
from cumulet.services.identity.model import users as model
from cumulet.services.identity.model.password_rules import PasswordRules
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import GroupRow, UserRow
from cumulet.services.identity.wire import groups as group_wire
from cumulet.services.identity.wire import projects as project_wire
from cumulet.services.identity.wire import users as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

T = TypeVar("T")


@identity.get(
    "/v3/users", target=FRESH_USERS, policy="identity:list_users", response=listed("users", wire.USER), query=wire.QUERY
)
def browse(call: Call, domain_id: str | None) -> Any:
    """List users."""
    return collection(call, "users", model.browse(call.tx, call.query, domain_id), wire.shown)


@identity.post(
    "/v3/users",
    policy_in_handler="identity:create_user",
    request=wire.UserCreateRequest,
    status=201,
    faults=(503,),
    response=under("user", wire.USER),
)
async def create(call: Call) -> Any:
    """Create a user."""
    return await _hashing(call, call.body.user.password, _create, call)


async def _hashing(call: Call, password: Any, work: Callable[..., T], *arguments: Any) -> T:
    """`work`, in its turn when there is a `password` to hash."""
    if isinstance(password, str):
        return await in_turn(call, 0, work, *arguments)
    return await call.in_thread(work, *arguments)


def _create(call: Call) -> Any:
    user: wire.UserCreate = call.body.user
    fields = given(user, "name", "domain_id", "default_project_id", "enabled")
    # The rule sees what was named: who manages a domain has to name it here, as in Keystone (its own tests say so).
    call.require("identity:create_user", {f"target.user.{name}": fields[name] for name in fields if fields[name]})
    fields.setdefault("domain_id", own_domain(call))
    fields["options"] = options.merged({}, user.options or {}, options.FOR_USERS)
    fields["extra"] = extra(wire.UserCreate, call.raw["user"])
    rules: PasswordRules = call.context.password_rules
    hashed = model.digest(user.password, rules)
    with call.transaction() as tx:
        check_new(call, tx, fields["domain_id"])
        return _federated(call, tx, model.create(tx, fields, hashed, rules), user.federated)


@identity.get("/v3/users/{user_id}", target=FRESH_USER, policy="identity:get_user", response=under("user", wire.USER))
def show(call: Call, user: UserRow) -> Any:
    """Show a user."""
    return _federated(call, call.tx, user)


def _federated(call: Call, tx: Transaction, row: UserRow, objects: Any = None) -> Any:
    """The user as shown, with who it is at identity providers: from now on what `objects` say, if they do."""
    if objects:
        within = None if call.caller.is_admin else row.domain_id
        federated_users.replace(tx, row.id, msgspec.to_builtins(objects), within)
    known = federated_users.of_users(tx, [row.id]).get(row.id)
    return {"user": wire.shown(call, row) | ({"federated": known} if known else {})}


@identity.patch(
    "/v3/users/{user_id}",
    policy_in_handler="identity:update_user",
    request=wire.UserUpdateRequest,
    faults=(503,),
    response=under("user", wire.USER),
)
async def update(call: Call, user_id: str) -> Any:
    """Update a user."""
    return await _hashing(call, call.body.user.password, _update, call, user_id)


def _update(call: Call, user_id: str) -> Any:
    user: wire.UserUpdate = call.body.user
    with call.db.read() as tx:
        call.require("identity:update_user", target("user", lookups.find(tx, UserRow, user_id)))
    rules: PasswordRules = call.context.password_rules
    hashed = model.digest(user.password, rules)
    with call.transaction() as tx:
        row = lookups.get(tx, UserRow, user_id)
        check_ours(row)
        fields = given(user, "name", "domain_id", "default_project_id", "enabled")
        fields["options"] = options.merged(row.options, user.options or {}, options.FOR_USERS)
        fields["extra"] = row.extra | extra(wire.UserUpdate, call.raw["user"])
        return _federated(call, tx, model.update(tx, row, fields, hashed, rules), user.federated)


@identity.delete("/v3/users/{user_id}", target=USER, policy="identity:delete_user")
def delete(call: Call, user: UserRow) -> None:
    """Delete a user."""
    check_ours(user)
    model.delete(call.tx, user.id, user.name)


@identity.post(
    "/v3/users/{user_id}/password", auth=False, faults=(401, 503), request=wire.PasswordChangeRequest, status=204
)
async def change_password(call: Call, user_id: str) -> Reply:
    """Change one's own password."""
    context: IdentityContext = call.context
    change: wire.PasswordChange = call.body.user
    work = partial(model.change_password, call.db, context.password_rules, user_id)
    await in_turn(call, hash(user_id), work, change.original_password, change.password)
    return Reply()


@identity.get(
    "/v3/users/{user_id}/groups",
    target=FRESH_USER,
    policy="identity:list_groups_for_user",
    response=listed("groups", group_wire.GROUP_OF_USER),
    query=group_wire.QUERY,
)
def browse_groups(call: Call, user: UserRow) -> Any:
    """List the groups of a user."""
    ends = memberships.ends(call.tx, user.id)

    def shown(call: Call, row: GroupRow) -> Any:
        end = ends.get(row.id)
        return group_wire.shown(call, row) | ({"membership_expires_at": iso(end)} if end else {})

    return collection(call, "groups", groups.browse(call.tx, call.query, narrowed(call), user.id), shown)


@identity.get(
    "/v3/users/{user_id}/projects",
    target=USER,
    policy="identity:list_user_projects",
    response=listed("projects", project_wire.PROJECT),
    query=project_wire.REACHABLE_QUERY,
)
def browse_projects(call: Call, user: UserRow) -> Any:
    """List the projects on which a user has a role."""
    rows = projects.reachable(call.tx, call.query, user.id)
    return collection(call, "projects", projects.with_tags(call.tx, rows), project_wire.shown)


@identity.delete("/v3/users/{user_id}/tokens", target=USER, policy="identity:revoke_tokens_for_user")
def revoke_tokens(call: Call, user: UserRow) -> None:
    """End all tokens of a user: one's own, or those of anybody as an administrator."""
    model.end_tokens(call.tx, user.id)
