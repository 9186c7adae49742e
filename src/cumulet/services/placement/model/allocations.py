"""Allocations: who holds how much of what. The only writer of `placement_inventories.used`.

A consumer's allocations are replaced as a whole. Everything is checked before the first row is written, so that a
caller may catch `NoRoom` and try another provider in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, func, select, update

from cumulet.db import Prepared, Transaction, TypedRow, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.services.placement.tables import (
    AllocationRow,
    ConsumerRow,
    allocations,
    consumers,
    inventories,
    providers,
)


class StockRow(TypedRow):
    """What a provider has of a class, and in which units. One without any inventory has a row of NULLs, of no class."""

    uuid: str
    resource_class: str | None
    min_unit: int
    max_unit: int
    step_size: int
    capacity: int
    used: int


class HeldByRow(AllocationRow):
    """An allocation with its provider's generation."""

    generation: int


class HeldOnRow(AllocationRow):
    """An allocation with its consumer's generation."""

    consumer_generation: int


class UsageRow(TypedRow):
    """How much of a class all consumers of a type hold."""

    consumer_type: str | None
    resource_class: str
    used: int


# The statements of every claim are made once: making and keying them costs more than running them.
_CONSUMERS = Prepared(select_as(ConsumerRow).where(in_bound_list(consumers.c.uuid, "ids")))
_HELD = Prepared(select_as(AllocationRow).where(in_bound_list(allocations.c.consumer_uuid, "ids")))
_STOCK = Prepared(
    select_as(
        StockRow,
        providers.c.uuid,
        inventories.c.resource_class,
        inventories.c.min_unit,
        inventories.c.max_unit,
        inventories.c.step_size,
        inventories.c.capacity,
        inventories.c.used,
    )
    .select_from(providers.outerjoin(inventories, inventories.c.provider_uuid == providers.c.uuid))
    .where(in_bound_list(providers.c.uuid, "ids"))
    .with_for_update(of=providers)
)
_TOUCH = Prepared(
    update(providers).where(in_bound_list(providers.c.uuid, "ids")).values(generation=providers.c.generation + 1)
)
_USED = select(inventories.c.provider_uuid, inventories.c.resource_class, inventories.c.used).where(
    in_bound_list(inventories.c.provider_uuid, "ids")
)

Resources = Mapping[str, int]
Key = tuple[str, str]
"""(provider, resource class)"""


class NoRoom(Exception):
    """The provider cannot give what was asked. `violated`: the amount breaks min_unit, max_unit or step_size;
    otherwise it exceeds what is free."""

    def __init__(self, provider: str, resource_class: str, *, violated: bool = False) -> None:
        why = "violate inventory constraints" if violated else "exceed the capacity"
        super().__init__(
            f"Unable to create allocation for '{resource_class}' on resource provider '{provider}'. "
            f"The requested amount would {why}."
        )
        self.provider, self.resource_class, self.violated = provider, resource_class, violated


class NoProvider(Exception):
    """An allocation names a provider that is not there."""


class NoInventory(Exception):
    """An allocation names a class of which the provider has no inventory."""

    def __init__(self, provider: str, resource_class: str) -> None:
        super().__init__(f"Inventory for '{resource_class}' on resource provider '{provider}' invalid.")
        self.provider, self.resource_class = provider, resource_class


class Holding(Struct, frozen=True):
    """All that a consumer shall hold: provider → class → amount; empty releases everything."""

    consumer: str
    resources: Mapping[str, Resources]
    project_id: str
    user_id: str
    consumer_type: str | None = None


