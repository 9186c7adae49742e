"""Shapes of flavors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from cumulet.http import Since, Wire
from cumulet.http.bodies import OneOf, Record, optional, since, until
from cumulet.http.versions import Version
from cumulet.services.compute.tables import FlavorRow
from cumulet.services.compute.wire.links import LINKS, self_and_bookmark
from cumulet.services.compute.wire.queries import PAGE

MAX_INT = 0x7FFFFFFF
_Name = Annotated[str, Meta(min_length=1, max_length=255)]
Whole = int | str


class NewFlavor(Wire):
    name: _Name
    ram: Whole
    vcpus: Whole
    disk: Whole
    id: Annotated[str, Meta(max_length=255)] | int | None = None
    swap: Whole = 0
    ephemeral: Whole = field(name="OS-FLV-EXT-DATA:ephemeral", default=0)
    rxtx_factor: float | str = 1.0
    is_public: bool | str = field(name="os-flavor-access:is_public", default=True)
    description: Annotated[Annotated[str, Meta(max_length=65535)] | UnsetType | None, Since("2.55")] = UNSET


class NewFlavorBody(Wire):
    flavor: NewFlavor


class FlavorUpdate(Wire):
    description: Annotated[str, Meta(max_length=65535)] | None


class FlavorUpdateBody(Wire):
    flavor: FlavorUpdate


class ExtraSpecsBody(Wire):
    extra_specs: dict[str, str | int | float]


class TenantAccess(Wire):
    tenant: Annotated[str, Meta(min_length=1, max_length=255)]


def basic(row: FlavorRow, base_url: str, version: Version) -> dict[str, Any]:
    """A flavor in the short list."""
    body: dict[str, Any] = {"id": row.id, "name": row.name, "links": self_and_bookmark(base_url, "flavors", row.id)}
    if version >= (2, 55):
        body["description"] = row.description
    return body


def full(row: FlavorRow, base_url: str, version: Version, with_specs: bool) -> dict[str, Any]:
    """A flavor with all its fields; extra specs from 2.61 on for who may see them."""
    body = {
        "id": row.id,
        "name": row.name,
        "ram": row.ram,
        "disk": row.disk,
        "swap": row.swap if row.swap or version >= (2, 75) else "",
        "OS-FLV-EXT-DATA:ephemeral": row.ephemeral,
        "OS-FLV-DISABLED:disabled": False,
        "vcpus": row.vcpus,
        "os-flavor-access:is_public": row.is_public,
        "rxtx_factor": row.rxtx_factor,
        "links": self_and_bookmark(base_url, "flavors", row.id),
    }
    if version >= (2, 55):
        body["description"] = row.description
    if version >= (2, 61) and with_specs:
        body["extra_specs"] = row.extra_specs
    return body


FLAVOR = Record(
    "Flavor",
    {
        "id": str,
        "name": str,
        "ram": int,
        "disk": int,
        "swap": (until("2.74", OneOf(int, Literal[""])), since("2.75", int)),
        "OS-FLV-EXT-DATA:ephemeral": int,
        "OS-FLV-DISABLED:disabled": bool,
        "vcpus": int,
        "os-flavor-access:is_public": bool,
        "rxtx_factor": float,
        "links": LINKS,
        "description": since("2.55", str | None),
        "extra_specs": optional(since("2.61", {str: str})),
    },
)
SHORT_FLAVOR = Record("ShortFlavor", {"id": str, "name": str, "links": LINKS, "description": since("2.55", str | None)})
EXTRA_SPEC = Record("", {}, others=str)
FLAVOR_ACCESS = Record("FlavorAccess", {"flavor_id": str, "tenant_id": str})
QUERY = PAGE | {"is_public": str, "minRam": int, "minDisk": int, "sort_key": str, "sort_dir": str}
