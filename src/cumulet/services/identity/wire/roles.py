"""Shapes of roles, of what they imply, and of grants' lists."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Open
from cumulet.services.identity.tables import RoleRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, Name, Options


class RoleCreate(Open):
    name: Name
    domain_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET


class RoleCreateRequest(Open):
    role: RoleCreate


class RoleUpdate(Open):
    name: Name | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET


class RoleUpdateRequest(Open):
    role: RoleUpdate


def shown(call: Call, row: RoleRow) -> dict[str, Any]:
    """A role as Keystone shows it."""
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id or None,
        "description": row.description,
        "options": row.options,
        "links": self_link(call, f"roles/{row.id}"),
    }


def brief(call: Call, row: RoleRow) -> dict[str, Any]:
    """A role inside a rule of implication."""
    return {"id": row.id, "name": row.name, "links": self_link(call, f"roles/{row.id}")}


ROLE = Record(
    "ShownRole",
    {"id": str, "name": str, "domain_id": str | None, "description": str | None, "options": dict, "links": LINK},
    others=Any,
)
BRIEF_ROLE = Record("BriefRole", {"id": str, "name": str, "links": LINK})
_IMPLIED_ROLES = Record("ImpliedRoles", {"prior_role": BRIEF_ROLE, "implies": [BRIEF_ROLE]})
IMPLIED_ROLES = Record("", {"role_inference": _IMPLIED_ROLES, "links": LINK})
IMPLIED_ROLE = Record(
    "", {"role_inference": Record("ImpliedRole", {"prior_role": BRIEF_ROLE, "implies": BRIEF_ROLE}), "links": LINK}
)
INFERENCES = Record("", {"role_inferences": [_IMPLIED_ROLES], "links": LINK})
QUERY = filters("name", "domain_id")
