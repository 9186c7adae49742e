"""Operations of the network service, one file per noun."""

from cumulet.services.network.api import (
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

LOADED = (
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
"""Importing the modules declares their operations."""
