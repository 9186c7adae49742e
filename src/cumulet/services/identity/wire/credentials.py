"""Shapes of credentials and of EC2 credentials."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Open, Wire
from cumulet.services.identity.model.credentials import Opened
from cumulet.services.identity.tables import CredentialRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link

Kind = Annotated[str, Meta(min_length=1, max_length=255)]
UserId = Annotated[str, Meta(min_length=1, max_length=64)]
ProjectId = Annotated[str, Meta(max_length=64)]


class CredentialCreate(Open):
    blob: str
    type: Kind
    user_id: UserId
    project_id: ProjectId | UnsetType | None = UNSET


class CredentialCreateRequest(Open):
    credential: CredentialCreate


class CredentialUpdate(Wire):
    """Only the blob changes; the other fields may repeat what is."""

    blob: str
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    project_id: str | UnsetType | None = UNSET


class CredentialUpdateRequest(Open):
    credential: CredentialUpdate


class Ec2CredentialRequest(Open):
    tenant_id: ProjectId


def shown(call: Call, found: Opened) -> dict[str, Any]:
    """A credential, given as row and blob, as Keystone shows it."""
    row = found.row
    return {
        **row.extra,
        "id": row.id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "type": row.type,
        "blob": found.blob,
        "links": self_link(call, f"credentials/{row.id}"),
    }


def shown_ec2(call: Call, row: CredentialRow, blob: dict[str, Any]) -> dict[str, Any]:
    """An EC2 credential as the older extension shows it."""
    access = blob.get("access")
    return {
        "user_id": row.user_id,
        "tenant_id": row.project_id,
        "access": access,
        "secret": blob.get("secret"),
        "trust_id": blob.get("trust_id"),
        "links": self_link(call, f"users/{row.user_id}/credentials/OS-EC2/{access}"),
    }


CREDENTIAL = Record(
    "Credential",
    {"id": str, "user_id": str, "project_id": str | None, "type": str, "blob": str, "links": LINK},
    others=Any,
)
EC2_CREDENTIAL = Record(
    "Ec2Credential",
    {
        "user_id": str,
        "tenant_id": str | None,
        "access": str,
        "secret": str | None,
        "trust_id": str | None,
        "links": LINK,
    },
)
QUERY = filters("user_id", "type")
