"""Members of a shared image on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.db import iso
from cumulet.http.bodies import Record
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Open
from cumulet.services.image.tables import MemberRow
from cumulet.services.image.wire.schema import UUID, Declared, Document, text

_STATUSES = ("pending", "accepted", "rejected")
_TIME = "An ISO 8601 time in UTC"

SCHEMA: Declared = {
    "properties": {
        "member_id": text("The project that the image is offered to"),
        "image_id": text("The image's id", pattern=UUID),
        "created_at": text(_TIME),
        "updated_at": text(_TIME),
        "status": text("What the member says to the offer", enum=list(_STATUSES)),
        "schema": {"readOnly": True, "type": "string"},
    }
}


class MemberCreate(Open):
    """A project that the image is offered to. Glance reads no other field, and clients send some."""

    member: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET

    def named(self) -> str:
        """The project. Raises 400."""
        if self.member is UNSET:
            raise BadRequest("Member to be added not specified")
        if not self.member:
            raise BadRequest("Member can't be empty")
        return self.member


class MemberUpdate(Open):
    """What the member says to the offer; `openstack image set --accept` sends `member` beside it."""

    status: str | UnsetType = UNSET

    def said(self) -> str:
        """The status. Raises 400."""
        if self.status is UNSET:
            raise BadRequest("Status not specified")
        return self.status


def chosen(status: str) -> str:
    """A status that a member can have. Raises 400."""
    if status not in _STATUSES:
        raise BadRequest('Incorrect request: Status must be "pending", "accepted" or "rejected".')
    return status


def shown(row: MemberRow) -> dict[str, Any]:
    """A member's JSON."""
    return {
        "member_id": row.member,
        "image_id": row.image_id,
        "status": row.status,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "schema": "/v2/schemas/member",
    }


SHOWN = Document(SCHEMA, always=SCHEMA["properties"])
LISTED = Record("", {"members": [SHOWN], "schema": str})
