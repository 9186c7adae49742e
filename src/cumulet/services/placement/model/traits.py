"""Traits: the standard ones are constants of OpenStack, custom ones are rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from sqlalchemy import select

from cumulet.db import Transaction
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.placement.tables import provider_traits, traits


@lru_cache(maxsize=1)
def standard() -> dict[str, None]:
    """OpenStack's standard traits in their order, from its own package, which is read when they are first asked for."""
    import os_traits

    return dict.fromkeys(sorted(os_traits.get_traits()))


def ordered(names: Iterable[str]) -> list[str]:
    """The standard traits by name, then the custom ones by name."""
    return sorted(names, key=lambda name: (name not in standard(), name))


def missing(tx: Transaction, names: Collection[str]) -> list[str]:
    """Those of `names` that are no trait. No query when all are standard ones."""
    unknown = sorted({name for name in names if name not in standard()})
    if not unknown:
        return []
    found = {row.name for row in tx.rows(select(traits.c.name).where(traits.c.name.in_(unknown)))}
    return [name for name in unknown if name not in found]


def require(tx: Transaction, named: Collection[str], prefix: str) -> None:
    """Raises 400 when one of `named` is no trait."""
    unknown = missing(tx, named)
    if unknown:
        raise BadRequest(f"{prefix}No such trait(s): {', '.join(unknown)}.")


def names(tx: Transaction, associated: bool | None) -> list[str]:
    """All traits, or those that a provider has (or that none has)."""
    everything = [*standard(), *(row.name for row in tx.rows(select(traits.c.name).order_by(traits.c.name)))]
    if associated is None:
        return everything
    used = {row.trait for row in tx.rows(select(provider_traits.c.trait).distinct())}
    return [name for name in everything if (name in used) == associated]


def create(tx: Transaction, name: str) -> bool:
    """Make a custom trait; False when it is already there."""
    if not missing(tx, [name]):
        return False
    tx.insert(traits, {"name": name, "updated_at": tx.now})
    return True


def delete(tx: Transaction, name: str) -> None:
    """Delete a custom trait. Raises 404, 400 for a standard one, 409 while a provider has it."""
    if missing(tx, [name]):
        raise NotFound(f"No such trait(s): {name}.")
    if name in standard():
        raise BadRequest(f"Cannot delete standard trait {name}.")
    if tx.row(select(provider_traits.c.trait).where(provider_traits.c.trait == name).limit(1)) is not None:
        raise Conflict(f"The trait {name} is in use by a resource provider.")
    tx.delete(traits, traits.c.name == name)


def of_providers(tx: Transaction, uuids: Collection[str]) -> dict[str, list[str]]:
    """Traits by provider, sorted. One query."""
    found: dict[str, list[str]] = {}
    query = select(provider_traits).where(provider_traits.c.provider_uuid.in_(uuids)).order_by(provider_traits.c.trait)
    for row in tx.rows(query):
        found.setdefault(row.provider_uuid, []).append(row.trait)
    return {uuid: ordered(names) for uuid, names in found.items()}


def assign(tx: Transaction, provider: str, wanted: Iterable[str]) -> None:
    """Replace the provider's traits."""
    tx.delete(provider_traits, provider_traits.c.provider_uuid == provider)
    tx.insert(provider_traits, [{"provider_uuid": provider, "trait": name} for name in sorted(set(wanted))])
