"""Shapes of users."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.db import iso
from cumulet.db.times import now_us
from cumulet.http import Call
from cumulet.http.bodies import Record, optional
from cumulet.http.shapes import Open
from cumulet.services.identity.tables import UserRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, Name, Options


class FederatedProtocol(Open):
    protocol_id: str
    unique_id: Annotated[str, Meta(max_length=255)]


class FederatedObject(Open):
    idp_id: str
    protocols: Annotated[list[FederatedProtocol], Meta(min_length=1)]


class UserCreate(Open):
    name: Name
    domain_id: Id | UnsetType = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    enabled: bool = True
    password: str | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET
    federated: list[FederatedObject] | UnsetType = UNSET


class UserCreateRequest(Open):
    user: UserCreate


class UserUpdate(Open):
    name: Name | UnsetType = UNSET
    domain_id: Id | UnsetType = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    password: str | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET
    federated: list[FederatedObject] | UnsetType = UNSET


class UserUpdateRequest(Open):
    user: UserUpdate


class PasswordChange(Open):
    password: str
    original_password: str


class PasswordChangeRequest(Open):
    user: PasswordChange


def shown(call: Call, row: UserRow) -> dict[str, Any]:
    """A user as Keystone shows it; never its hash. Who was away for too long is shown as disabled."""
    user = {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "enabled": row.enabled and not call.context.password_rules.inactive(row, now_us()),
        "password_expires_at": iso(row.password_expires_at, micro=True) if row.password_expires_at else None,
        "options": row.options,
        "links": self_link(call, f"users/{row.id}"),
    }
    if row.default_project_id is not None:
        user["default_project_id"] = row.default_project_id
    return user


USER = Record(
    "ShownUser",
    {
        "id": str,
        "name": str,
        "domain_id": str,
        "enabled": bool,
        "password_expires_at": str | None,
        "options": dict,
        "links": LINK,
        "default_project_id": optional(str),
        "federated": optional([{"idp_id": str, "protocols": [{"protocol_id": str, "unique_id": str}]}]),
    },
    others=Any,
)
_OF_PROVIDERS = dict.fromkeys(("idp_id", "protocol_id", "unique_id", "password_expires_at"), str)
QUERY = filters("name", "domain_id", "default_project_id", enabled=bool, **_OF_PROVIDERS)
