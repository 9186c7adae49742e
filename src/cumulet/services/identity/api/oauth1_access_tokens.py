"""What a user has authorized consumers of OAuth1 for: list, show, delete, and the roles of each."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import NotFound, Unauthorized
from cumulet.services.identity.model import delegation, lookups
from cumulet.services.identity.model import oauth1 as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import OAuth1AccessTokenRow
from cumulet.services.identity.wire import oauth1 as wire
from cumulet.services.identity.wire import roles as role_wire
from cumulet.services.identity.wire.collections import collection, filters, listed

_ALL = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
_ONE = _ALL + "/{access_token_id}"


def _of(call: Call, user_id: str, access_token_id: str) -> OAuth1AccessTokenRow:
    """The row. Raises 404 for one of somebody else."""
    row = model.access_token(call.tx, access_token_id)
    if row.authorizing_user_id != user_id:
        raise NotFound("Access token not found")
    return row


@identity.get(
    _ALL, policy="identity:list_access_tokens", response=listed("access_tokens", wire.ACCESS_TOKEN), query=filters()
)
def browse(call: Call, user_id: str) -> Any:
    """List the access tokens that a user has authorized."""
    delegation.refuse_access_tokens(call.caller)
    rows = model.browse_access_tokens(call.tx, call.query, user_id)
    return collection(call, "access_tokens", rows, wire.access_token)


@identity.get(_ONE, policy="identity:get_access_token", response=under("access_token", wire.ACCESS_TOKEN))
def show(call: Call, user_id: str, access_token_id: str) -> Any:
    """Show an access token, without its secret."""
    delegation.refuse_access_tokens(call.caller)
    return {"access_token": wire.access_token(call, _of(call, user_id, access_token_id))}


@identity.delete(_ONE, policy="identity:delete_access_token")
def delete(call: Call, user_id: str, access_token_id: str) -> None:
    """Delete an access token, which ends what was made of it."""
    delegation.refuse_access_tokens(call.caller)
    row = model.access_token(call.tx, access_token_id)
    if row.authorizing_user_id != user_id:
        raise Unauthorized("User IDs do not match")
    model.delete_access_token(call.tx, row)


@identity.get(
    f"{_ONE}/roles",
    policy="identity:list_access_token_roles",
    response=listed("roles", role_wire.ROLE),
    query=filters(),
)
def browse_roles(call: Call, user_id: str, access_token_id: str) -> Any:
    """List the roles that an access token was authorized for."""
    rows = model.roles_of(call.tx, _of(call, user_id, access_token_id))
    return collection(call, "roles", rows, role_wire.shown, whole=True)


@identity.get(
    f"{_ONE}/roles/{{role_id}}", policy="identity:get_access_token_role", response=under("role", role_wire.ROLE)
)
def show_role(call: Call, user_id: str, access_token_id: str, role_id: str) -> Any:
    """Show a role that an access token was authorized for."""
    row = model.access_token(call.tx, access_token_id)
    if row.authorizing_user_id != user_id:
        raise Unauthorized("User IDs do not match")
    role = next((role for role in model.roles_of(call.tx, row) if role.id == role_id), None)
    if role is None:
        raise lookups.missing("role", role_id)
    return {"role": role_wire.shown(call, role)}
