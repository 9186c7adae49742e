"""Shapes of service providers: other clouds that trust this one."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Wire
from cumulet.services.identity.tables import ServiceProviderRow
from cumulet.services.identity.wire.catalog import Url
from cumulet.services.identity.wire.collections import LINK, filters, self_link

Prefix = Annotated[str, Meta(max_length=256)]


class ServiceProviderCreate(Wire):
    auth_url: Url
    sp_url: Url
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    relay_state_prefix: Prefix | UnsetType | None = UNSET


class ServiceProviderCreateRequest(Wire):
    service_provider: ServiceProviderCreate


class ServiceProviderUpdate(Wire):
    auth_url: Url | UnsetType = UNSET
    sp_url: Url | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    relay_state_prefix: Prefix | UnsetType | None = UNSET


class ServiceProviderUpdateRequest(Wire):
    service_provider: ServiceProviderUpdate


def shown(call: Call, row: ServiceProviderRow) -> dict[str, Any]:
    """A service provider as Keystone shows it."""
    return {
        "id": row.id,
        "enabled": row.enabled,
        "description": row.description,
        "auth_url": row.auth_url,
        "sp_url": row.sp_url,
        "relay_state_prefix": row.relay_state_prefix,
        "links": self_link(call, f"OS-FEDERATION/service_providers/{row.id}"),
    }


SERVICE_PROVIDER = Record(
    "ServiceProvider",
    {
        "id": str,
        "enabled": bool,
        "description": str | None,
        "auth_url": str,
        "sp_url": str,
        "relay_state_prefix": str | None,
        "links": LINK,
    },
)
QUERY = filters(enabled=bool)
