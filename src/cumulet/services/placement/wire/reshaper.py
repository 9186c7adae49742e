"""Reshaping on the wire: all inventories of some providers, and all allocations of some consumers."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cumulet.http import Wire
from cumulet.services.placement.wire.inventories import InventoriesUpdate


class Reshape(Wire):
    """Inventories by provider, allocations by consumer (as in ``POST /allocations``, there may be none)."""

    inventories: Annotated[dict[str, InventoriesUpdate], Meta(min_length=1)]
    allocations: dict[str, Any]
