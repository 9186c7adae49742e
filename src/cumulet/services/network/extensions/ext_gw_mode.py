"""Whether a router translates what leaves by its gateway: an administrator's to say."""

from __future__ import annotations

from cumulet.services.network.check_strings import ADMIN, rules
from cumulet.services.network.extension import Extension

EXTENSION = Extension(
    "ext-gw-mode",
    "Neutron L3 Configurable external gateway mode",
    "Enable/disable SNAT on external gateway",
    rules=rules(
        "create_router:external_gateway_info:enable_snat create_router:external_gateway_info:external_fixed_ips "
        "update_router:external_gateway_info:enable_snat update_router:external_gateway_info:external_fixed_ips",
        ADMIN,
    ),
)
