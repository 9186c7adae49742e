"""Resource providers on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Since, Wire
from cumulet.http.bodies import EMPTY, Query, Record, Versions, since, until
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


LINKS = [Record("Link", {"rel": str, "href": str})]
PROVIDER = Record(
    "ResourceProvider",
    {
        "uuid": str,
        "name": str,
        "generation": int,
        "links": LINKS,
        "parent_provider_uuid": since("1.14", str | None),
        "root_provider_uuid": since("1.14", str),
    },
)
CREATED_PROVIDER = Versions(until("1.19", EMPTY), since("1.20", PROVIDER))
QUERY = Query(
    {
        "name": str,
        "uuid": str,
        "member_of": since("1.3", [str]),
        "resources": since("1.4", str),
        "in_tree": since("1.14", str),
        "required": since("1.18", [str]),
    }
)
