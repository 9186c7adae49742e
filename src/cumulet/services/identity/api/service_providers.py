"""Service providers: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model import service_providers as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import ServiceProviderRow
from cumulet.services.identity.wire import service_providers as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import given

_PATH = "/v3/OS-FEDERATION/service_providers"
_FIELDS = ("auth_url", "sp_url", "description", "enabled", "relay_state_prefix")


@identity.get(
    _PATH,
    policy="identity:list_service_providers",
    response=listed("service_providers", wire.SERVICE_PROVIDER),
    query=wire.QUERY,
)
def browse(call: Call) -> Any:
    """List service providers."""
    return collection(call, "service_providers", model.browse(call.tx, call.query), wire.shown)


@identity.put(
    f"{_PATH}/{{provider_id}}",
    policy="identity:create_service_provider",
    request=wire.ServiceProviderCreateRequest,
    status=201,
    response=under("service_provider", wire.SERVICE_PROVIDER),
)
def create(call: Call, provider_id: str) -> Any:
    """Create a service provider."""
    fields = given(call.body.service_provider, *_FIELDS)
    return {"service_provider": wire.shown(call, model.create(call.tx, provider_id, fields))}


@identity.get(
    f"{_PATH}/{{provider_id}}",
    policy="identity:get_service_provider",
    response=under("service_provider", wire.SERVICE_PROVIDER),
)
def show(call: Call, provider_id: str) -> Any:
    """Show a service provider."""
    return {"service_provider": wire.shown(call, lookups.get(call.tx, ServiceProviderRow, provider_id))}


@identity.patch(
    f"{_PATH}/{{provider_id}}",
    policy="identity:update_service_provider",
    request=wire.ServiceProviderUpdateRequest,
    response=under("service_provider", wire.SERVICE_PROVIDER),
)
def update(call: Call, provider_id: str) -> Any:
    """Update a service provider."""
    fields = given(call.body.service_provider, *_FIELDS)
    return {"service_provider": wire.shown(call, model.update(call.tx, provider_id, fields))}


@identity.delete(f"{_PATH}/{{provider_id}}", policy="identity:delete_service_provider")
def delete(call: Call, provider_id: str) -> None:
    """Delete a service provider."""
    model.delete(call.tx, provider_id)
