"""Operations of network, one file per noun."""

from __future__ import annotations

from cumulet.http import Service


def load() -> Service:
    """The service with all its operations: importing their modules declares them."""
    from cumulet.services.network.api import (  # noqa: F401
        agents,
        discovery,
        extensions,
        floatingips,
        network_ip_availabilities,
        networks,
        ports,
        quotas,
        routers,
        security_group_rules,
        security_groups,
        subnets,
        tags,
        zones,
    )
    from cumulet.services.network.service import network

    return network
