"""Shapes of identity providers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Open, Wire
from cumulet.services.identity.wire.collections import filters, self_link
from cumulet.services.identity.wire.fields import Id

RemoteIds = list[Annotated[str, Meta(max_length=255)]]
Minutes = Annotated[int, Meta(ge=0, le=2**40)]


class IdentityProviderCreate(Wire):
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    remote_ids: RemoteIds | UnsetType | None = UNSET
    authorization_ttl: Minutes | UnsetType | None = UNSET


class IdentityProviderCreateRequest(Wire):
    identity_provider: IdentityProviderCreate = msgspec.field(default_factory=IdentityProviderCreate)


class IdentityProviderUpdate(Wire):
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    remote_ids: RemoteIds | UnsetType | None = UNSET
    authorization_ttl: Minutes | UnsetType | None = UNSET


class IdentityProviderUpdateRequest(Open):
    identity_provider: IdentityProviderUpdate


def shown(call: Call, given: tuple[Any, list[str]]) -> dict[str, Any]:
    """An identity provider, given as row and remote ids, as Keystone shows it."""
    row, remote_ids = given
    links = self_link(call, f"OS-FEDERATION/identity_providers/{row.id}")
    return {
        "id": row.id,
        "enabled": row.enabled,
        "description": row.description,
        "domain_id": row.domain_id,
        "remote_ids": remote_ids,
        "authorization_ttl": row.authorization_ttl,
        "links": {**links, "protocols": f"{links['self']}/protocols"},
    }


IDENTITY_PROVIDER = Record(
    "IdentityProvider",
    {
        "id": str,
        "enabled": bool,
        "description": str | None,
        "domain_id": str,
        "remote_ids": [str],
        "authorization_ttl": int | None,
        "links": {"self": str, "protocols": str},
    },
)
QUERY = filters(enabled=bool)
