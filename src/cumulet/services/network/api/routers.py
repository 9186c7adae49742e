"""Operations on routers, their interfaces and routes."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.services.network import faults
from cumulet.services.network.model import quotas
from cumulet.services.network.model import routers as model
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.nouns import (
    Body,
    changeable,
    created,
    listing,
    one,
    owner,
    require,
    show,
    target_of,
)
from cumulet.services.network.service import network as service
from cumulet.services.network.tables import routers
from cumulet.services.network.wire.attributes import Refused, is_uuid, items, route
from cumulet.services.network.wire.routers import ROUTER

NOUN = Noun(
    ROUTER,
    routers,
    model.visible,
    model.bodies,
    filters={
        "status": model.by_status,
        "distributed": model.by_flag,
        "ha": model.by_flag,
        "external_gateway_info": model.by_gateway,
    },
)


@service.get("/v2.0/routers", policy_in_handler="get_router")
def list_routers(call: Call) -> Body:
    """List routers."""
    return listing(call, NOUN)


@service.get("/v2.0/routers/{router_id}", policy_in_handler="get_router")
def show_router(call: Call, router_id: str) -> Body:
    """Show a router."""
    return show(call, NOUN, router_id)


@service.post("/v2.0/routers", status=201, policy_in_handler="create_router", request=dict)
def create_router(call: Call) -> Body:
    """Create a router."""
    given = ROUTER.one(call.body)
    values = ROUTER.accept(given, creating=True)
    project_id = owner(call, given)
    require(call, NOUN, "create", target_of(NOUN, {**values, "project_id": project_id}, None), given)
    quotas.reserve(call.tx, project_id, {"router": 1})
    return created(call, NOUN, [model.create(call.tx, call.caller, project_id, values)], bulk=False)


@service.put("/v2.0/routers/{router_id}", policy_in_handler="update_router", request=dict)
def update_router(call: Call, router_id: str) -> Body:
    """Update a router."""
    given = ROUTER.one(call.body)
    row = changeable(call, NOUN, router_id, "update", given)
    values = ROUTER.accept(given, creating=False)
    model.update(call.tx, call.caller, row, {n: v for n, v in values.items() if n not in ("distributed", "ha")})
    return one(call, NOUN, router_id)


@service.delete("/v2.0/routers/{router_id}", policy_in_handler="delete_router")
def delete_router(call: Call, router_id: str) -> None:
    """Delete a router."""
    model.delete(call.tx, changeable(call, NOUN, router_id, "delete"))


def _ids(call: Call) -> dict[str, Any]:
    for name in ("port_id", "subnet_id"):
        if call.body.get(name) and not is_uuid(call.body[name]):
            raise faults.invalid(name, f"'{call.body[name]}' is not a valid UUID")
    return dict(call.body)


def _allowed(call: Call, router_id: str, rule: str) -> Any:
    """The router, when the caller passes a rule that is named after the operation."""
    row = changeable(call, NOUN, router_id, "get")
    call.require(rule, {**row._mapping})
    return row


@service.put("/v2.0/routers/{router_id}/add_router_interface", policy_in_handler="add_router_interface", request=dict)
def add_router_interface(call: Call, router_id: str) -> Body:
    """Give a router an interface on a subnet, or by a port."""
    row = _allowed(call, router_id, "add_router_interface")
    return model.add_interface(call.tx, call.caller, row, _ids(call))


@service.put(
    "/v2.0/routers/{router_id}/remove_router_interface", policy_in_handler="remove_router_interface", request=dict
)
def remove_router_interface(call: Call, router_id: str) -> Body:
    """Take an interface from a router."""
    row = _allowed(call, router_id, "remove_router_interface")
    return model.remove_interface(call.tx, row, _ids(call))


def _routes(call: Call) -> list[Any]:
    try:
        return list(items(route)(ROUTER.one(call.body).get("routes")))
    except Refused as refused:
        raise faults.invalid("routes", str(refused)) from None


@service.put("/v2.0/routers/{router_id}/add_extraroutes", policy_in_handler="add_extraroutes", request=dict)
def add_extraroutes(call: Call, router_id: str) -> Body:
    """Add routes to a router."""
    model.change_routes(call.tx, _allowed(call, router_id, "add_extraroutes"), add=_routes(call))
    return one(call, NOUN, router_id)


@service.put("/v2.0/routers/{router_id}/remove_extraroutes", policy_in_handler="remove_extraroutes", request=dict)
def remove_extraroutes(call: Call, router_id: str) -> Body:
    """Take routes from a router."""
    model.change_routes(call.tx, _allowed(call, router_id, "remove_extraroutes"), drop=_routes(call))
    return one(call, NOUN, router_id)
