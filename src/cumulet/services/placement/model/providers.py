"""Resource providers: rows, their aggregates and traits, and the filters of lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, Select, and_, false, or_, select

from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.placement.model import inventories as stock
from cumulet.services.placement.model.filters import Filters
from cumulet.services.placement.tables import (
    ProviderRow,
    allocations,
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
)


def get(tx: Transaction, uuid: str) -> ProviderRow:
    """The provider's row. Raises 404."""
    row = tx.row(select_as(ProviderRow).where(providers.c.uuid == uuid))
    if row is None:
        raise NotFound(f"No resource provider with uuid {uuid} found", code="placement.resource_provider.not_found")
    return row


def listed(tx: Transaction, filters: Filters) -> Sequence[ProviderRow]:
    """Providers that match, by name. One query, two with `in_tree`."""
    return tx.rows(select_as(ProviderRow).where(*conditions(tx, filters)).order_by(providers.c.name))


def conditions(tx: Transaction, filters: Filters) -> list[ColumnElement[bool]]:
    """The filters as conditions on `placement_providers`."""
    found: list[ColumnElement[bool]] = []
    if filters.name is not None:
        found.append(providers.c.name == filters.name)
    if filters.in_tree is not None:
        root = tx.scalar(select(providers.c.root_uuid).where(providers.c.uuid == filters.in_tree))
        found.append(providers.c.root_uuid == root if root is not None else false())
    found += [_has_room(name, amount) for name, amount in filters.resources.items()]
    return found + of_id(providers.c.uuid, filters)


def of_id(column: ColumnElement[str], filters: Filters) -> list[ColumnElement[bool]]:
    """Those filters that need no more than the provider's id, as conditions on a column of any table that holds it."""
    found: list[ColumnElement[bool]] = []
    if filters.uuid is not None:
        found.append(column == filters.uuid)
    found += [column.in_(_in_aggregate(choice)) for choice in filters.member_of]
    if filters.outside:
        found.append(column.not_in(_in_aggregate(filters.outside)))
    found += [column.in_(_with_trait(choice)) for choice in filters.any_traits]
    if filters.without_traits:
        found.append(column.not_in(_with_trait(filters.without_traits)))
    return found


def _has_room(name: str, amount: int) -> ColumnElement[bool]:
    row = inventories.alias()
    fits = and_(
        row.c.resource_class == name,
        row.c.used + amount <= row.c.capacity,
        row.c.min_unit <= amount,
        row.c.max_unit >= amount,
        amount % row.c.step_size == 0,
    )
    return providers.c.uuid.in_(select(row.c.provider_uuid).where(fits))


def _in_aggregate(uuids: Collection[str]) -> Select[tuple[str]]:
    return select(provider_aggregates.c.provider_uuid).where(provider_aggregates.c.aggregate_uuid.in_(list(uuids)))


def _with_trait(names: Collection[str]) -> Select[tuple[str]]:
    return select(provider_traits.c.provider_uuid).where(provider_traits.c.trait.in_(list(names)))


def create(tx: Transaction, *, uuid: str, name: str, parent: str | None) -> None:
    """A new provider at generation 0. Raises 409 for a name or uuid that is taken, 400 for an unknown parent."""
    taken = tx.row(select_as(ProviderRow).where(or_(providers.c.uuid == uuid, providers.c.name == name)))
    if taken is not None:
        which = f"uuid: {uuid}" if taken.uuid == uuid else f"name: {name}"
        raise Conflict(f"Conflicting resource provider {which} already exists.", code="placement.duplicate_name")
    root = uuid
    if parent == uuid:
        raise BadRequest(
            f'Unable to create resource provider "{name}", {uuid}: Object action create failed because: parent '
            "provider UUID cannot be same as UUID. Please set parent provider UUID to None if there is no parent."
        )
    if parent is not None:
        root = _root_of(tx, parent, f'Unable to create resource provider "{name}", {uuid}', "create")
    row = {"uuid": uuid, "name": name, "generation": 0, "parent_uuid": parent, "root_uuid": root}
    tx.insert(providers, {**row, "created_at": tx.now, "updated_at": tx.now})


def _root_of(tx: Transaction, parent: str, what: str, action: str) -> str:
    root = tx.scalar(select(providers.c.root_uuid).where(providers.c.uuid == parent))
    if root is None:
        raise BadRequest(f"{what}: Object action {action} failed because: parent provider UUID does not exist.")
    return str(root)


