"""Rows by id, Keystone's words for what is not there or there twice, and storing with those words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.exc import IntegrityError

from cumulet.db import Transaction, TypedRow, select_as
from cumulet.db.rows import R
from cumulet.http.faults import Conflict, NotFound
from cumulet.services.identity.model import names
from cumulet.services.identity.tables import (
    DomainRow,
    EndpointGroupRow,
    EndpointRow,
    GroupRow,
    IdentityProviderRow,
    MappingRow,
    PolicyRow,
    ProjectRow,
    RegionRow,
    RoleRow,
    ServiceProviderRow,
    ServiceRow,
    UserRow,
    projects,
)

KINDS: dict[str, type[Any]] = {
    "user": UserRow,
    "group": GroupRow,
    "project": ProjectRow,
    "domain": DomainRow,
    "role": RoleRow,
    "service": ServiceRow,
    "endpoint": EndpointRow,
    "endpoint_group": EndpointGroupRow,
    "region": RegionRow,
    "idp": IdentityProviderRow,
    "mapping": MappingRow,
    "policy": PolicyRow,
    "service_provider": ServiceProviderRow,
}
"""Noun → its row."""
NOUNS: dict[type[TypedRow], str] = {kind: noun for noun, kind in KINDS.items()}
_WORDS = {"endpoint_group": "Endpoint Group", "idp": "Identity Provider", "service_provider": "Service Provider"}


def missing(noun: str, identifier: str | None) -> NotFound:
    """Keystone's 404 for `noun`."""
    return NotFound(f"Could not find {_WORDS.get(noun, noun)}: {identifier}.")


def find(tx: Transaction, kind: type[R], identifier: str) -> R | None:
    """The row with this id, or None. One query."""
    table = kind.__table__
    wanted = select_as(kind).where(table.c.id == identifier)
    if kind is DomainRow:
        wanted = wanted.where(projects.c.is_domain)
    return tx.row(wanted)


def get(tx: Transaction, kind: type[R], identifier: str) -> R:
    """The row with this id. Raises 404. One query."""
    row = find(tx, kind, identifier)
    if row is None:
        raise missing(NOUNS[kind], identifier)
    return row


def existing(tx: Transaction, noun: str, identifiers: Collection[str]) -> set[str]:
    """Those of `identifiers` that are there. One query, none for no ids."""
    if not identifiers:
        return set()
    table = KINDS[noun].__table__
    return {row.id for row in tx.rows(select(table.c.id).where(table.c.id.in_(list(identifiers))))}


def conflict(kind: str, details: str) -> Conflict:
    """Keystone's 409."""
    return Conflict(f"Conflict occurred attempting to store {kind} - {details}.")


def insert(tx: Transaction, table: Table, values: Mapping[str, Any], taken: Conflict) -> None:
    """Insert a row; raises `taken` when its name or id is."""
    try:
        tx.insert(table, values)
    except IntegrityError:
        raise taken from None


def change(tx: Transaction, table: Table, identifier: str, values: Mapping[str, Any], taken: Conflict) -> None:
    """Update a row; raises `taken` when its new name is."""
    if not values:
        return
    try:
        tx.execute(update(table).where(table.c.id == identifier).values(**names.renamed(table, values)))
    except IntegrityError:
        raise taken from None
