"""Regions of the catalog: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import REGION
from cumulet.services.identity.model import regions as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import RegionRow
from cumulet.services.identity.wire import catalog as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

_FIELDS = ("id", "description", "parent_region_id")


@identity.get(
    "/v3/regions", policy="identity:list_regions", response=listed("regions", wire.REGION), query=wire.REGIONS_QUERY
)
def browse(call: Call) -> Any:
    """List regions."""
    return collection(call, "regions", model.browse(call.tx, call.query), wire.region)


@identity.post(
    "/v3/regions",
    policy="identity:create_region",
    request=wire.RegionCreateRequest,
    status=201,
    response=under("region", wire.REGION),
)
def create(call: Call) -> Any:
    """Create a region."""
    fields = given(call.body.region, *_FIELDS)
    fields["extra"] = extra(wire.RegionCreate, call.raw["region"])
    return {"region": wire.region(call, model.create(call.tx, fields))}


@identity.get(
    "/v3/regions/{region_id}", target=REGION, policy="identity:get_region", response=under("region", wire.REGION)
)
def show(call: Call, region: RegionRow) -> Any:
    """Show a region."""
    return {"region": wire.region(call, region)}


@identity.patch(
    "/v3/regions/{region_id}",
    target=REGION,
    policy="identity:update_region",
    request=wire.RegionUpdateRequest,
    response=under("region", wire.REGION),
)
def update(call: Call, region: RegionRow) -> Any:
    """Update a region."""
    fields = given(call.body.region, *_FIELDS[1:])
    fields["extra"] = region.extra | extra(wire.RegionUpdate, call.raw["region"])
    return {"region": wire.region(call, model.update(call.tx, region.id, fields))}


@identity.delete("/v3/regions/{region_id}", target=REGION, policy="identity:delete_region")
def delete(call: Call, region: RegionRow) -> None:
    """Delete a region."""
    model.delete(call.tx, region.id)


@identity.put(
    "/v3/regions/{region_id}",
    policy="identity:create_region",
    request=wire.RegionCreateRequest,
    status=201,
    response=under("region", wire.REGION),
)
def create_with_id(call: Call, region_id: str) -> Any:
    """Create a region with the id in the URL."""
    if (call.body.region.id or region_id) != region_id:
        raise BadRequest(f'Conflicting region IDs specified: "{region_id}" != "{call.body.region.id}"')
    fields = {**given(call.body.region, *_FIELDS), "id": region_id}
    fields["extra"] = extra(wire.RegionCreate, call.raw["region"])
    return {"region": wire.region(call, model.create(call.tx, fields))}
