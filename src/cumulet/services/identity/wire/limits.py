"""Shapes of registered limits and limits."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Wire
from cumulet.services.identity.model.limits import FullLimitRow
from cumulet.services.identity.tables import RegisteredLimitRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, Name

Amount = Annotated[int, Meta(ge=-1, le=0x7FFFFFFF)]
RegionId = Annotated[str, Meta(max_length=255)]


class RegisteredLimitCreate(Wire):
    service_id: Id
    resource_name: Name
    default_limit: Amount
    region_id: RegionId | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


class RegisteredLimitsCreateRequest(Wire):
    registered_limits: Annotated[list[RegisteredLimitCreate], Meta(min_length=1)]


class RegisteredLimitUpdate(Wire):
    service_id: Id | UnsetType = UNSET
    resource_name: Name | UnsetType = UNSET
    default_limit: Amount | UnsetType = UNSET
    region_id: RegionId | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


class RegisteredLimitUpdateRequest(Wire):
    registered_limit: RegisteredLimitUpdate


class LimitCreate(Wire):
    service_id: Id
    resource_name: Name
    resource_limit: Amount
    project_id: Id | UnsetType | None = UNSET
    domain_id: Id | UnsetType | None = UNSET
    region_id: RegionId | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


class LimitsCreateRequest(Wire):
    limits: Annotated[list[LimitCreate], Meta(min_length=1)]


class LimitUpdate(Wire):
    resource_limit: Amount | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class LimitUpdateRequest(Wire):
    limit: LimitUpdate


def shown_registered(call: Call, row: RegisteredLimitRow) -> dict[str, Any]:
    """A registered limit as Keystone shows it."""
    return {
        "id": row.id,
        "service_id": row.service_id,
        "region_id": row.region_id or None,
        "resource_name": row.resource_name,
        "default_limit": row.default_limit,
        "description": row.description,
        "links": self_link(call, f"registered_limits/{row.id}"),
    }


def shown(call: Call, row: FullLimitRow) -> dict[str, Any]:
    """A limit, joined with its registered limit, as Keystone shows it."""
    return {
        "id": row.id,
        "project_id": row.project_id,
        "domain_id": row.domain_id,
        "service_id": row.service_id,
        "region_id": row.region_id or None,
        "resource_name": row.resource_name,
        "resource_limit": row.resource_limit,
        "description": row.description,
        "links": self_link(call, f"limits/{row.id}"),
    }


REGISTERED_LIMIT = Record(
    "RegisteredLimit",
    {
        "id": str,
        "service_id": str,
        "region_id": str | None,
        "resource_name": str,
        "default_limit": int,
        "description": str | None,
        "links": LINK,
    },
)
LIMIT = Record(
    "Limit",
    {
        "id": str,
        "project_id": str | None,
        "domain_id": str | None,
        "service_id": str,
        "region_id": str | None,
        "resource_name": str,
        "resource_limit": int,
        "description": str | None,
        "links": LINK,
    },
)
MODEL = Record("LimitModel", {"name": str, "description": str})
REGISTERED_QUERY = filters("service_id", "region_id", "resource_name")
QUERY = filters("project_id", "domain_id", "service_id", "region_id", "resource_name")
