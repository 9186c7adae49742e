"""Shapes of key pairs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cumulet.db import iso
from cumulet.http import Since, Wire
from cumulet.http.bodies import Query, Record, optional, since, until
from cumulet.http.versions import Version
from cumulet.services.compute.tables import KeypairRow
from cumulet.services.compute.wire.queries import paged


class NewKeypair(Wire):
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    public_key: Annotated[str, Meta(max_length=16384)] | UnsetType = UNSET
    type: Annotated[Literal["ssh", "x509"] | UnsetType, Since("2.2")] = UNSET
    user_id: Annotated[Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType, Since("2.10")] = UNSET


class NewKeypairBody(Wire):
    keypair: NewKeypair


def short(row: KeypairRow, version: Version) -> dict[str, Any]:
    """A key pair in a list."""
    body = {"name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint}
    if version >= (2, 2):
        body["type"] = row.type
    return {"keypair": body}


def created(row: KeypairRow, version: Version, private_key: str | None) -> dict[str, Any]:
    """A key pair that was just made or imported."""
    body = short(row, version)
    body["keypair"]["user_id"] = row.user_id
    if private_key is not None:
        body["keypair"]["private_key"] = private_key
    return body


def full(row: KeypairRow, version: Version) -> dict[str, Any]:
    """A key pair with all its fields."""
    body = short(row, version)
    body["keypair"].update(
        user_id=row.user_id,
        id=row.id,
        created_at=iso(row.created_at, micro=True, zone=""),
        deleted=False,
        deleted_at=None,
        updated_at=None,
    )
    return body


SHORT_KEYPAIR = Record("ShortKeypair", {"name": str, "public_key": str, "fingerprint": str, "type": since("2.2", str)})
CREATED_KEYPAIR = SHORT_KEYPAIR.but("CreatedKeypair", user_id=str, private_key=optional(until("2.91", str)))
KEYPAIR = SHORT_KEYPAIR.but(
    "Keypair", user_id=str, id=int, created_at=str, deleted=bool, deleted_at=str | None, updated_at=str | None
)
_USER = {"user_id": since("2.10", str)}
QUERY = paged("2.35", **_USER)
OF_USER = Query(_USER)
