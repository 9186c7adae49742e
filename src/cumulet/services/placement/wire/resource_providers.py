"""Resource providers on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Since, Wire
from cumulet.http.versions import Version
from cumulet.services.placement.tables import ProviderRow

Name = Annotated[str, Meta(min_length=1, max_length=200)]
_RELS = (
    ("inventories", (1, 0)),
    ("usages", (1, 0)),
    ("aggregates", (1, 1)),
    ("traits", (1, 6)),
    ("allocations", (1, 11)),
)


class ProviderCreate(Wire):
    """A new provider."""

    name: Name
    uuid: str | UnsetType = UNSET
    parent_provider_uuid: Annotated[str | UnsetType | None, Since("1.14")] = UNSET


class ProviderUpdate(Wire):
    """Another name, another parent."""

    name: Name
    parent_provider_uuid: Annotated[str | UnsetType | None, Since("1.14")] = UNSET


class AggregatesUpdate(Wire):
    """A provider's aggregates, since 1.19 with its generation."""

    aggregates: list[str]
    resource_provider_generation: int


def shown(row: ProviderRow, version: Version) -> dict[str, Any]:
    """A provider's JSON."""
    path = f"/resource_providers/{row.uuid}"
    links = [{"rel": "self", "href": path}]
    links += [{"rel": rel, "href": f"{path}/{rel}"} for rel, since in _RELS if version >= since]
    body = {"uuid": row.uuid, "name": row.name, "generation": row.generation, "links": links}
    if version >= (1, 14):
        body |= {"parent_provider_uuid": row.parent_uuid, "root_provider_uuid": row.root_uuid}
    return body
