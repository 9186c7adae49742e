"""Identity providers: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.model import identity_providers as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import identity_providers as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import given

_PATH = "/v3/OS-FEDERATION/identity_providers"
_FIELDS = ("description", "enabled", "remote_ids", "authorization_ttl")


@identity.get(
    _PATH,
    policy="identity:list_identity_providers",
    response=listed("identity_providers", wire.IDENTITY_PROVIDER),
    query=wire.QUERY,
)
def browse(call: Call) -> Any:
    """List identity providers."""
    return collection(call, "identity_providers", model.browse(call.tx, call.query), wire.shown)


@identity.put(
    f"{_PATH}/{{idp_id}}",
    policy="identity:create_identity_provider",
    request=wire.IdentityProviderCreateRequest,
    status=201,
    response=under("identity_provider", wire.IDENTITY_PROVIDER),
)
def create(call: Call, idp_id: str) -> Any:
    """Create an identity provider, and a domain for it when none is named."""
    fields = given(call.body.identity_provider, *_FIELDS, "domain_id")
    return {"identity_provider": wire.shown(call, model.create(call.tx, idp_id, fields))}


@identity.get(
    f"{_PATH}/{{idp_id}}",
    policy="identity:get_identity_provider",
    response=under("identity_provider", wire.IDENTITY_PROVIDER),
)
def show(call: Call, idp_id: str) -> Any:
    """Show an identity provider."""
    return {"identity_provider": wire.shown(call, model.show(call.tx, idp_id))}


@identity.patch(
    f"{_PATH}/{{idp_id}}",
    policy="identity:update_identity_provider",
    request=wire.IdentityProviderUpdateRequest,
    response=under("identity_provider", wire.IDENTITY_PROVIDER),
)
def update(call: Call, idp_id: str) -> Any:
    """Update an identity provider."""
    fields = given(call.body.identity_provider, *_FIELDS)
    return {"identity_provider": wire.shown(call, model.update(call.tx, idp_id, fields))}


@identity.delete(f"{_PATH}/{{idp_id}}", policy="identity:delete_identity_provider")
def delete(call: Call, idp_id: str) -> None:
    """Delete an identity provider, its protocols, and the users who came from nowhere else."""
    model.delete(call.tx, idp_id)
