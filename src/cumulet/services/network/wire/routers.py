"""Values of the router's attributes on the wire."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import OneOf, Record
from cumulet.services.network.wire.attributes import Refused, boolean, fixed_ips, keyed, optional, typed, uuid

GATEWAY = Record(
    "GatewayInfo",
    {
        "network_id": str,
        "enable_snat": bool,
        "external_fixed_ips": [{"subnet_id": str, "ip_address": str}],
    },
)


@typed(OneOf(GATEWAY, None))
def gateway_info(value: Any) -> dict[str, Any] | None:
    """``{"network_id", "enable_snat", "external_fixed_ips"}``; null or {} take the gateway away."""
    if value is None or value == {}:
        return None
    known = {
        "network_id": optional(uuid),
        "enable_snat": boolean,
        "external_fixed_ips": fixed_ips,
        "qos_policy_id": optional(uuid),
    }
    found = keyed(value, known)
    if found.get("network_id") is None:
        if set(found) - {"network_id"}:
            raise Refused(
                "Validation of dictionary's keys failed. Expected keys: {'network_id'} "
                f"Provided keys: {sorted(map(str, value))}"
            )
        return None
    return found
