"""Rows by id, Keystone's words for what is not there or there twice, and storing with those words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Row, Table, select, update
from sqlalchemy.exc import IntegrityError

from cumulet.db import Transaction
from cumulet.http.faults import Conflict, NotFound
from cumulet.services.identity.model import names
from cumulet.services.identity.tables import (
    endpoint_groups,
    endpoints,
    groups,
    identity_providers,
    mappings,
    policies,
    projects,
    regions,
    roles,
    service_providers,
    services,
    users,
)

TABLES: dict[str, Table] = {
    "user": users,
    "group": groups,
    "project": projects,
    "domain": projects,
    "role": roles,
    "service": services,
    "endpoint": endpoints,
    "endpoint_group": endpoint_groups,
    "region": regions,
    "idp": identity_providers,
    "mapping": mappings,
    "policy": policies,
    "service_provider": service_providers,
}
_WORDS = {"endpoint_group": "Endpoint Group", "idp": "Identity Provider", "service_provider": "Service Provider"}


def missing(noun: str, identifier: str | None) -> NotFound:
    """Keystone's 404 for `noun`."""
    return NotFound(f"Could not find {_WORDS.get(noun, noun)}: {identifier}.")


def find(tx: Transaction, noun: str, identifier: str) -> Row[Any] | None:
    """The row of `noun`, or None. One query."""
    table = TABLES[noun]
    wanted = select(table).where(table.c.id == identifier)
    if noun == "domain":
        wanted = wanted.where(projects.c.is_domain)
    return tx.row(wanted)


def get(tx: Transaction, noun: str, identifier: str) -> Row[Any]:
    """The row of `noun`. Raises 404. One query."""
    row = find(tx, noun, identifier)
    if row is None:
        raise missing(noun, identifier)
    return row


def existing(tx: Transaction, noun: str, identifiers: Collection[str]) -> set[str]:
    """Those of `identifiers` that are there. One query, none for no ids."""
    if not identifiers:
        return set()
    table = TABLES[noun]
    return {row.id for row in tx.rows(select(table.c.id).where(table.c.id.in_(list(identifiers))))}


def conflict(kind: str, details: str) -> Conflict:
    """Keystone's 409."""
    return Conflict(f"Conflict occurred attempting to store {kind} - {details}.")


def db(tx: Transaction, table: Table, values: Mapping[str, Any], taken: Conflict) -> None:
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
