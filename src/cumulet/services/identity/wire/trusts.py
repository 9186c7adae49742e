"""Shapes of trusts."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.db import iso
from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Open
from cumulet.services.identity.model.trusts import Found
from cumulet.services.identity.tables import TrustRow
from cumulet.services.identity.wire import roles as role_wire
from cumulet.services.identity.wire.application_credentials import RoleReference
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.roles import ROLE

UserId = Annotated[str, Meta(min_length=1, max_length=64)]
Uses = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Depth = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class TrustCreate(Open):
    trustor_user_id: UserId
    trustee_user_id: UserId
    impersonation: bool
    project_id: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    expires_at: str | UnsetType | None = UNSET
    remaining_uses: Uses | UnsetType | None = UNSET
    allow_redelegation: bool | UnsetType | None = UNSET
    redelegation_count: Depth | UnsetType | None = UNSET
    redelegated_trust_id: str | UnsetType | None = UNSET  # taken from the caller's token, never from here
    roles: list[RoleReference] | UnsetType = UNSET


class TrustCreateRequest(Open):
    trust: TrustCreate


def shown(call: Call, row: TrustRow) -> dict[str, Any]:
    """A trust as lists show it."""
    return {
        **row.extra,
        "id": row.id,
        "trustor_user_id": row.trustor_user_id,
        "trustee_user_id": row.trustee_user_id,
        "project_id": row.project_id,
        "impersonation": row.impersonation,
        "expires_at": iso(row.expires_at, micro=True) if row.expires_at is not None else None,
        "remaining_uses": row.remaining_uses,
        "redelegated_trust_id": row.redelegated_trust_id,
        "redelegation_count": row.redelegation_count,
        "deleted_at": None,
        "links": self_link(call, f"OS-TRUST/trusts/{row.id}"),
    }


def whole(call: Call, found: Found) -> dict[str, Any]:
    """A trust with its roles."""
    told = {"roles": roles(call, found), "roles_links": roles_links(call, found.row.id)}
    return shown(call, found.row) | told


def roles(call: Call, found: Found) -> list[dict[str, Any]]:
    """The roles of a trust."""
    return [role_wire.shown(call, role) for role in found.roles]


def roles_links(call: Call, trust_id: str) -> dict[str, str | None]:
    """The links of a trust's roles."""
    return {**self_link(call, f"OS-TRUST/trusts/{trust_id}/roles"), "next": None, "previous": None}


LISTED_TRUST = Record(
    "ListedTrust",
    {
        "id": str,
        "trustor_user_id": str,
        "trustee_user_id": str,
        "project_id": str | None,
        "impersonation": bool,
        "expires_at": str | None,
        "remaining_uses": int | None,
        "redelegated_trust_id": str | None,
        "redelegation_count": int,
        "deleted_at": None,
        "links": LINK,
    },
    others=Any,
)
TRUST = LISTED_TRUST.but("ShownTrust", roles=[ROLE], roles_links={"self": str, "next": None, "previous": None})
QUERY = filters("trustor_user_id", "trustee_user_id")
