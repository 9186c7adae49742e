"""Who has room by itself: one query on `placement_inventories`, and the reasons when nobody has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Select, bindparam, exists, not_, or_, select

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.services.placement.model.filters import Filters
from cumulet.services.placement.model.providers import of_id
from cumulet.services.placement.tables import InventoryRow, inventories, providers


class Candidate(Struct, frozen=True):
    """A provider with room. `free`: class → what it could still give, before this request."""

    provider_uuid: str
    name: str
    free: dict[str, float]


class Form(Struct, frozen=True):
    """Which of the statements it is."""

    excluding: bool = False
    limited: bool = False
    ids_alone: bool = False


class Shortfall(Struct, frozen=True):
    """Why a provider has no room. `free`: what it could still give, never below 0."""

    provider_uuid: str
    name: str
    resource_class: str
    needed: int
    free: float


@lru_cache(maxsize=256)
def _prepared(names: tuple[str, ...], form: Form) -> Prepared[Any]:
    walk = _walk(names, form)
    return Prepared(walk if form.ids_alone else _described(names, walk), by_values=True)


def _fits_in(row: FromClause, name: str, number: int) -> list[ColumnElement[bool]]:
    """That an inventory gives what is asked of a class. A step of 1 is asked for by itself: what a database guesses
    about a remainder, one row in two hundred, would make it read and sort everything."""
    need: ColumnElement[int] = bindparam(f"need_{number}", type_=inventories.c.free.type)
    return [
        row.c.resource_class == name,
        row.c.free >= need,
        row.c.min_unit <= need,
        row.c.max_unit >= need,
        or_(row.c.step_size == 1, need % row.c.step_size == 0),
    ]


def _walk(names: tuple[str, ...], form: Form, filters: Filters | None = None) -> Select[Any]:
    """Ids of providers that have room in every class of `names`, the most of the first one first.

    How it stays flat as providers grow: the index (class, free, provider) holds the providers in the order of the
    answer. The database walks it from the most, looks each provider's other classes up by key, and stops at the limit,
    whether there are a hundred providers or a million. Nothing is sorted, and no provider's row is read that is not
    asked about. The other classes are asked with EXISTS, not joined: joined tables let a planner think that an answer
    must be sorted, which reads everything first. What it costs grows with the providers that the walk passes by:
    those full in another class although they have most of the first, and those that `filters` leave out.
    """
    first = inventories.alias("first")
    query = select(first.c.provider_uuid, first.c.free).where(*_fits_in(first, names[0], 0))
    for number, name in enumerate(names[1:], 1):
        other = inventories.alias(f"other_{number}")
        found = select(other.c.provider_uuid).where(other.c.provider_uuid == first.c.provider_uuid)
        query = query.where(exists(found.where(*_fits_in(other, name, number))))
    if filters is not None:
        query = query.where(*of_id(first.c.provider_uuid, filters))
    if form.excluding:
        query = query.where(not_(in_bound_list(first.c.provider_uuid, "exclude")))
    query = query.order_by(first.c.free.desc(), first.c.provider_uuid.desc())
    return query.limit(bindparam("most")) if form.limited else query


def _described(names: tuple[str, ...], walk: Select[Any]) -> Select[Any]:
    """Names, and what is free of each class, of the providers that the walk came to."""
    walked = walk.subquery("walked")
    others = [inventories.alias(f"free_{number}") for number in range(1, len(names))]
    joined: Any = walked.join(providers, providers.c.uuid == walked.c.provider_uuid)
    for other, name in zip(others, names[1:], strict=True):
        same = (other.c.provider_uuid == walked.c.provider_uuid) & (other.c.resource_class == name)
        joined = joined.join(other, same)
    free = [walked.c.free, *(other.c.free for other in others)]
    labelled = [column.label(f"free_of_{number}") for number, column in enumerate(free)]
    query = select(providers.c.uuid, providers.c.name, *labelled).select_from(joined)
    return query.order_by(walked.c.free.desc(), walked.c.provider_uuid.desc())


def candidates(
    tx: Transaction, resources: Mapping[str, int], *, limit: int | None, exclude: Collection[str] = ()
) -> list[Candidate]:
    """Providers with room for `resources`, most free MEMORY_MB first. One query, see `_walk`."""
    names = _ordered(resources)
    if not names:
        return _all(tx, limit, exclude)
    parameters = _parameters(names, resources, limit)
    if exclude:
        parameters["exclude"] = list(exclude)
    found = tx.tuples(_prepared(names, Form(excluding=bool(exclude), limited=limit is not None)), parameters)
    return [Candidate(row[0], row[1], dict(zip(names, row[2:], strict=True))) for row in found]


def fitting(tx: Transaction, resources: Mapping[str, int], *, limit: int | None, filters: Filters) -> list[str]:
    """As `candidates`, the ids alone, of the providers that `filters` (those of `of_id`) leave in."""
    names, form = _ordered(resources), Form(limited=limit is not None, ids_alone=True)
    parameters = _parameters(names, resources, limit)
    if filters != Filters():
        return [row[0] for row in tx.rows(_walk(names, form, filters), parameters)]
    return [row[0] for row in tx.tuples(_prepared(names, form), parameters)]


@lru_cache(maxsize=256)
def _tree_walk(names: tuple[str, ...]) -> Prepared[Any]:
    first, its = inventories.alias("first"), providers.alias("its")
    joined = first.join(its, its.c.uuid == first.c.provider_uuid)
    query = select(its.c.root_uuid).select_from(joined).where(*_fits_in(first, names[0], 0))
    for number, name in enumerate(names[1:], 1):
        other, near = inventories.alias(f"other_{number}"), providers.alias(f"near_{number}")
        has = select(other.c.provider_uuid).where(other.c.provider_uuid == near.c.uuid, *_fits_in(other, name, number))
        query = query.where(exists(select(near.c.uuid).where(near.c.root_uuid == its.c.root_uuid, exists(has))))
    query = query.order_by(first.c.free.desc(), first.c.provider_uuid.desc()).limit(bindparam("most"))
    return Prepared(query, by_values=True)


def trees(tx: Transaction, resources: Mapping[str, int], limit: int) -> list[str]:
    """Roots of trees whose providers have room for `resources` together, enough of them for `limit` candidates: each
    provider of the first class that the walk comes to (see `_walk`) is in a candidate of its own. One query."""
    names = _ordered(resources)
    return list(dict.fromkeys(row[0] for row in tx.tuples(_tree_walk(names), _parameters(names, resources, limit))))


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


class _Shelf(InventoryRow):
    """An inventory of a named provider; one without any has a row of NULLs."""

    uuid: str
    name: str


def shortfalls(tx: Transaction, resources: Mapping[str, int]) -> list[Shortfall]:
    """Every provider's every class that cannot give what is asked. One query; not for the hot path."""
    names = [name for name, amount in resources.items() if amount > 0]
    query = (
        select_as(_Shelf, providers.c.uuid, providers.c.name, inventories)
        .select_from(
            providers.outerjoin(
                inventories,
                (inventories.c.provider_uuid == providers.c.uuid) & inventories.c.resource_class.in_(names),
            )
        )
        .order_by(providers.c.name)
    )
    stock: dict[tuple[str, str], dict[str, InventoryRow]] = {}
    for row in tx.rows(query):
        stock.setdefault((row.uuid, row.name), {})[row.resource_class] = row
    return [
        Shortfall(uuid, provider, name, resources[name], _giveable(have.get(name)))
        for (uuid, provider), have in stock.items()
        for name in names
        if not _fits(have.get(name), resources[name])
    ]


def _giveable(row: InventoryRow | None) -> int:
    return 0 if row is None else max(0, min(row.capacity - row.used, row.max_unit))


def _fits(row: InventoryRow | None, need: int) -> bool:
    return (
        row is not None
        and row.min_unit <= need <= row.max_unit
        and need % row.step_size == 0
        and row.used + need <= row.capacity
    )
