"""Who has room by itself: one query on `placement_inventories`, and the reasons when nobody has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, not_, select

from cumulet.services.placement.tables import inventories, providers
from cumulet.store import Prepared, Transaction
from cumulet.store.among import among_bound


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider with room. `free`: class → what it could still give, before this request."""

    provider_uuid: str
    name: str
    free: dict[str, float]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a provider has no room. `free`: what it could still give, never below 0."""

    provider_uuid: str
    name: str
    resource_class: str
    needed: int
    free: float


@lru_cache(maxsize=256)
def _prepared(names: tuple[str, ...], excluding: bool, limited: bool) -> Prepared:
    return Prepared(_statement(names, excluding, limited))


@lru_cache(maxsize=256)
def _statement(names: tuple[str, ...], excluding: bool, limited: bool) -> Select[Any]:
    """Providers that have room in every class of `names`, most of the first one first."""
    first = inventories.alias()
    stock = [first, *(inventories.alias() for _ in names[1:])]
    joined: Any = first
    for other in stock[1:]:
        joined = joined.join(other, other.c.provider_uuid == first.c.provider_uuid)
    joined = joined.join(providers, providers.c.uuid == first.c.provider_uuid)
    free = [row.c.free.label(f"free_{i}") for i, row in enumerate(stock)]
    query = select(providers.c.uuid, providers.c.name, *free).select_from(joined)
    for i, (row, name) in enumerate(zip(stock, names, strict=True)):
        need: ColumnElement[int] = bindparam(f"need_{i}", type_=row.c.used.type)
        query = query.where(
            row.c.resource_class == name,
            row.c.free >= need,
            row.c.min_unit <= need,
            row.c.max_unit >= need,
            need % row.c.step_size == 0,
        )
    if excluding:
        query = query.where(not_(among_bound(providers.c.uuid, "exclude")))
    # along the index (class, free, provider), backwards: the walk ends at the limit
    query = query.order_by(first.c.free.desc(), first.c.provider_uuid.desc())
    return query.limit(bindparam("most")) if limited else query


def candidates(
    tx: Transaction, resources: Mapping[str, int], *, limit: int | None, exclude: Collection[str] = ()
) -> list[Candidate]:
    """Providers with room for `resources`, most free MEMORY_MB first. One query, which stays flat as providers grow:
    it walks the index (class, free, provider) from the most to what is needed and ends at the limit, looking up the
    other classes of each provider by key."""
    names = _ordered(resources)
    if not names:
        return _all(tx, limit, exclude)
    parameters = _parameters(names, resources, limit)
    if exclude:
        parameters["exclude"] = list(exclude)
    found = tx.raw(_prepared(names, bool(exclude), limit is not None), parameters)
    return [Candidate(row[0], row[1], dict(zip(names, row[2:], strict=True))) for row in found]


def fitting(
    tx: Transaction, resources: Mapping[str, int], *, limit: int | None, where: Sequence[ColumnElement[bool]]
) -> list[str]:
    """As `candidates`, the providers' ids alone; `where` narrows `placement_providers`."""
    names = _ordered(resources)
    parameters, form = _parameters(names, resources, limit), (names, False, limit is not None)
    if where:
        return [row[0] for row in tx.rows(_statement(*form).where(*where), parameters)]
    return [row[0] for row in tx.raw(_prepared(*form), parameters)]


def _ordered(resources: Mapping[str, int]) -> tuple[str, ...]:
    """The classes that are asked for, that by which providers are ordered first."""
    return tuple(sorted((n for n, amount in resources.items() if amount > 0), key=lambda n: (n != "MEMORY_MB", n)))


def _parameters(names: Sequence[str], resources: Mapping[str, int], limit: int | None) -> dict[str, Any]:
    needs: dict[str, Any] = {f"need_{i}": resources[name] for i, name in enumerate(names)}
    return needs if limit is None else {**needs, "most": limit}


def _all(tx: Transaction, limit: int | None, exclude: Collection[str]) -> list[Candidate]:
    """Every provider: nothing was asked for."""
    query = select(providers.c.uuid, providers.c.name).where(providers.c.uuid.not_in(list(exclude)))
    return [Candidate(row.uuid, row.name, {}) for row in tx.rows(query.order_by(providers.c.uuid).limit(limit))]


def shortfalls(tx: Transaction, resources: Mapping[str, int]) -> list[Shortfall]:
    """Every provider's every class that cannot give what is asked. One query; not for the hot path."""
    names = [name for name, amount in resources.items() if amount > 0]
    query = (
        select(providers.c.uuid, providers.c.name, inventories)
        .select_from(
            providers.outerjoin(
                inventories,
                (inventories.c.provider_uuid == providers.c.uuid) & inventories.c.resource_class.in_(names),
            )
        )
        .order_by(providers.c.name)
    )
    stock: dict[tuple[str, str], dict[str, Any]] = {}
    for row in tx.rows(query):
        stock.setdefault((row.uuid, row.name), {})[row.resource_class] = row
    return [
        Shortfall(uuid, provider, name, resources[name], _giveable(have.get(name)))
        for (uuid, provider), have in stock.items()
        for name in names
        if not _fits(have.get(name), resources[name])
    ]


def _giveable(row: Any) -> int:
    return 0 if row is None else max(0, min(row.capacity - row.used, row.max_unit))


def _fits(row: Any, need: int) -> bool:
    return (
        row is not None
        and row.min_unit <= need <= row.max_unit
        and need % row.step_size == 0
        and row.used + need <= row.capacity
    )
