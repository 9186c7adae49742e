"""Shapes of policies."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Open
from cumulet.services.identity.tables import PolicyRow
from cumulet.services.identity.wire.collections import LINK, filters, self_link

Type = Annotated[str, Meta(max_length=255)]


class PolicyCreate(Open):
    blob: str
    type: Type


class PolicyCreateRequest(Open):
    policy: PolicyCreate


class PolicyUpdate(Open):
    blob: str | UnsetType = UNSET
    type: Type | UnsetType = UNSET


class PolicyUpdateRequest(Open):
    policy: PolicyUpdate


def policy(call: Call, row: PolicyRow) -> dict[str, Any]:
    """A policy as Keystone shows it."""
    links = self_link(call, f"policies/{row.id}")
    return {**row.extra, "id": row.id, "type": row.type, "blob": row.blob, "links": links}


POLICY = Record("Policy", {"id": str, "type": str, "blob": str, "links": LINK}, others=Any)
QUERY = filters("type")
