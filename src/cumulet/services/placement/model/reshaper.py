"""Reshaping: inventories and allocations change together, in one transaction.

In between the providers have the union of their old and their new inventories, so that allocations can leave the
old ones and reach the new ones; what is left of the old ones then goes, unless it is still in use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import bindparam, select, update

from cumulet.db import Prepared, Transaction
from cumulet.http.faults import BadRequest, Conflict
from cumulet.services.placement.model import allocations, classes
from cumulet.services.placement.model import inventories as stock
from cumulet.services.placement.model.allocations import Holding
from cumulet.services.placement.model.inventories import CONCURRENT, IN_USE, Inventory
from cumulet.services.placement.tables import providers


class Shape(Struct, frozen=True):
    """What a provider shall have, and the generation at which the client saw it."""

    generation: int
    inventories: Mapping[str, Inventory]


_ADVANCE = Prepared(
    update(providers).where(providers.c.uuid == bindparam("uuid")).values(generation=providers.c.generation + 1)
)


def check(tx: Transaction, shapes: Mapping[str, Shape]) -> None:
    """Raises 400 for unknown providers and classes, 409 for a generation that has moved on. One query."""
    query = select(providers.c.uuid, providers.c.generation).where(providers.c.uuid.in_(list(shapes)))
    now = {row.uuid: row.generation for row in tx.rows(query.with_for_update())}
    for uuid, shape in shapes.items():
        if uuid not in now:
            raise BadRequest(
                f"Resource provider {uuid} in inventories not found: No resource provider with uuid {uuid} found",
                code="placement.resource_provider.not_found",
            )
        if shape.generation != now[uuid]:
            raise Conflict(
                f"resource provider generation conflict for provider {uuid}: actual: {now[uuid]}, "
                f"given: {shape.generation}",
                code=CONCURRENT,
            )
    unknown = classes.missing(tx, sorted({name for shape in shapes.values() for name in shape.inventories}))
    if unknown:
        raise BadRequest(f"malformed reshaper data: No such resource class {unknown[0]}.")


def reshape(tx: Transaction, shapes: Mapping[str, Shape], holdings: Sequence[Holding]) -> None:
    """Give the providers and the consumers what they shall have. Raises what `allocations.replace` raises, and 409
    for an inventory that goes while it is in use. Each step raises the generations, as clients expect. Some
    statements for each provider, none for each consumer."""
    for uuid, shape in shapes.items():
        if shape.inventories:
            stock.write(tx, uuid, shape.inventories, keep_others=True)
            tx.execute_prepared(_ADVANCE, {"uuid": uuid})
    allocations.replace(tx, holdings)
    for uuid, shape in shapes.items():
        try:
            stock.write(tx, uuid, shape.inventories)
        except Conflict as used:
            raise Conflict(f"update conflict: {used.message}", code=IN_USE) from None
        tx.execute_prepared(_ADVANCE, {"uuid": uuid})
