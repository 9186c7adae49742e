"""Services of the catalog."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.services.identity.model import endpoint_filters, generation, lookups, policies, registered_limits
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import ServiceRow, endpoints, services

COLUMNS = {"id": services.c.id, "type": services.c.type, "name": services.c.name}


def browse(tx: Transaction, query: Query) -> Sequence[ServiceRow]:
    """Services that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(ServiceRow), query, COLUMNS)


def create(tx: Transaction, fields: Mapping[str, Any]) -> ServiceRow:
    """A new service; types and names may be there twice, as in Keystone."""
    service_id = uuid.uuid4().hex
    tx.insert(services, {**fields, "id": service_id})
    generation.bump(tx)
    return lookups.get(tx, ServiceRow, service_id)


def update(tx: Transaction, service_id: str, fields: Mapping[str, Any]) -> ServiceRow:
    """Change a service."""
    tx.update(services, services.c.id == service_id, **fields)
    generation.bump(tx)
    return lookups.get(tx, ServiceRow, service_id)


def delete(tx: Transaction, service_id: str) -> None:
    """Delete a service with its endpoints and the limits on what it has."""
    registered_limits.forget(tx, service_id=service_id)
    its_endpoints = select(endpoints.c.id).where(endpoints.c.service_id == service_id)
    endpoint_filters.forget(tx, endpoint_ids=its_endpoints)
    policies.forget(tx, endpoint_ids=its_endpoints, service_ids=[service_id])
    tx.delete(endpoints, endpoints.c.service_id == service_id)
    tx.delete(services, services.c.id == service_id)
    generation.bump(tx)
