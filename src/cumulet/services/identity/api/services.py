"""Services of the catalog: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.targets import SERVICE
from cumulet.services.identity.model import services as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import ServiceRow
from cumulet.services.identity.wire import catalog as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

_FIELDS = ("type", "name", "description", "enabled")


@identity.get(
    "/v3/services",
    policy="identity:list_services",
    response=listed("services", wire.SERVICE),
    query=wire.SERVICES_QUERY,
)
def browse(call: Call) -> Any:
    """List services."""
    return collection(call, "services", model.browse(call.tx, call.query), wire.service)


@identity.post(
    "/v3/services",
    policy="identity:create_service",
    request=wire.ServiceCreateRequest,
    status=201,
    response=under("service", wire.SERVICE),
)
def create(call: Call) -> Any:
    """Create a service."""
    fields = given(call.body.service, *_FIELDS)
    fields["extra"] = extra(wire.ServiceCreate, call.raw["service"])
    return {"service": wire.service(call, model.create(call.tx, fields))}


@identity.get(
    "/v3/services/{service_id}", target=SERVICE, policy="identity:get_service", response=under("service", wire.SERVICE)
)
def show(call: Call, service: ServiceRow) -> Any:
    """Show a service."""
    return {"service": wire.service(call, service)}


@identity.patch(
    "/v3/services/{service_id}",
    target=SERVICE,
    policy="identity:update_service",
    request=wire.ServiceUpdateRequest,
    response=under("service", wire.SERVICE),
)
def update(call: Call, service: ServiceRow) -> Any:
    """Update a service."""
    fields = given(call.body.service, *_FIELDS)
    fields["extra"] = service.extra | extra(wire.ServiceUpdate, call.raw["service"])
    return {"service": wire.service(call, model.update(call.tx, service.id, fields))}


@identity.delete("/v3/services/{service_id}", target=SERVICE, policy="identity:delete_service")
def delete(call: Call, service: ServiceRow) -> None:
    """Delete a service."""
    model.delete(call.tx, service.id)
