"""Operations of compute, one file per noun."""

from __future__ import annotations

from cumulet.http import Service


def load() -> Service:
    """The service with all its operations: importing their modules declares them."""
    from cumulet.services.compute.api import (  # noqa: F401
        aggregates,
        availability_zones,
        consoles,
        extensions,
        flavor_access,
        flavor_extra_specs,
        flavors,
        hypervisors,
        instance_actions,
        keypairs,
        limits,
        quota_sets,
        server_actions,
        server_addresses,
        server_metadata,
        server_tags,
        servers,
        services,
        tenant_usage,
        versions,
    )
    from cumulet.services.compute.service import service

    return service
