"""Resource classes: the standard ones are constants of OpenStack, custom ones are rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import os_resource_classes
from sqlalchemy import select

from cumulet.db import Transaction
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.placement.tables import inventories, resource_classes

STANDARD = tuple(os_resource_classes.STANDARDS)
"""OpenStack's standard resource classes, from its own package, in its order."""
_STANDARD = frozenset(STANDARD)
_PLACE = {name: place for place, name in enumerate(STANDARD)}


def ordered(names: Iterable[str]) -> list[str]:
    """The standard classes in their order, then the others by name."""
    return sorted(names, key=lambda name: (_PLACE.get(name, len(_PLACE)), name))


def missing(tx: Transaction, names: Collection[str]) -> list[str]:
    """Those of `names` that are no resource class. No query when all are standard ones."""
    unknown = [name for name in names if name not in _STANDARD]
    if not unknown:
        return []
    query = select(resource_classes.c.name).where(resource_classes.c.name.in_(unknown))
    found = {row.name for row in tx.rows(query)}
    return [name for name in unknown if name not in found]


def names(tx: Transaction) -> list[str]:
    """All resource classes, the standard ones first."""
    rows = tx.rows(select(resource_classes.c.name).order_by(resource_classes.c.name))
    return [*STANDARD, *(row.name for row in rows)]


def require(tx: Transaction, name: str) -> None:
    """Raises 404 when there is no such class."""
    if missing(tx, [name]):
        raise NotFound(f"No such resource class {name}.")


def create(tx: Transaction, name: str) -> bool:
    """Make a custom class; False when it is already there."""
    if not missing(tx, [name]):
        return False
    tx.insert(resource_classes, {"name": name, "updated_at": tx.now})
    return True


def rename(tx: Transaction, name: str, new: str) -> None:
    """Give a custom class another name, wherever it stands."""
    require(tx, name)
    if name in _STANDARD:
        raise BadRequest(f"Cannot update standard resource class {name}.")
    if name == new:
        return
    if not missing(tx, [new]):
        raise Conflict(f"Resource class already exists: {new}")
    if tx.scalar(select(inventories.c.used).where(inventories.c.resource_class == name).limit(1)) is not None:
        raise Conflict(f"Cannot rename resource class {name}. Class is in use in inventory.")
    tx.update(resource_classes, resource_classes.c.name == name, name=new, updated_at=tx.now)


def delete(tx: Transaction, name: str) -> None:
    """Delete a custom class that no inventory has."""
    require(tx, name)
    if name in _STANDARD:
        raise BadRequest(f"Error in delete resource class: Cannot delete standard resource class {name}.")
    if tx.scalar(select(inventories.c.used).where(inventories.c.resource_class == name).limit(1)) is not None:
        raise Conflict(
            f"Error in delete resource class: Cannot delete resource class {name}. Class is in use in inventory."
        )
    tx.delete(resource_classes, resource_classes.c.name == name)
