"""Flavors: list, show, and what an admin does to them."""

from __future__ import annotations

import re
from typing import Any

from cumulet.db import Page
from cumulet.http import Call, Reply
from cumulet.http.bodies import EMPTY, under
from cumulet.http.collections import boolean, is_full
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Invalid
from cumulet.services.compute.api import queries
from cumulet.services.compute.model import flavors
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import flavors as wire
from cumulet.services.compute.wire.links import listed, next_page

_ID = re.compile(r"[a-zA-Z0-9. _-]+")
_SPECS = "os_compute_api:os-flavor-extra-specs:index"


def project(call: Call) -> tuple[str, bool]:
    """The caller's project and whether they see every flavor."""
    return call.caller.project_id or "", call.caller.is_admin


def _page(call: Call) -> tuple[flavors.ListQuery, Page]:
    key, direction = queries.one(call, "sort_key") or "flavorid", queries.one(call, "sort_dir") or "asc"
    if key not in flavors.SORT_KEYS:
        raise queries.invalid("sort_key", key, f"'{key}' is not one of {sorted(flavors.SORT_KEYS)}")
    down = queries.DIALECT.descends(direction)
    public: bool | None = True
    if call.caller.is_admin and (text := queries.one(call, "is_public")) is not None:
        public = None if text.lower() == "none" else boolean(text)
        if public is None and text.lower() != "none":
            raise BadRequest(f"Invalid is_public filter [{text}]")
    wanted = flavors.ListQuery(public, _least(call, "minRam"), _least(call, "minDisk"))
    marker = queries.one(call, "marker")
    return wanted, Page(queries.limit_of(call), marker, ((key, down),))


def _least(call: Call, name: str) -> int | None:
    """minRam and minDisk; what is no number is refused in Nova's words."""
    text = queries.one(call, name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise BadRequest(f"Invalid {name} filter [{text}]")
    return int(text)


def _listed(call: Call, detailed: bool) -> dict[str, Any]:
    wanted, page = _page(call)
    rows = flavors.listed(call.tx, *project(call), wanted, page)
    specs = detailed and call.version >= (2, 61) and call.allows(_SPECS)
    body: dict[str, Any] = {
        "flavors": [
            wire.full(row, call.base_url, call.version, specs)
            if detailed
            else wire.basic(row, call.base_url, call.version)
            for row in rows
        ]
    }
    if is_full(rows, page.limit):
        path = "/flavors/detail" if detailed else "/flavors"
        body["flavors_links"] = next_page(call, path, rows[-1].id, call.query)
    return body


@service.get("/v2.1/flavors", response=listed("flavors", wire.SHORT_FLAVOR), query=wire.QUERY)
def index(call: Call) -> dict[str, Any]:
    """List flavors."""
    return _listed(call, False)


@service.get("/v2.1/flavors/detail", response=listed("flavors", wire.FLAVOR), query=wire.QUERY)
def detail(call: Call) -> dict[str, Any]:
    """List flavors with details."""
    return _listed(call, True)


@service.get("/v2.1/flavors/{flavor_id}", response=under("flavor", wire.FLAVOR))
def show(call: Call, flavor_id: str) -> dict[str, Any]:
    """Show a flavor."""
    row = flavors.get(call.tx, flavor_id, *project(call))
    return {"flavor": wire.full(row, call.base_url, call.version, call.allows(_SPECS))}


@service.post(
    "/v2.1/flavors",
    policy="os_compute_api:os-flavor-manage:create",
    request=wire.NewFlavorBody,
    response=under("flavor", wire.FLAVOR),
)
def create(call: Call) -> dict[str, Any]:
    """Create a flavor."""
    row = flavors.create(call.tx, _checked(call.body.flavor))
    if not row.is_public and call.caller.project_id:
        flavors.give_access(call.tx, row.id, call.caller.project_id)
    return {"flavor": wire.full(row, call.base_url, call.version, call.allows(_SPECS))}


def _checked(new: wire.NewFlavor) -> dict[str, Any]:
    if new.name != new.name.strip() or not new.name.isprintable():
        raise service.invalidity(Invalid("flavor.name", new.name, f"{new.name!r} does not match the name format"))
    flavor_id = None if new.id in (None, "auto", "") else str(new.id)
    if flavor_id is not None and (not _ID.fullmatch(flavor_id) or flavor_id != flavor_id.strip()):
        raise service.invalidity(Invalid("flavor.id", flavor_id, f"{flavor_id!r} does not match '{_ID.pattern}'"))
    public = new.is_public if isinstance(new.is_public, bool) else boolean(new.is_public)
    if public is None:
        problem = f"{new.is_public!r} is not a boolean"
        raise service.invalidity(Invalid("flavor.os-flavor-access:is_public", new.is_public, problem))
    return {
        "id": flavor_id,
        "name": new.name,
        "ram": _whole("ram", new.ram, 1),
        "vcpus": _whole("vcpus", new.vcpus, 1),
        "disk": _whole("disk", new.disk, 0),
        "swap": _whole("swap", new.swap, 0),
        "ephemeral": _whole("OS-FLV-EXT-DATA:ephemeral", new.ephemeral, 0),
        "rxtx_factor": _factor(new.rxtx_factor),
        "is_public": public,
        "description": new.description if isinstance(new.description, str) else None,
    }


def _whole(name: str, value: int | str, least: int) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,12}", value):
            raise service.invalidity(Invalid(f"flavor.{name}", value, f"'{value}' does not match '^[0-9]*$'"))
        value = int(value)
    if value < least:
        raise service.invalidity(Invalid(f"flavor.{name}", value, f"{value} is less than the minimum of {least}"))
    if value > wire.MAX_INT:
        problem = f"{value} is greater than the maximum of {wire.MAX_INT}"
        raise service.invalidity(Invalid(f"flavor.{name}", value, problem))
    return value


def _factor(value: float | str) -> float:
    try:
        factor = float(value)
    except ValueError:
        factor = -1.0
    if not 0 < factor <= 3.40282e38:
        raise service.invalidity(Invalid("flavor.rxtx_factor", value, f"{value!r} is not a positive number"))
    return factor


@service.put(
    "/v2.1/flavors/{flavor_id}",
    policy="os_compute_api:os-flavor-manage:update",
    request=wire.FlavorUpdateBody,
    since=(2, 55),
    response=under("flavor", wire.FLAVOR),
)
def update(call: Call, flavor_id: str) -> dict[str, Any]:
    """Update a flavor's description."""
    flavors.get(call.tx, flavor_id, "", True)
    flavors.describe(call.tx, flavor_id, call.body.flavor.description)
    row = flavors.get(call.tx, flavor_id, "", True)
    return {"flavor": wire.full(row, call.base_url, call.version, call.allows(_SPECS))}


@service.delete("/v2.1/flavors/{flavor_id}", policy="os_compute_api:os-flavor-manage:delete", response=EMPTY)
def delete(call: Call, flavor_id: str) -> Reply:
    """Delete a flavor; servers made from it keep running."""
    flavors.delete(call.tx, flavor_id)
    return Reply(None, 202)
