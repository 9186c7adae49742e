"""Credentials: list, create, show, update, delete. Nobody sees the secrets of others, and no delegation sees any."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.targets import By
from cumulet.services.identity.model import credentials as model
from cumulet.services.identity.model import delegation, lookups
from cumulet.services.identity.model.credentials import Opened
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import CredentialRow
from cumulet.services.identity.wire import credentials as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given


def _target(user_id: str) -> dict[str, Any]:
    return {"target.credential.user_id": user_id}


def _checked(call: Call, rule: str, credential_id: str) -> CredentialRow:
    """The row, when the caller passes `rule` on it. Raises 403, 404."""
    row = model.find(call.tx, credential_id)
    call.require(rule, _target(row.user_id) if row is not None else {})
    if row is None:
        raise lookups.missing("credential", credential_id)
    delegation.refuse_credentials(call.caller)
    return row


CREDENTIAL = By(("credential_id",), _checked)


@identity.get(
    "/v3/credentials",
    policy_in_handler="identity:list_credentials",
    response=listed("credentials", wire.CREDENTIAL),
    query=wire.QUERY,
)
def browse(call: Call) -> Any:
    """List credentials."""
    own = call.caller.user_id
    call.require("identity:list_credentials", {} if call.caller.system_scope else _target(own))
    narrowed = None if call.allows("identity:get_credential", {}) else own
    found: list[Opened] = []
    if not (delegation.by_trust(call.caller) or delegation.by_method(call.caller)):
        found = model.browse(call.tx, call.context.vault, call.query, narrowed)
    return collection(call, "credentials", found, wire.shown)


@identity.post(
    "/v3/credentials",
    policy_in_handler="identity:create_credential",
    request=wire.CredentialCreateRequest,
    status=201,
    response=under("credential", wire.CREDENTIAL),
)
def create(call: Call) -> Any:
    """Create a credential."""
    credential: wire.CredentialCreate = call.body.credential
    call.require("identity:create_credential", _target(credential.user_id))
    delegation.refuse_credentials(call.caller)
    fields = given(credential, "type", "user_id", "project_id")
    fields["extra"] = extra(wire.CredentialCreate, call.raw["credential"])
    found = model.create(call.tx, call.context.vault, fields, credential.blob)
    return {"credential": wire.shown(call, found)}


@identity.get(
    "/v3/credentials/{credential_id}",
    target=CREDENTIAL,
    policy="identity:get_credential",
    response=under("credential", wire.CREDENTIAL),
)
def show(call: Call, row: CredentialRow) -> Any:
    """Show a credential."""
    return {"credential": wire.shown(call, Opened(row, call.context.vault.opened(row)))}


@identity.patch(
    "/v3/credentials/{credential_id}",
    target=CREDENTIAL,
    policy="identity:update_credential",
    request=wire.CredentialUpdateRequest,
    response=under("credential", wire.CREDENTIAL),
)
def update(call: Call, row: CredentialRow) -> Any:
    """Give a credential another blob."""
    asked = given(call.body.credential, "id", "type", "user_id", "project_id")
    found = model.update(call.tx, call.context.vault, row, asked, call.body.credential.blob)
    return {"credential": wire.shown(call, found)}


@identity.delete("/v3/credentials/{credential_id}", target=CREDENTIAL, policy="identity:delete_credential")
def delete(call: Call, row: CredentialRow) -> None:
    """Delete a credential."""
    model.delete(call.tx, row.id)
