"""Shapes of application credentials and access rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cumulet.db import iso
from cumulet.http import Call
from cumulet.http.bodies import Record, optional
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Open, Wire
from cumulet.services.identity.model.access_rules import PARTS
from cumulet.services.identity.model.application_credentials import Found
from cumulet.services.identity.tables import AccessRuleRow, RoleRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, Name, given

Path = Annotated[str, Meta(max_length=225, pattern=r"^/")]
MOST_RULES = 100
"""Of one application credential: every request with it is compared with each of them."""
Method = Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]


class RoleReference(Wire):
    """A role, by its id or by its name."""

    id: Id | UnsetType = UNSET
    name: Name | UnsetType = UNSET


class AccessRule(Open):
    """An access rule, by its id or in full."""

    id: Id | UnsetType = UNSET
    service: Id | UnsetType = UNSET
    path: Path | UnsetType = UNSET
    method: Method | UnsetType = UNSET


class ApplicationCredentialCreate(Wire):
    name: Name
    id: str | UnsetType = UNSET
    secret: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    expires_at: str | UnsetType | None = UNSET
    project_id: str | UnsetType = UNSET
    system: str | UnsetType | None = UNSET
    unrestricted: bool | UnsetType | None = UNSET
    roles: list[RoleReference] | UnsetType = UNSET
    access_rules: Annotated[list[AccessRule], Meta(max_length=MOST_RULES)] | UnsetType = UNSET


class ApplicationCredentialCreateRequest(Wire):
    application_credential: ApplicationCredentialCreate


def references(roles: Sequence[RoleReference]) -> list[dict[str, str]]:
    """Each role as ``{"id": …}`` or ``{"name": …}``. Raises 400 for one with neither or both."""
    found = [given(role, "id", "name") for role in roles]
    for role in found:
        if len(role) != 1:
            raise BadRequest(f"Invalid input for field 'roles': {role!r} has to be an id or a name")
    return found


def shown(call: Call, found: Found) -> dict[str, Any]:
    """An application credential as Keystone shows it; never its secret nor the hash."""
    row = found.row
    told = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "system": None,
        "expires_at": iso(row.expires_at, micro=True, zone="") if row.expires_at is not None else None,
        "unrestricted": row.unrestricted,
        "roles": [role(each) for each in found.roles],
        "links": self_link(call, f"users/{row.user_id}/application_credentials/{row.id}"),
    }
    if found.access_rules:
        told["access_rules"] = [access_rule(each) for each in found.access_rules]
    return told


def role(row: RoleRow) -> dict[str, Any]:
    """A role inside an application credential."""
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id or None,
        "description": row.description,
        "options": row.options,
    }


def access_rule(row: AccessRuleRow) -> dict[str, Any]:
    """An access rule inside an application credential, or a token of one."""
    return {"id": row.id, **{name: getattr(row, name) for name in PARTS}}


def shown_access_rule(call: Call, row: AccessRuleRow) -> dict[str, Any]:
    """An access rule as Keystone shows it."""
    return {**access_rule(row), "links": self_link(call, f"users/{row.user_id}/access_rules/{row.id}")}


_RULE = {"id": str, "service": str, "path": str, "method": str}
APPLICATION_CREDENTIAL = Record(
    "ShownApplicationCredential",
    {
        "id": str,
        "name": str,
        "description": str | None,
        "user_id": str,
        "project_id": str,
        "system": None,
        "expires_at": str | None,
        "unrestricted": bool,
        "roles": [
            {"id": str, "name": str, "domain_id": str | None, "description": str | None, "options": dict},
        ],
        "access_rules": optional([_RULE]),
        "links": LINK,
    },
)
CREATED_APPLICATION_CREDENTIAL = APPLICATION_CREDENTIAL.but("CreatedApplicationCredential", secret=str)
ACCESS_RULE = Record("AccessRuleOfUser", {**_RULE, "links": LINK})
QUERY = filters("name")
ACCESS_RULES_QUERY = filters("service", "path", "method")
