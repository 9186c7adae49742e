"""Application credentials of a user: list, create, show, delete."""

from __future__ import annotations

from typing import Any

from cumulet.auth import Forbidden
from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.targets import By
from cumulet.services.identity.api.turns import in_turn
from cumulet.services.identity.model import application_credentials as model
from cumulet.services.identity.model import delegation, expiry, lookups
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import ApplicationCredentialRow
from cumulet.services.identity.wire import application_credentials as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import given

_ALL = "/v3/users/{user_id}/application_credentials"
_ONE = _ALL + "/{application_credential_id}"


def _checked(call: Call, rule: str, user_id: str, identifier: str) -> ApplicationCredentialRow:
    """The row, when the caller passes `rule` on its owner, whoever the path names. Raises 403, 404."""
    row = model.find(call.tx, identifier)
    call.require(rule, {"user_id": row.user_id if row is not None else user_id})
    delegation.refuse_application_credentials(call.caller)
    if row is None:
        raise lookups.missing(model.NOUN, identifier)
    return row


CREDENTIAL = By(("user_id", "application_credential_id"), _checked)


@identity.get(
    _ALL,
    policy_in_handler="identity:list_application_credentials",
    response=listed("application_credentials", wire.APPLICATION_CREDENTIAL),
    query=wire.QUERY,
)
def browse(call: Call, user_id: str) -> Any:
    """List the application credentials of a user."""
    call.require("identity:list_application_credentials", {"user_id": user_id})
    delegation.refuse_application_credentials(call.caller)
    found = model.browse(call.tx, call.query, user_id)
    return collection(call, "application_credentials", found, wire.shown)


@identity.post(
    _ALL,
    policy_in_handler="identity:create_application_credential",
    request=wire.ApplicationCredentialCreateRequest,
    status=201,
    faults=(503,),
    response=under("application_credential", wire.CREATED_APPLICATION_CREDENTIAL),
)
async def create(call: Call, user_id: str) -> Any:
    """Create an application credential; the answer alone has its secret."""
    return await in_turn(call, 0, _create, call, user_id)


def _create(call: Call, user_id: str) -> Any:
    asked: wire.ApplicationCredentialCreate = call.body.application_credential
    call.require("identity:create_application_credential", {"user_id": user_id})
    delegation.refuse_application_credentials(call.caller)
    if call.caller.project_id is None:
        raise Forbidden("identity:create_application_credential")
    with call.db.read() as tx:
        model.refuse_restricted(tx, call.caller)
        model.refuse_many(tx, call.caller.user_id)
    secret, hashed = model.secret_and_hash(asked.secret or None)
    with call.transaction() as tx:
        model.refuse_restricted(tx, call.caller)
        model.refuse_many(tx, call.caller.user_id)
        held = [role_id for role_id, _ in call.context.tokens.describe(tx, call.caller.token).roles]
        roles = model.chosen_roles(tx, wire.references(asked.roles or []), held)
        rules = [given(rule, "id", "service", "path", "method") for rule in asked.access_rules or ()]
        found = model.create(tx, _fields(call, asked, hashed, tx.now), roles, rules)
    return {"application_credential": {**wire.shown(call, found), "secret": secret}}


def _fields(call: Call, asked: wire.ApplicationCredentialCreate, hashed: str, now: int) -> dict[str, Any]:
    return {
        "user_id": call.caller.user_id,
        "project_id": call.caller.project_id,
        "name": asked.name,
        "description": asked.description or None,
        "secret_hash": hashed,
        "expires_at": expiry.parsed(asked.expires_at or None, now),
        "unrestricted": bool(asked.unrestricted or False),
    }


@identity.get(
    _ONE,
    target=CREDENTIAL,
    policy="identity:get_application_credential",
    response=under("application_credential", wire.APPLICATION_CREDENTIAL),
)
def show(call: Call, row: ApplicationCredentialRow) -> Any:
    """Show an application credential."""
    return {"application_credential": wire.shown(call, model.whole(call.tx, [row])[0])}


@identity.delete(_ONE, target=CREDENTIAL, policy="identity:delete_application_credential")
def delete(call: Call, row: ApplicationCredentialRow) -> None:
    """Delete an application credential, which ends its tokens."""
    model.refuse_restricted(call.tx, call.caller)
    model.delete(call.tx, row.id)
