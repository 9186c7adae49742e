"""Inventories: how much of a class a provider has, in which units, and how far it may be overcommitted.

Every change of a provider's inventory raises its generation. `used` is never written here; `free` follows the capacity.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import bindparam, update

from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.placement.model import classes
from cumulet.services.placement.tables import InventoryRow, inventories, providers

MAX_INT = 2**31 - 1
MAX_CAPACITY = 2**62
CONCURRENT = "placement.concurrent_update"
IN_USE = "placement.inventory.inuse"


class Inventory(Struct, frozen=True):
    """What a provider has of one class. Units are those of the class (MEMORY_MB: MiB)."""

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = MAX_INT
    step_size: int = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        """How much may be allocated at most; no more than a column holds, whatever the ratio."""
        return int(min((self.total - self.reserved) * self.allocation_ratio, MAX_CAPACITY))


def _columns(inventory: Inventory) -> dict[str, Any]:
    return {**asdict(inventory), "capacity": inventory.capacity}


def of(tx: Transaction, provider: str) -> dict[str, InventoryRow]:
    """The provider's inventories by class."""
    rows = tx.rows(select_as(InventoryRow).where(inventories.c.provider_uuid == provider))
    return {row.resource_class: row for row in rows}


def same(row: InventoryRow, inventory: Inventory) -> bool:
    """Whether the row says what `inventory` says."""
    return all(getattr(row, name) == value for name, value in asdict(inventory).items())


def write(tx: Transaction, provider: str, wanted: Mapping[str, Inventory], *, keep_others: bool = False) -> bool:
    """Make the provider's inventories `wanted`; False when they already are.

    Raises 409 when a class that goes is in use. Four queries at most; the caller has the provider's row.
    """
    present = of(tx, provider)
    gone = [] if keep_others else [name for name in present if name not in wanted]
    refuse_used(provider, present, gone)
    new = [name for name in wanted if name not in present]
    changed = [name for name, inventory in wanted.items() if name in present and not same(present[name], inventory)]
    if gone:
        tx.delete(inventories, (inventories.c.provider_uuid == provider) & inventories.c.resource_class.in_(gone))
    fixed = {"provider_uuid": provider, "updated_at": tx.now}
    tx.insert(inventories, [_new(fixed, n, wanted[n]) for n in new])
    if changed:
        tx.execute(_UPDATE, [{"p": provider, "c": n, "updated_at": tx.now, **_columns(wanted[n])} for n in changed])
    return bool(gone or new or changed)


def _new(fixed: Mapping[str, Any], name: str, inventory: Inventory) -> dict[str, Any]:
    return {**fixed, "used": 0, "free": inventory.capacity, "resource_class": name, **_columns(inventory)}


_UPDATE = (
    update(inventories)
    .where(inventories.c.provider_uuid == bindparam("p"), inventories.c.resource_class == bindparam("c"))
    .values({name: bindparam(name) for name in (*asdict(Inventory(1)), "capacity", "updated_at")})
    .values(free=bindparam("capacity", type_=inventories.c.free.type) - inventories.c.used)
)


def refuse_used(provider: str, present: Mapping[str, InventoryRow], going: Collection[str]) -> None:
    """Raises 409 when one of the classes that go is in use."""
    used = classes.ordered(name for name in going if present[name].used)
    if used:
        raise Conflict(f"Inventory for '{', '.join(used)}' on resource provider '{provider}' in use.", code=IN_USE)


def advance(tx: Transaction, provider: str, generation: int) -> int:
    """Raise the provider's generation from `generation`. Raises 409 when it moved on meanwhile."""
    where = (providers.c.uuid == provider) & (providers.c.generation == generation)
    if not tx.update(providers, where, generation=generation + 1, updated_at=tx.now):
        raise Conflict("resource provider generation conflict", code=CONCURRENT)
    return generation + 1


def require(tx: Transaction, provider: str, names: Collection[str]) -> None:
    """Raises 400 when the provider lacks an inventory of one of the classes."""
    present = of(tx, provider)
    lacking = next((name for name in names if name not in present), None)
    if lacking is not None:
        raise BadRequest(
            f"No inventory record with resource class for resource provider {provider}: "
            f"No inventory of class {lacking} found."
        )


def check(
    tx: Transaction, provider: str, wanted: Mapping[str, Inventory], verb: str, *, reserved_may_be_total: bool
) -> None:
    """Raises 400 for unknown classes and for inventories that have no capacity."""
    unknown = classes.missing(tx, list(wanted))
    if unknown:
        raise BadRequest(
            f"Unknown resource class in inventory for resource provider {provider}: "
            f"No such resource class {unknown[0]}."
        )
    for name, inventory in wanted.items():
        capacity = inventory.capacity
        if capacity < 0 or (capacity == 0 and not reserved_may_be_total):
            than = "greater than" if reserved_may_be_total else "greater than or equal to"
            raise BadRequest(
                f"Unable to {verb} inventory for resource provider {provider}: Invalid inventory for '{name}' "
                f"on resource provider '{provider}'. The reserved value is {than} total."
            )


def delete_one(tx: Transaction, provider: str, name: str) -> None:
    """Delete one inventory. Raises 404, or 409 while it is in use."""
    present = of(tx, provider)
    if name not in present:
        raise NotFound(f"No inventory of class {name} found for delete: No inventory of class {name} found for delete")
    if present[name].used:
        raise Conflict(
            f"Unable to delete inventory of class {name}: Inventory for '{name}' on resource provider "
            f"'{provider}' in use.",
            code=IN_USE,
        )
    tx.delete(inventories, (inventories.c.provider_uuid == provider) & (inventories.c.resource_class == name))
