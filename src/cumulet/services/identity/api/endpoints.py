"""Endpoints of the catalog: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.targets import ENDPOINT
from cumulet.services.identity.model import endpoints as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import EndpointRow
from cumulet.services.identity.wire import catalog as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

_FIELDS = ("interface", "service_id", "url", "region_id", "region", "enabled")


@identity.get(
    "/v3/endpoints",
    policy="identity:list_endpoints",
    response=listed("endpoints", wire.ENDPOINT),
    query=wire.ENDPOINTS_QUERY,
)
def browse(call: Call) -> Any:
    """List endpoints."""
    return collection(call, "endpoints", model.browse(call.tx, call.query), wire.endpoint)


@identity.post(
    "/v3/endpoints",
    policy="identity:create_endpoint",
    request=wire.EndpointCreateRequest,
    status=201,
    response=under("endpoint", wire.ENDPOINT),
)
def create(call: Call) -> Any:
    """Create an endpoint."""
    fields = given(call.body.endpoint, *_FIELDS)
    fields["extra"] = extra(wire.EndpointCreate, call.raw["endpoint"])
    return {"endpoint": wire.endpoint(call, model.create(call.tx, fields))}


@identity.get(
    "/v3/endpoints/{endpoint_id}",
    target=ENDPOINT,
    policy="identity:get_endpoint",
    response=under("endpoint", wire.ENDPOINT),
)
def show(call: Call, endpoint: EndpointRow) -> Any:
    """Show an endpoint."""
    return {"endpoint": wire.endpoint(call, endpoint)}


@identity.patch(
    "/v3/endpoints/{endpoint_id}",
    target=ENDPOINT,
    policy="identity:update_endpoint",
    request=wire.EndpointUpdateRequest,
    response=under("endpoint", wire.ENDPOINT),
)
def update(call: Call, endpoint: EndpointRow) -> Any:
    """Update an endpoint."""
    fields = given(call.body.endpoint, *_FIELDS)
    fields["extra"] = endpoint.extra | extra(wire.EndpointUpdate, call.raw["endpoint"])
    return {"endpoint": wire.endpoint(call, model.update(call.tx, endpoint.id, fields))}


@identity.delete("/v3/endpoints/{endpoint_id}", target=ENDPOINT, policy="identity:delete_endpoint")
def delete(call: Call, endpoint: EndpointRow) -> None:
    """Delete an endpoint."""
    model.delete(call.tx, endpoint.id)
