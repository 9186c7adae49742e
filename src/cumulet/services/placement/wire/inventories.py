"""Inventories on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Wire
from cumulet.http.bodies import Record
from cumulet.services.placement.model.inventories import MAX_INT, Inventory
from cumulet.services.placement.tables import InventoryRow

Positive = Annotated[int, Meta(ge=1, le=MAX_INT)]
Name = Annotated[str, Meta(pattern=r"^[A-Z0-9_]+\Z", max_length=255)]


class Fields(Wire):
    """What a provider has of one class."""

    total: Positive
    reserved: Annotated[int, Meta(ge=0, le=MAX_INT)] = 0
    min_unit: Positive = 1
    max_unit: Positive = MAX_INT
    step_size: Positive = 1
    allocation_ratio: Annotated[float, Meta(gt=0, le=3.40282e38)] = 1.0


class InventoryCreate(Fields, kw_only=True):
    """One more inventory."""

    resource_class: Name
    resource_provider_generation: int | UnsetType = UNSET


class InventoryUpdate(Fields, kw_only=True):
    """One inventory."""

    resource_provider_generation: int


class InventoriesUpdate(Wire):
    """All of a provider's inventories."""

    resource_provider_generation: int
    inventories: dict[Name, Fields]


def parsed(fields: Fields) -> Inventory:
    """The inventory that a request describes."""
    return Inventory(
        fields.total,
        fields.reserved,
        fields.min_unit,
        fields.max_unit,
        fields.step_size,
        fields.allocation_ratio,
    )


def shown(row: InventoryRow) -> dict[str, Any]:
    """An inventory's JSON."""
    return {
        "total": row.total,
        "reserved": row.reserved,
        "min_unit": row.min_unit,
        "max_unit": row.max_unit,
        "step_size": row.step_size,
        "allocation_ratio": row.allocation_ratio,
    }


_NUMBERS = {"total": int, "reserved": int, "min_unit": int, "max_unit": int, "step_size": int}
INVENTORIES = Record(
    "Inventories",
    {
        "resource_provider_generation": int,
        "inventories": {str: Record("InventoryInList", {**_NUMBERS, "allocation_ratio": float})},
    },
)
INVENTORY = Record("Inventory", {**_NUMBERS, "allocation_ratio": float, "resource_provider_generation": int})
