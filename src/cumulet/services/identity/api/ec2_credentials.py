"""EC2 credentials below their user, as the extension OS-EC2 has them: list, create, show, delete."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.targets import By
from cumulet.services.identity.model import credentials as model
from cumulet.services.identity.model import delegation, lookups
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import CredentialRow, ProjectRow, UserRow
from cumulet.services.identity.wire import credentials as wire
from cumulet.services.identity.wire.collections import collection, filters, listed

_ALL = "/v3/users/{user_id}/credentials/OS-EC2"
_ONE = _ALL + "/{credential_id}"


def _checked(call: Call, rule: str, user_id: str, access: str) -> CredentialRow:
    """The row with this access key. Raises 404 first, as Keystone does here, then 403."""
    row = model.find(call.tx, model.hashed(access))
    if row is None or row.type.lower() != model.EC2:
        raise lookups.missing("credential", model.hashed(access))
    call.require(rule, {"target.credential.user_id": row.user_id})
    lookups.get(call.tx, UserRow, user_id)
    delegation.refuse_credentials(call.caller)
    return row


CREDENTIAL = By(("user_id", "credential_id"), _checked)


def _shown(call: Call, found: model.Opened) -> dict[str, Any]:
    return wire.shown_ec2(call, found.row, model.ec2_blob(found.blob))


@identity.get(
    _ALL,
    policy_in_handler="identity:ec2_list_credentials",
    response=listed("credentials", wire.EC2_CREDENTIAL),
    query=filters(),
)
def browse(call: Call, user_id: str) -> Any:
    """List the EC2 credentials of a user."""
    call.require("identity:ec2_list_credentials", {"user_id": user_id})
    delegation.refuse_credentials(call.caller)
    lookups.get(call.tx, UserRow, user_id)
    found = model.of_user(call.tx, call.context.vault, user_id, model.EC2)
    return collection(call, "credentials", found, _shown, whole=True)


@identity.post(
    _ALL,
    policy_in_handler="identity:ec2_create_credential",
    request=wire.Ec2CredentialRequest,
    status=201,
    response=under("credential", wire.EC2_CREDENTIAL),
)
def create(call: Call, user_id: str) -> Any:
    """Create an EC2 credential."""
    call.require("identity:ec2_create_credential", {"target.credential.user_id": user_id})
    delegation.refuse_credentials(call.caller)
    lookups.get(call.tx, UserRow, user_id)
    project = lookups.get(call.tx, ProjectRow, call.body.tenant_id)
    blob = {"access": uuid.uuid4().hex, "secret": uuid.uuid4().hex, "trust_id": None}
    fields = {"type": model.EC2, "user_id": user_id, "project_id": project.id}
    found = model.create(call.tx, call.context.vault, fields, msgspec.json.encode(blob).decode())
    return {"credential": _shown(call, found)}


@identity.get(
    _ONE, target=CREDENTIAL, policy="identity:ec2_get_credential", response=under("credential", wire.EC2_CREDENTIAL)
)
def show(call: Call, row: CredentialRow) -> Any:
    """Show an EC2 credential."""
    return {"credential": _shown(call, model.Opened(row, call.context.vault.opened(row)))}


@identity.delete(_ONE, target=CREDENTIAL, policy="identity:ec2_delete_credential")
def delete(call: Call, row: CredentialRow) -> None:
    """Delete an EC2 credential."""
    model.delete(call.tx, row.id)
