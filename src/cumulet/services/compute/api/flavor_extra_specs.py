"""Extra specs of flavors."""

from __future__ import annotations

import re
from typing import Any

from cumulet.http import Call, Reply
from cumulet.http.bodies import EMPTY, under
from cumulet.http.faults import BadRequest, NotFound
from cumulet.http.shapes import Invalid
from cumulet.services.compute.api.flavors import project
from cumulet.services.compute.model import flavors
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import flavors as wire

_KEY = re.compile(r"[a-zA-Z0-9\-_:. ]{1,255}")
_RULE = "os_compute_api:os-flavor-extra-specs"


def _specs(call: Call, flavor_id: str) -> dict[str, str]:
    return dict(flavors.get(call.tx, flavor_id, *project(call)).extra_specs)


def _checked(specs: dict[str, Any]) -> dict[str, str]:
    for key, value in specs.items():
        if not _KEY.fullmatch(key):
            raise service.invalidity(Invalid("", specs, f"{key!r} does not match any of the regexes: '{_KEY.pattern}'"))
        if len(str(value)) > 255:
            raise service.invalidity(Invalid(key, value, f"{value!r} is too long"))
    return {key: str(value) for key, value in specs.items()}


@service.get(
    "/v2.1/flavors/{flavor_id}/os-extra_specs", policy=f"{_RULE}:index", response=under("extra_specs", {str: str})
)
def index(call: Call, flavor_id: str) -> dict[str, Any]:
    """List a flavor's extra specs."""
    return {"extra_specs": _specs(call, flavor_id)}


@service.post(
    "/v2.1/flavors/{flavor_id}/os-extra_specs",
    policy=f"{_RULE}:create",
    request=wire.ExtraSpecsBody,
    response=under("extra_specs", {str: str}),
)
def create(call: Call, flavor_id: str) -> dict[str, Any]:
    """Add extra specs to a flavor."""
    fresh = _checked(call.body.extra_specs)
    flavors.set_extra_specs(call.tx, flavor_id, {**_specs(call, flavor_id), **fresh})
    return {"extra_specs": fresh}


@service.get("/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", policy=f"{_RULE}:show", response=wire.EXTRA_SPEC)
def show(call: Call, flavor_id: str, key: str) -> dict[str, Any]:
    """Show one extra spec."""
    specs = _specs(call, flavor_id)
    if key not in specs:
        raise _missing(flavor_id, key)
    return {key: specs[key]}


@service.put(
    "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", policy=f"{_RULE}:update", request=dict, response=wire.EXTRA_SPEC
)
def update(call: Call, flavor_id: str, key: str) -> dict[str, Any]:
    """Set one extra spec."""
    if len(call.body) != 1 or not isinstance(next(iter(call.body.values())), str | int | float):
        raise BadRequest(f"{call.body!r} does not have exactly one property with a value")
    if key not in call.body:
        raise BadRequest("Request body and URI mismatch")
    fresh = _checked(call.body)
    flavors.set_extra_specs(call.tx, flavor_id, {**_specs(call, flavor_id), **fresh})
    return fresh


@service.delete("/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", policy=f"{_RULE}:delete", response=EMPTY)
def delete(call: Call, flavor_id: str, key: str) -> Reply:
    """Remove one extra spec."""
    specs = _specs(call, flavor_id)
    if specs.pop(key, None) is None:
        raise _missing(flavor_id, key)
    flavors.set_extra_specs(call.tx, flavor_id, specs)
    return Reply(None, 200)


def _missing(flavor_id: str, key: str) -> NotFound:
    return NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
