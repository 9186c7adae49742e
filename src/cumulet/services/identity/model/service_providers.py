"""Service providers: clouds that trust this one. Tokens list those that are enabled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import generation, lookups
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.model.mappings import check_id
from cumulet.services.identity.tables import ServiceProviderRow, service_providers

RELAY_STATE_PREFIX = "ss:mem:"
COLUMNS = {"id": service_providers.c.id, "enabled": service_providers.c.enabled}


def browse(tx: Transaction, query: Query) -> Sequence[ServiceProviderRow]:
    """Service providers that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(ServiceProviderRow), query, COLUMNS)


def create(tx: Transaction, provider_id: str, fields: Mapping[str, Any]) -> ServiceProviderRow:
    """A new service provider, disabled unless said otherwise. Raises 400, 409."""
    check_id(provider_id)
    row = {"relay_state_prefix": RELAY_STATE_PREFIX, **fields, "id": provider_id}
    taken = lookups.conflict("service_provider", f"Duplicate entry found with ID {provider_id}")
    lookups.insert(tx, service_providers, row, taken)
    generation.bump(tx)
    return lookups.get(tx, ServiceProviderRow, provider_id)


def update(tx: Transaction, provider_id: str, fields: Mapping[str, Any]) -> ServiceProviderRow:
    """Change a service provider. Raises 400, 404."""
    lookups.get(tx, ServiceProviderRow, provider_id)
    if not fields:
        raise BadRequest("Invalid input for field 'service_provider': {} does not have enough properties")
    tx.update(service_providers, service_providers.c.id == provider_id, **fields)
    generation.bump(tx)
    return lookups.get(tx, ServiceProviderRow, provider_id)


def delete(tx: Transaction, provider_id: str) -> None:
    """Delete a service provider. Raises 404."""
    lookups.get(tx, ServiceProviderRow, provider_id)
    tx.delete(service_providers, service_providers.c.id == provider_id)
    generation.bump(tx)
