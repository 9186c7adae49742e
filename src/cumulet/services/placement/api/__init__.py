"""Operations of placement, one file per noun."""

from __future__ import annotations

from cumulet.http import Service


def load() -> Service:
    """The service with all its operations: importing their modules declares them."""
    from cumulet.services.placement.api import (  # noqa: F401
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
    from cumulet.services.placement.service import placement

    return placement