def rename(tx: Transaction, row: ProviderRow, name: str, parent: str | None, *, reparent: bool) -> None:
    """Another name, and another parent: where there was none, or anywhere with `reparent`. Raises 409 for a name
    that is taken, 400 for a parent that cannot be."""
    if tx.row(select(providers.c.uuid).where(providers.c.name == name, providers.c.uuid != row.uuid)) is not None:
        raise Conflict(f"Conflicting resource provider {name} already exists.", code="placement.duplicate_name")
    root = row.root_uuid if parent == row.parent_uuid else _moved(tx, row, parent, reparent)
    tx.update(providers, providers.c.uuid == row.uuid, name=name, parent_uuid=parent, root_uuid=root, updated_at=tx.now)


def _moved(tx: Transaction, row: ProviderRow, parent: str | None, reparent: bool) -> str:
    """Move the provider with all below it under another parent; the root of the tree it is in then."""
    what = f"Unable to save resource provider {row.uuid}"
    if (row.parent_uuid is not None or parent is None) and not reparent:
        how = "un-parenting" if parent is None else "re-parenting"
        raise BadRequest(f"{what}: Object action update failed because: {how} a provider is not currently allowed.")
    root = row.uuid if parent is None else _root_of(tx, parent, what, "update")
    tree = tx.rows(select(providers.c.uuid, providers.c.parent_uuid).where(providers.c.root_uuid == row.root_uuid))
    below = {row.uuid}
    while more := {one.uuid for one in tree if one.parent_uuid in below} - below:
        below |= more
    if parent in below:
        raise BadRequest(
            f"{what}: Object action update failed because: creating loop in the provider tree is not allowed."
        )
    tx.update(providers, providers.c.uuid.in_(below), root_uuid=root)
    return root


def require_generation(row: ProviderRow, seen: int) -> None:
    """Raises 409 unless the client saw the provider's current generation."""
    if row.generation != seen:
        raise Conflict(
            "Resource provider's generation already changed. Please update the generation and try again.",
            code=stock.CONCURRENT,
        )


def delete(tx: Transaction, uuid: str) -> None:
    """Delete the provider with its inventories, traits and aggregates. Raises 404, and 409 while it is in use."""
    if tx.row(select(providers.c.uuid).where(providers.c.uuid == uuid)) is None:
        raise NotFound(f"No resource provider with uuid {uuid} found for delete")
    if tx.row(select(providers.c.uuid).where(providers.c.parent_uuid == uuid)) is not None:
        raise Conflict(
            f"Unable to delete parent resource provider {uuid}: It has child resource providers.",
            code="placement.resource_provider.cannot_delete_parent",
        )
    if tx.row(select(allocations.c.used).where(allocations.c.provider_uuid == uuid).limit(1)) is not None:
        raise Conflict(
            f"Unable to delete resource provider {uuid}: Resource provider has allocations.",
            code="placement.resource_provider.inuse",
        )
    delete_unused(tx, [uuid])


def delete_unused(tx: Transaction, uuids: Sequence[str]) -> None:
    """Delete providers without allocations and children."""
    for table in (inventories, provider_traits, provider_aggregates):
        tx.delete(table, in_list(table.c.provider_uuid, uuids))
    tx.delete(providers, in_list(providers.c.uuid, uuids))


def aggregates(tx: Transaction, uuid: str) -> list[str]:
    """Aggregates of a provider."""
    query = select(provider_aggregates.c.aggregate_uuid).where(provider_aggregates.c.provider_uuid == uuid)
    return sorted(row.aggregate_uuid for row in tx.rows(query))


def set_aggregates(tx: Transaction, row: ProviderRow, uuids: Iterable[str], generation: int | None) -> int:
    """Replace the provider's aggregates; its generation afterwards. With `generation`, only at that one."""
    after = row.generation
    if generation is not None:
        require_generation(row, generation)
        after = stock.advance(tx, row.uuid, generation)
    tx.delete(provider_aggregates, provider_aggregates.c.provider_uuid == row.uuid)
    tx.insert(provider_aggregates, [{"provider_uuid": row.uuid, "aggregate_uuid": a} for a in sorted(set(uuids))])
    return after
