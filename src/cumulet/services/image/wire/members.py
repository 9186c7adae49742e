"""Members of a shared image on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from sqlalchemy import Row

from cumulet.http import Wire
from cumulet.services.image.wire.schema import UUID, Declared, text
from cumulet.store import iso

_TIME = "An ISO 8601 time in UTC"

SCHEMA: Declared = {
    "properties": {
        "member_id": text("The project that the image is offered to"),
        "image_id": text("The image's id", pattern=UUID),
        "created_at": text(_TIME),
        "updated_at": text(_TIME),
        "status": text("What the member says to the offer", enum=["pending", "accepted", "rejected"]),
        "schema": {"readOnly": True, "type": "string"},
    }
}


class MemberCreate(Wire):
    """A project that the image is offered to."""

    member: Annotated[str, Meta(min_length=1, max_length=255)]


class MemberUpdate(Wire):
    """What the member says to the offer."""

    status: Literal["pending", "accepted", "rejected"]


def shown(row: Row[Any]) -> dict[str, Any]:
    """A member's JSON."""
    return {
        "member_id": row.member,
        "image_id": row.image_id,
        "status": row.status,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "schema": "/v2/schemas/member",
    }
