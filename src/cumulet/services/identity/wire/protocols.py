"""Shapes of the protocols of identity providers."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record, optional
from cumulet.http.shapes import Wire
from cumulet.services.identity.tables import FederationProtocolRow
from cumulet.services.identity.wire.collections import self_link

MappingId = Annotated[str, Meta(min_length=1, max_length=64)]
Attribute = Annotated[str, Meta(max_length=64)]


class ProtocolCreate(Wire):
    mapping_id: MappingId
    remote_id_attribute: Attribute | UnsetType | None = UNSET


class ProtocolCreateRequest(Wire):
    protocol: ProtocolCreate


class ProtocolUpdate(Wire):
    mapping_id: MappingId
    remote_id_attribute: Attribute | UnsetType = UNSET


class ProtocolUpdateRequest(Wire):
    protocol: ProtocolUpdate


def shown(call: Call, row: FederationProtocolRow) -> dict[str, Any]:
    """A protocol as Keystone shows one."""
    home = f"OS-FEDERATION/identity_providers/{row.idp_id}"
    links = self_link(call, f"{home}/protocols/{row.id}")
    told = {
        "id": row.id,
        "mapping_id": row.mapping_id,
        "links": {**links, "identity_provider": self_link(call, home)["self"]},
    }
    return told if row.remote_id_attribute is None else told | {"remote_id_attribute": row.remote_id_attribute}


def listed(call: Call, row: FederationProtocolRow) -> dict[str, Any]:
    """A protocol in a list, which says more."""
    return shown(call, row) | {"idp_id": row.idp_id, "remote_id_attribute": row.remote_id_attribute}


PROTOCOL = Record(
    "FederationProtocol",
    {
        "id": str,
        "mapping_id": str | None,
        "links": {"self": str, "identity_provider": str},
        "remote_id_attribute": optional(str),
    },
)
LISTED_PROTOCOL = PROTOCOL.but("ListedFederationProtocol", idp_id=str, remote_id_attribute=str | None)