def replace(tx: Transaction, holdings: Sequence[Holding]) -> None:
    """Give each consumer what its holding says instead of what it has. Raises `NoRoom`, `NoProvider` and
    `NoInventory` before anything is written. At most eight statements, however many holdings."""
    ids = [holding.consumer for holding in holdings]
    known = consumers_of(tx, ids)
    present = tx.rows(_HELD, {"ids": list(known)}) if known else ()
    change: defaultdict[Key, int] = defaultdict(int)
    for row in present:
        change[row.provider_uuid, row.resource_class] -= row.used
    for holding in holdings:
        for provider, resources in holding.resources.items():
            for name, amount in resources.items():
                change[provider, name] += amount
    _check(tx, holdings, change)
    _apply(tx, change)
    if present:
        tx.delete(allocations, allocations.c.consumer_uuid.in_(ids))
    rows = [row for holding in holdings for row in _rows(tx, holding)]
    if rows:
        tx.insert(allocations, rows)
    _write_consumers(tx, holdings, known)


def _rows(tx: Transaction, holding: Holding) -> list[dict[str, Any]]:
    return [
        {
            "consumer_uuid": holding.consumer,
            "provider_uuid": provider,
            "resource_class": name,
            "used": amount,
            "updated_at": tx.now,
        }
        for provider, resources in holding.resources.items()
        for name, amount in resources.items()
    ]


def _check(tx: Transaction, holdings: Sequence[Holding], change: Mapping[Key, int]) -> None:
    wanted = {provider for holding in holdings for provider in holding.resources}
    if not wanted:
        return
    found = tx.rows(_STOCK, {"ids": list(wanted)})
    missing = wanted - {row.uuid for row in found}
    if missing:
        raise NoProvider(min(missing))
    stock = {(row.uuid, row.resource_class): row for row in found if row.resource_class is not None}
    for holding in holdings:
        for provider, resources in holding.resources.items():
            for name, amount in resources.items():
                _check_one(provider, name, amount, stock, change)


def _check_one(provider: str, name: str, amount: int, stock: Mapping[Key, StockRow], change: Mapping[Key, int]) -> None:
    row = stock.get((provider, name))
    if row is None:
        raise NoInventory(provider, name)
    if amount < row.min_unit or amount > row.max_unit or amount % row.step_size:
        raise NoRoom(provider, name, violated=True)
    more = change[provider, name]
    if more > 0 and row.used + more > row.capacity:
        raise NoRoom(provider, name)


_ADD = Prepared(
    update(inventories)
    .where(inventories.c.provider_uuid == bindparam("p"), inventories.c.resource_class == bindparam("c"))
    .values(used=inventories.c.used + bindparam("d"), free=inventories.c.free - bindparam("d"))
)


def _apply(tx: Transaction, change: Mapping[Key, int]) -> None:
    """`used` and the generations of all providers that the change touches."""
    for (p, c), d in sorted(change.items()):
        if d:
            tx.execute_prepared(_ADD, {"p": p, "c": c, "d": d})
    touched = {provider for provider, _ in change}
    if touched:
        tx.execute_prepared(_TOUCH, {"ids": list(touched)})


def _give_back(tx: Transaction, freed: Mapping[Key, int]) -> None:
    """Only `used`: what is freed spoils no plan that somebody made, so generations stay."""
    for (p, c), amount in sorted(freed.items()):
        tx.execute_prepared(_ADD, {"p": p, "c": c, "d": -amount})


def _write_consumers(tx: Transaction, holdings: Sequence[Holding], known: Mapping[str, ConsumerRow]) -> None:
    new, kept, gone = [], [], []
    for holding in holdings:
        row = known.get(holding.consumer)
        values = {
            "uuid": holding.consumer,
            "project_id": holding.project_id,
            "user_id": holding.user_id,
            "consumer_type": holding.consumer_type or (row.consumer_type if row else None),
            "updated_at": tx.now,
        }
        if not holding.resources:
            gone.append(holding.consumer)
        elif row is None:
            new.append({**values, "generation": 1, "created_at": tx.now})
        else:
            kept.append({**values, "u": holding.consumer, "g": row.generation + 1})
    if new:
        tx.insert(consumers, new)
    if kept:
        tx.execute(_KEEP, kept)
    if gone and any(consumer in known for consumer in gone):
        tx.delete(consumers, consumers.c.uuid.in_(gone))


