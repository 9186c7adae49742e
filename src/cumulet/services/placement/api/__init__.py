"""Operations of placement; importing this package registers them all."""

from cumulet.services.placement.api import (
    aggregates,
    allocation_candidates,
    allocations,
    inventories,
    reshaper,
    resource_classes,
    resource_providers,
    root,
    traits,
    usages,
)

__all__ = [
    "aggregates",
    "allocation_candidates",
    "allocations",
    "inventories",
    "reshaper",
    "resource_classes",
    "resource_providers",
    "root",
    "traits",
    "usages",
]
