"""Bells on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cumulet.db import iso
from cumulet.http import Wire
from cumulet.http.bodies import Record
from tests.extending.bells.tables import BellRow

BELL = Record("Bell", {"id": str, "name": str, "project_id": str, "state": str, "rung": int, "created_at": str})


class NewBell(Wire):
    """What a bell is made from."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]


class NewBellBody(Wire):
    """The body around it."""

    bell: NewBell


class Ring(Wire):
    """How long to ring, in seconds."""

    seconds: Annotated[float, Meta(ge=0, le=60)] = 1.0


def shown(row: BellRow) -> dict[str, Any]:
    """A bell as `BELL` says."""
    return {
        "id": row.id,
        "name": row.name,
        "project_id": row.project_id,
        "state": row.state,
        "rung": row.rung,
        "created_at": iso(row.created_at),
    }