_KEEP = (
    update(consumers)
    .where(consumers.c.uuid == bindparam("u"))
    .values(
        generation=bindparam("g"),
        project_id=bindparam("project_id"),
        user_id=bindparam("user_id"),
        consumer_type=bindparam("consumer_type"),
        updated_at=bindparam("updated_at"),
    )
)


def release(tx: Transaction, consumer: str) -> bool:
    """Take everything from the consumer; False when it held nothing."""
    present = tx.rows(_HELD, {"ids": [consumer]})
    if not present:
        return False
    _give_back(tx, {(row.provider_uuid, row.resource_class): row.used for row in present})
    tx.delete_by_key(allocations, consumer_uuid=consumer)
    tx.delete_by_key(consumers, uuid=consumer)
    return True


def consumer(tx: Transaction, uuid: str) -> ConsumerRow | None:
    """The consumer's row; None when it holds nothing."""
    return tx.row(select_as(ConsumerRow).where(consumers.c.uuid == uuid))


def consumers_of(tx: Transaction, uuids: Collection[str]) -> dict[str, ConsumerRow]:
    """Consumers' rows by id."""
    return {row.uuid: row for row in tx.rows(_CONSUMERS, {"ids": list(uuids)})}


def held_by(tx: Transaction, uuid: str) -> Sequence[HeldByRow]:
    """Allocations of a consumer, with each provider's generation."""
    query = (
        select_as(HeldByRow, allocations, providers.c.generation.label("generation"))
        .join(providers, providers.c.uuid == allocations.c.provider_uuid)
        .where(allocations.c.consumer_uuid == uuid)
    )
    return tx.rows(query)


def held_on(tx: Transaction, provider: str) -> Sequence[HeldOnRow]:
    """Allocations on a provider, with each consumer's generation."""
    query = (
        select_as(HeldOnRow, allocations, consumers.c.generation.label("consumer_generation"))
        .join(consumers, consumers.c.uuid == allocations.c.consumer_uuid)
        .where(allocations.c.provider_uuid == provider)
    )
    return tx.rows(query)


def usages(tx: Transaction, provider_uuids: Collection[str]) -> dict[str, dict[str, int]]:
    """provider → class → used."""
    found: dict[str, dict[str, int]] = {uuid: {} for uuid in provider_uuids}
    for row in tx.rows(_USED, {"ids": list(provider_uuids)}):
        found[row.provider_uuid][row.resource_class] = row.used
    return found


def project_usages(
    tx: Transaction, project_id: str, user_id: str | None, kind: str | None = None
) -> tuple[Sequence[UsageRow], dict[str | None, int]]:
    """Rows (consumer_type, resource_class, used) of what a project's consumers hold, and how many consumers there are
    of each type. `kind`: one type only, or "unknown" for those that have none. Two queries."""
    where = [consumers.c.project_id == project_id]
    if user_id is not None:
        where.append(consumers.c.user_id == user_id)
    if kind is not None:
        where.append(consumers.c.consumer_type.is_(None) if kind == "unknown" else consumers.c.consumer_type == kind)
    joined = consumers.join(allocations, allocations.c.consumer_uuid == consumers.c.uuid)
    rows = tx.rows(
        select_as(
            UsageRow,
            consumers.c.consumer_type,
            allocations.c.resource_class,
            func.sum(allocations.c.used).label("used"),
        )
        .select_from(joined)
        .where(*where)
        .group_by(consumers.c.consumer_type, allocations.c.resource_class)
        .order_by(allocations.c.resource_class)
    )
    counts = tx.rows(
        select(consumers.c.consumer_type, func.count().label("consumers"))
        .where(*where)
        .group_by(consumers.c.consumer_type)
    )
    return rows, {row.consumer_type: int(row.consumers) for row in counts}
