"""Shapes of endpoint groups."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Wire
from cumulet.services.identity.tables import EndpointGroupRow
from cumulet.services.identity.wire.catalog import Interface, RegionId
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, Name


class Filters(Wire):
    """What an endpoint has to be to be in the group."""

    interface: Interface | UnsetType = UNSET
    service_id: Id | UnsetType = UNSET
    region_id: RegionId | UnsetType = UNSET


class EndpointGroupCreate(Wire):
    name: Name
    filters: Filters
    description: str | UnsetType | None = UNSET


class EndpointGroupCreateRequest(Wire):
    endpoint_group: EndpointGroupCreate


class EndpointGroupUpdate(Wire):
    name: Name | UnsetType = UNSET
    filters: Filters | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    id: str | UnsetType = UNSET


class EndpointGroupUpdateRequest(Wire):
    endpoint_group: EndpointGroupUpdate


def shown(call: Call, row: EndpointGroupRow) -> dict[str, Any]:
    """An endpoint group as Keystone shows it."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "filters": row.filters,
        "links": self_link(call, f"OS-EP-FILTER/endpoint_groups/{row.id}"),
    }


def membership(call: Call, group_id: str, project_id: str) -> dict[str, Any]:
    """That a project has an endpoint group."""
    links = self_link(call, f"OS-EP-FILTER/endpoint_groups/{group_id}/projects/{project_id}")
    return {"endpoint_group_id": group_id, "project_id": project_id, "links": links}


ENDPOINT_GROUP = Record(
    "EndpointGroup",
    {"id": str, "name": str, "description": str | None, "filters": {str: str | None}, "links": LINK},
)
MEMBERSHIP = Record("EndpointGroupOfProject", {"endpoint_group_id": str, "project_id": str, "links": LINK})
QUERY = filters("name")
