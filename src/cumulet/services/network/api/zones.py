"""Operations on availability zones and service providers."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.network.extension import Body
from cumulet.services.network.extensions.availability_zone import ZONE
from cumulet.services.network.service import network as service
from cumulet.services.network.wire import zones as wire


@service.get(
    "/v2.0/availability_zones",
    policy="get_availability_zone",
    response=under("availability_zones", [wire.ZONE]),
    query=wire.QUERY,
)
def list_availability_zones(call: Call) -> Body:
    """List availability zones of networks and routers."""
    found = [{"name": ZONE, "resource": resource, "state": "available"} for resource in ("network", "router")]
    for name in ("name", "resource", "state"):
        if name in call.query:
            found = [zone for zone in found if zone[name] in call.query[name]]
    return {"availability_zones": found}


@service.get(
    "/v2.0/service-providers",
    policy="get_service_provider",
    response=under("service_providers", [wire.PROVIDER]),
    query=wire.PROVIDERS_QUERY,
)
def list_service_providers(call: Call) -> Body:
    """List service providers: routers have one."""
    found = [{"service_type": "L3_ROUTER_NAT", "name": "single_node", "default": True}]
    for name in ("service_type", "name"):
        if name in call.query:
            found = [provider for provider in found if provider[name] in call.query[name]]
    return {"service_providers": found}
