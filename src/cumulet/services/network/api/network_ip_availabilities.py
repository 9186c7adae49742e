"""Operations on the availability of addresses."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.network import faults
from cumulet.services.network.extension import Body
from cumulet.services.network.model import availability as model
from cumulet.services.network.service import network as service
from cumulet.services.network.wire.network_ip_availabilities import AVAILABILITY, QUERY


@service.get(
    "/v2.0/network-ip-availabilities",
    policy="get_network_ip_availability",
    response=under("network_ip_availabilities", [AVAILABILITY]),
    query=QUERY,
)
def list_network_ip_availabilities(call: Call) -> Body:
    """List how many addresses of networks are taken."""
    return {"network_ip_availabilities": model.of(call.tx, call.query)}


@service.get(
    "/v2.0/network-ip-availabilities/{network_id}",
    policy="get_network_ip_availability",
    response=under("network_ip_availability", AVAILABILITY),
)
def show_network_ip_availability(call: Call, network_id: str) -> Body:
    """Show how many addresses of a network are taken."""
    found = model.of(call.tx, {"network_id": [network_id]})
    if not found:
        raise faults.not_found("network", network_id)
    return {"network_ip_availability": found[0]}
