"""What other services may call of placement. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace as changed
from sqlalchemy import func, select

from cumulet.db import Transaction, select_as
from cumulet.services.placement.model import allocations
from cumulet.services.placement.model import candidates as finding
from cumulet.services.placement.model import inventories as stock
from cumulet.services.placement.model import providers as model
from cumulet.services.placement.model.allocations import NoRoom
from cumulet.services.placement.model.candidates import Candidate, Shortfall
from cumulet.services.placement.tables import ProviderRow, inventories, providers

__all__ = [
    "Candidate",
    "Claim",
    "NoRoom",
    "Shortfall",
    "candidates",
    "capacity",
    "claim",
    "claim_what_fits",
    "ensure_provider",
    "release",
    "remove_provider",
    "remove_providers",
    "shortfalls",
    "usages",
]


def capacity(tx: Transaction) -> dict[str, tuple[float, int]]:
    """By resource class: what all providers may give, overcommitment included, and how much of it is claimed."""
    sums = (func.sum(inventories.c.capacity).label("room"), func.sum(inventories.c.used).label("claimed"))
    query = select(inventories.c.resource_class, *sums).group_by(inventories.c.resource_class)
    return {row.resource_class: (float(row.room), int(row.claimed)) for row in tx.rows(query)}


def ensure_provider(
    tx: Transaction, *, uuid: str, name: str, inventories: Mapping[str, Mapping[str, float | int]]
) -> None:
    """Make the provider have this name and these inventories. Writes only what differs.

    `inventories`: class → total, and reserved, min_unit, max_unit, step_size, allocation_ratio where they are not
    the defaults. A class that is left out goes, unless it is in use: then it stays and gives nothing new.
    """
    wanted = {kind: _inventory(values) for kind, values in inventories.items()}
    row = tx.row(select_as(ProviderRow).where(providers.c.uuid == uuid))
    if row is None:
        model.create(tx, uuid=uuid, name=name, parent=None)
        generation = 0
    else:
        generation = row.generation
        if row.name != name:
            tx.update(providers, providers.c.uuid == uuid, name=name, updated_at=tx.now)
    for kind, present in (stock.of(tx, uuid) if row is not None else {}).items():
        if kind not in wanted and present.used:
            wanted[kind] = changed(_inventory(dict(present._mapping)), reserved=present.total)
    if stock.write(tx, uuid, wanted):
        stock.advance(tx, uuid, generation)


def _inventory(values: Mapping[str, Any]) -> stock.Inventory:
    names = ("total", "reserved", "min_unit", "max_unit", "step_size")
    given = {name: int(values[name]) for name in names if name in values}
    return stock.Inventory(**given, allocation_ratio=float(values.get("allocation_ratio", 1.0)))


def remove_provider(tx: Transaction, uuid: str) -> None:
    """Forget the provider and its inventories. Raises http.faults.Conflict while something is allocated on it;
    does nothing when it is not there."""
    if tx.row(select(providers.c.uuid).where(providers.c.uuid == uuid)) is not None:
        model.delete(tx, uuid)


def remove_providers(tx: Transaction, uuids: Sequence[str]) -> None:
    """Forget providers on which nothing is allocated, and their inventories. Four statements."""
    model.delete_unused(tx, uuids)


def candidates(
    tx: Transaction, resources: Mapping[str, int], *, limit: int, exclude: Collection[str] = ()
) -> list[Candidate]:
    """Providers that have room for `resources` (class → amount), most free MEMORY_MB first. One query."""
    return finding.candidates(tx, resources, limit=limit, exclude=exclude)


def shortfalls(tx: Transaction, resources: Mapping[str, int]) -> list[Shortfall]:
    """Per provider and class what is lacking; for the explanation when nobody has room. One query."""
    return finding.shortfalls(tx, resources)


def claim(
    tx: Transaction,
    *,
    consumer: str,
    provider: str,
    resources: Mapping[str, int],
    project_id: str,
    user_id: str,
) -> None:
    """Give `consumer` these resources of `provider`, instead of whatever it held. Raises `NoRoom` with nothing
    written. Amounts of 0 are left out."""
    wanted = {name: amount for name, amount in resources.items() if amount > 0}
    try:
        held = allocations.Holding(consumer, {provider: wanted} if wanted else {}, project_id, user_id, "INSTANCE")
        allocations.replace(tx, [held])
    except allocations.NoProvider:
        raise NoRoom(provider, min(wanted)) from None
    except allocations.NoInventory as lacking:
        raise NoRoom(provider, lacking.resource_class) from None


class Claim(NamedTuple):
    """What a consumer that is there already holds of a provider: class → amount."""

    consumer: str
    provider: str
    resources: Mapping[str, int]
    project_id: str
    user_id: str


def claim_what_fits(tx: Transaction, claims: Sequence[Claim]) -> list[str]:
    """Claims of consumers that hold nothing yet, all together when there is room, else one by one; the consumers for
    which there was none. One that holds something keeps that."""
    known = allocations.consumers_of(tx, [each.consumer for each in claims])
    wanted = [
        allocations.Holding(
            each.consumer,
            {each.provider: {name: amount for name, amount in each.resources.items() if amount > 0}},
            each.project_id,
            each.user_id,
            "INSTANCE",
        )
        for each in claims
        if each.consumer not in known
    ]
    try:
        allocations.replace(tx, wanted)
        return []
    except _REFUSALS:
        return [one.consumer for one in wanted if not _fits(tx, one)]


_REFUSALS = (NoRoom, allocations.NoProvider, allocations.NoInventory)


def _fits(tx: Transaction, one: allocations.Holding) -> bool:
    try:
        allocations.replace(tx, [one])
    except _REFUSALS:
        return False
    return True


def release(tx: Transaction, consumer: str) -> None:
    """Give back whatever the consumer holds; nothing happens when it holds nothing."""
    allocations.release(tx, consumer)


def usages(tx: Transaction, provider_uuids: Iterable[str]) -> dict[str, dict[str, int]]:
    """provider → class → used, of all its classes; an unknown provider has an empty dict. One query."""
    return allocations.usages(tx, list(provider_uuids))
