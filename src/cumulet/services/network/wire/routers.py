"""The router's attributes on the wire."""

from __future__ import annotations

from typing import Any

from cumulet.services.network.wire.attributes import (
    NAME,
    READ_ONLY,
    STANDARD,
    Attribute,
    Refused,
    Resource,
    boolean,
    fixed_ips,
    items,
    keyed,
    optional,
    route,
    text,
    uuid,
)


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


def _single(value: Any) -> bool:
    if boolean(value):
        raise Refused("distributed and highly available routers are not supported")
    return False


ROUTER = Resource(
    "router",
    "routers",
    {
        **STANDARD,
        "name": NAME,
        "admin_state_up": Attribute(boolean, True),
        "status": READ_ONLY,
        "external_gateway_info": Attribute(gateway_info, None, guarded=True),
        "routes": Attribute(items(route), post=False),
        "availability_zone_hints": Attribute(items(text(255)), [], put=False),
        "availability_zones": READ_ONLY,
        "distributed": Attribute(_single, False),
        "ha": Attribute(_single, False),
        "flavor_id": Attribute(optional(uuid), None, put=False),
    },
)
