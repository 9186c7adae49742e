"""Nova's services: is each host up, and may it get servers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cumulet.db import iso
from cumulet.fleet import door as fleet
from cumulet.http import Call, Since, Wire
from cumulet.http.bodies import under
from cumulet.http.collections import boolean
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.compute.api import queries
from cumulet.services.compute.model import hosts
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import services as wire
from cumulet.services.network import door as network

_RULE = "os_compute_api:os-services"
_Reason = Annotated[str, Meta(min_length=1, max_length=255)]


class HostAndBinary(Wire):
    host: Annotated[str, Meta(min_length=1, max_length=255)]
    binary: Annotated[str, Meta(min_length=1, max_length=255)]
    disabled_reason: _Reason | UnsetType = UNSET
    forced_down: Annotated[bool | str | UnsetType, Since("2.11")] = UNSET


class ServiceUpdate(Wire):
    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: _Reason | UnsetType = UNSET
    forced_down: bool | str | UnsetType = UNSET


def _all(call: Call) -> list[hosts.ServiceRow]:
    return hosts.services(call.tx, call.context.controller_host, call.context.availability_zone)


def _shape(call: Call, row: hosts.ServiceRow) -> dict[str, Any]:
    body = {
        "id": row.id if call.version >= (2, 53) else row.number,
        "binary": row.binary,
        "host": row.host,
        "zone": row.zone,
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if row.up else "down",
        "updated_at": iso(row.updated_at, micro=True, zone=""),
        "disabled_reason": row.disabled_reason,
    }
    if call.version >= (2, 11):
        body["forced_down"] = row.forced_down
    return body


@service.get("/v2.1/os-services", policy=f"{_RULE}:list", response=under("services", [wire.SERVICE]), query=wire.QUERY)
def index(call: Call) -> dict[str, Any]:
    """List services."""
    host, binary = queries.one(call, "host"), queries.one(call, "binary")
    found = [row for row in _all(call) if host in (None, row.host) and binary in (None, row.binary)]
    return {"services": [_shape(call, row) for row in found]}


def _compute(call: Call, rows: list[hosts.ServiceRow]) -> hosts.ServiceRow:
    """The one service that is meant, which must be a host's. Raises 400."""
    row = rows[0]
    if row.host_id is None:
        raise BadRequest(
            f"Updating a {row.binary} service is not supported. Only nova-compute services can be updated."
        )
    return row


def _down(value: bool | str) -> bool:
    found = value if isinstance(value, bool) else boolean(value)
    if found is None:
        raise BadRequest(f"Invalid input for field/attribute forced_down. Value: {value}. {value!r} is not a boolean")
    return found


@service.put(
    "/v2.1/os-services/{service_id}",
    since=(2, 53),
    request=ServiceUpdate,
    policy=f"{_RULE}:update",
    response=under("service", wire.SERVICE),
)
def update(call: Call, service_id: str) -> dict[str, Any]:
    """Enable or disable a host, or say that it is down."""
    rows = [row for row in _all(call) if row.id == service_id]
    if not rows:
        raise NotFound(f"Service {service_id} could not be found.")
    row, new = _compute(call, rows), call.body
    values: dict[str, Any] = {}
    if new.status is not UNSET:
        values["disabled"] = new.status == "disabled"
        values["disabled_reason"] = None if new.disabled_reason is UNSET else new.disabled_reason
    if new.disabled_reason is not UNSET and new.status != "disabled":
        raise BadRequest("Specifying disabled_reason when status is not 'disabled' is not supported.")
    if new.forced_down is not UNSET:
        values["forced_down"] = _down(new.forced_down)
    if not values:
        raise BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    assert row.host_id is not None
    fleet.switch(call.tx, row.host_id, **values)
    return {"service": _shape(call, next(found for found in _all(call) if found.id == service_id))}


@service.put(
    "/v2.1/os-services/{action}",
    until=(2, 52),
    request=HostAndBinary,
    policy=f"{_RULE}:update",
    response=under("service", wire.CHANGED_BY_HOST),
)
def update_by_host(call: Call, action: str) -> dict[str, Any]:
    """Enable or disable a host by its name, the way before 2.53."""
    new: HostAndBinary = call.body
    rows = [row for row in _all(call) if (row.host, row.binary) == (new.host, new.binary)]
    answer: dict[str, Any] = {"host": new.host, "binary": new.binary}
    values: dict[str, Any]
    if action == "enable":
        values = {"disabled": False, "disabled_reason": None}
        answer["status"] = "enabled"
    elif action in ("disable", "disable-log-reason"):
        values = {"disabled": True, "disabled_reason": None}
        answer["status"] = "disabled"
        if action == "disable-log-reason":
            if new.disabled_reason is UNSET:
                raise BadRequest("Missing disabled reason field")
            values["disabled_reason"] = answer["disabled_reason"] = new.disabled_reason
    elif action == "force-down" and call.version >= (2, 11):
        values = {"forced_down": _down("" if new.forced_down is UNSET else new.forced_down)}
        answer["forced_down"] = values["forced_down"]
    else:
        raise NotFound("Unknown action")
    if not rows:
        raise NotFound(f"Could not find binary {new.binary} on host {new.host}.")
    row = _compute(call, rows)
    assert row.host_id is not None
    fleet.switch(call.tx, row.host_id, **values)
    return {"service": answer}


@service.delete("/v2.1/os-services/{service_id}", policy=f"{_RULE}:delete", status=204, faults=(409,))
def delete(call: Call, service_id: str) -> None:
    """Remove a host that is gone, with its resource provider. It must have no servers."""
    wanted = [row for row in _all(call) if service_id == (row.id if call.version >= (2, 53) else str(row.number))]
    if not wanted:
        raise NotFound(f"Service {service_id} not found.")
    row = wanted[0]
    if row.host_id is None:
        raise BadRequest(f"A {row.binary} service is a part of the controller and cannot be deleted.")
    for link_id in hosts.remove(call.tx, fleet.by_ids(call.tx, [row.host_id])[row.host_id]):
        network.link_gone(call.tx, link_id)
