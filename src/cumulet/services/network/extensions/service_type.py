"""Who serves routers."""

from __future__ import annotations

from cumulet.services.network.check_strings import rules
from cumulet.services.network.extension import Extension

EXTENSION = Extension(
    "service-type",
    "Neutron Service Type Management",
    "API for retrieving service providers.",
    rules=rules("get_service_provider", "role:reader"),
)
