"""Operations on routers, their interfaces and routes."""

from __future__ import annotations

from typing import Any, cast

from cumulet.http import Call, Target
from cumulet.http.bodies import Record, optional, under
from cumulet.http.collections import is_uuid
from cumulet.services.network import faults
from cumulet.services.network.bodies import Changed, Given
from cumulet.services.network.crud import crud
from cumulet.services.network.extension import Body
from cumulet.services.network.model import routers as model
from cumulet.services.network.nouns import changeable, one
from cumulet.services.network.service import network as service
from cumulet.services.network.tables import RouterRow
from cumulet.services.network.wire.attributes import Refused, items, route

NOUN = model.NOUN

crud(service, NOUN, model)


_INTERFACE = Given(Record("", {"subnet_id": optional(str), "port_id": optional(str)}))
_ATTACHED = Record(
    "RouterInterface",
    {
        **dict.fromkeys(("id", "tenant_id", "project_id", "port_id", "network_id", "subnet_id"), str),
        "subnet_ids": [str],
        "tags": [str],
    },
)
_ROUTES = Given(under("router", {"routes": [{"destination": str, "nexthop": str}]}))


def _ids(call: Call) -> dict[str, Any]:
    for name in ("port_id", "subnet_id"):
        if call.body.get(name) and not is_uuid(call.body[name]):
            raise faults.invalid(name, f"'{call.body[name]}' is not a valid UUID")
    return dict(call.body)


class _Allowed(Target):
    """The router of the path, when the caller passes a rule that is named after the operation."""

    params = ("router_id",)

    def reached(self, call: Call) -> RouterRow:
        """See `Target`."""
        row = cast(RouterRow, changeable(call, NOUN, call.params["router_id"], "get"))
        call.require(call.operation.policy or "", {**row._mapping})
        return row


ALLOWED = _Allowed()


@service.put(
    "/v2.0/routers/{router_id}/add_router_interface",
    target=ALLOWED,
    policy="add_router_interface",
    request=_INTERFACE,
    response=_ATTACHED,
)
def add_router_interface(call: Call, row: RouterRow) -> Body:
    """Give a router an interface on a subnet, or by a port."""
    return model.add_interface(call.tx, call.caller, row, _ids(call))


@service.put(
    "/v2.0/routers/{router_id}/remove_router_interface",
    target=ALLOWED,
    policy="remove_router_interface",
    request=_INTERFACE,
    response=_ATTACHED,
)
def remove_router_interface(call: Call, row: RouterRow) -> Body:
    """Take an interface from a router."""
    return model.remove_interface(call.tx, row, _ids(call))


def _routes(call: Call) -> list[Any]:
    try:
        return list(items(route)(NOUN.resource.one(call.body).get("routes")))
    except Refused as refused:
        raise faults.invalid("routes", str(refused)) from None


@service.put(
    "/v2.0/routers/{router_id}/add_extraroutes",
    target=ALLOWED,
    policy="add_extraroutes",
    request=_ROUTES,
    response=Changed(NOUN),
)
def add_extraroutes(call: Call, row: RouterRow) -> Body:
    """Add routes to a router."""
    model.change_routes(call.tx, row, add=_routes(call))
    return one(call, NOUN, row.id)


@service.put(
    "/v2.0/routers/{router_id}/remove_extraroutes",
    target=ALLOWED,
    policy="remove_extraroutes",
    request=_ROUTES,
    response=Changed(NOUN),
)
def remove_extraroutes(call: Call, row: RouterRow) -> Body:
    """Take routes from a router."""
    model.change_routes(call.tx, row, drop=_routes(call))
    return one(call, NOUN, row.id)
