"""Shapes of groups."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record, optional
from cumulet.http.shapes import Open
from cumulet.services.identity.tables import GroupRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, ShortName


class GroupCreate(Open):
    name: ShortName
    domain_id: Id | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class GroupCreateRequest(Open):
    group: GroupCreate


class GroupUpdate(Open):
    name: ShortName | UnsetType = UNSET
    domain_id: Id | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class GroupUpdateRequest(Open):
    group: GroupUpdate


def shown(call: Call, row: GroupRow) -> dict[str, Any]:
    """A group as Keystone shows it."""
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "description": row.description,
        "links": self_link(call, f"groups/{row.id}"),
    }


GROUP = Record("ShownGroup", {"id": str, "name": str, "domain_id": str, "description": str, "links": LINK}, others=Any)
GROUP_OF_USER = GROUP.but("GroupOfUser", membership_expires_at=optional(str))
QUERY = filters("name", "domain_id")
