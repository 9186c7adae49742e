"""Shapes of services, endpoints and regions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record, optional
from cumulet.http.shapes import Open
from cumulet.services.identity.tables import EndpointRow, RegionRow, ServiceRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, Name

Url = Annotated[str, Meta(max_length=225, pattern=r"^[a-zA-Z0-9+.-]+:.+")]
RegionId = Annotated[str, Meta(max_length=255)]
Interface = Literal["admin", "internal", "public"]


class ServiceCreate(Open):
    type: Annotated[str, Meta(min_length=1, max_length=255)]
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool = True


class ServiceCreateRequest(Open):
    service: ServiceCreate


class ServiceUpdate(Open):
    type: Name | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class ServiceUpdateRequest(Open):
    service: ServiceUpdate


class EndpointCreate(Open):
    interface: Interface
    service_id: Id
    url: Url
    region_id: RegionId | UnsetType | None = UNSET
    region: RegionId | UnsetType | None = UNSET
    enabled: bool = True


class EndpointCreateRequest(Open):
    endpoint: EndpointCreate


class EndpointUpdate(Open):
    interface: Interface | UnsetType = UNSET
    service_id: Id | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    region_id: RegionId | UnsetType | None = UNSET
    region: RegionId | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class EndpointUpdateRequest(Open):
    endpoint: EndpointUpdate


class RegionCreate(Open):
    id: RegionId | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    parent_region_id: RegionId | UnsetType | None = UNSET


class RegionCreateRequest(Open):
    region: RegionCreate


class RegionUpdate(Open):
    description: str | UnsetType | None = UNSET
    parent_region_id: RegionId | UnsetType | None = UNSET


class RegionUpdateRequest(Open):
    region: RegionUpdate


def service(call: Call, row: ServiceRow) -> dict[str, Any]:
    """A service as Keystone shows it."""
    told = {
        **row.extra,
        "id": row.id,
        "type": row.type,
        "enabled": row.enabled,
        "links": self_link(call, f"services/{row.id}"),
    }
    return told | {name: getattr(row, name) for name in ("name", "description") if getattr(row, name) is not None}


def endpoint(call: Call, row: EndpointRow) -> dict[str, Any]:
    """An endpoint as Keystone shows it."""
    return {
        **row.extra,
        "id": row.id,
        "interface": row.interface,
        "service_id": row.service_id,
        "region_id": row.region_id,
        "region": row.region_id,
        "url": row.url,
        "enabled": row.enabled,
        "links": self_link(call, f"endpoints/{row.id}"),
    }


def region(call: Call, row: RegionRow) -> dict[str, Any]:
    """A region as Keystone shows it."""
    return {
        **row.extra,
        "id": row.id,
        "description": row.description,
        "parent_region_id": row.parent_region_id,
        "links": self_link(call, f"regions/{row.id}"),
    }


SERVICE = Record(
    "Service",
    {
        "id": str,
        "type": str,
        "enabled": bool,
        "links": LINK,
        "name": optional(str),
        "description": optional(str),
    },
    others=Any,
)
ENDPOINT = Record(
    "Endpoint",
    {
        "id": str,
        "interface": str,
        "service_id": str,
        "region_id": str | None,
        "region": str | None,
        "url": str,
        "enabled": bool,
        "links": LINK,
    },
    others=Any,
)
REGION = Record("Region", {"id": str, "description": str, "parent_region_id": str | None, "links": LINK}, others=Any)
SERVICES_QUERY = filters("type", "name")
ENDPOINTS_QUERY = filters("service_id", "region_id", "region", "interface", enabled=bool)
REGIONS_QUERY = filters("parent_region_id")
