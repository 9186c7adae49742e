"""How many addresses of networks are taken."""

from __future__ import annotations

from cumulet.services.network.check_strings import ADMIN, rules
from cumulet.services.network.extension import Extension

EXTENSION = Extension(
    "network-ip-availability",
    "Network IP Availability",
    "Provides IP availability data for each network.",
    rules=rules("get_network_ip_availability", ADMIN),
)
