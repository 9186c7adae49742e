"""Compute's operations, one file per noun."""


def load() -> None:
    """Declare every operation."""
    from cumulet.services.compute.api import (  # noqa: F401 - importing declares them
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
