"""Routers, and floating ips, which lead through them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, false, true

from cumulet.auth import Rule
from cumulet.services.network.check_strings import ADMIN, MEMBER, plain_rules, rules
from cumulet.services.network.extension import Extension
from cumulet.services.network.tables import floatingips, routers
from cumulet.services.network.wire.attributes import (
    ID,
    NAME,
    READ_ONLY,
    REQUIRED,
    Attribute,
    Resource,
    boolean,
    ip_address,
    optional,
    read_only,
    uuid,
)
from cumulet.services.network.wire.routers import gateway_info


def by_status(values: Sequence[str]) -> ColumnElement[bool]:
    """Every router is ACTIVE from its first moment."""
    return true() if "ACTIVE" in values else false()


def by_gateway(values: Sequence[str]) -> ColumnElement[bool]:
    """Routers with a gateway to one of these networks (``network_id=…`` or just the id)."""
    return routers.c.gateway_network_id.in_([value.rpartition("=")[2] for value in values])


ROUTER = Resource(
    "router",
    "routers",
    {
        "id": ID,
        "name": NAME,
        "admin_state_up": Attribute(boolean, True),
        "status": READ_ONLY,
        "external_gateway_info": Attribute(gateway_info, None, guarded=True),
    },
)

FLOATINGIP = Resource(
    "floatingip",
    "floatingips",
    {
        "id": ID,
        "floating_network_id": Attribute(uuid, REQUIRED, put=False),
        "floating_ip_address": Attribute(optional(ip_address), None, put=False, guarded=True),
        "subnet_id": Attribute(optional(uuid), None, put=False, shown=False),
        "port_id": Attribute(optional(uuid), None),
        "fixed_ip_address": Attribute(optional(ip_address), None),
        "router_id": read_only(str | None),
        "status": READ_ONLY,
    },
)

EXTENSION = Extension(
    "router",
    "Neutron L3 Router",
    "Router abstraction for basic L3 forwarding between networks.",
    resources=(ROUTER, FLOATINGIP),
    tables=(routers, floatingips),
    constants={"router": {"status": "ACTIVE"}},
    filters={"router": {"status": by_status, "external_gateway_info": by_gateway}},
    rules=[
        *plain_rules("router"),
        *rules(
            "create_router:external_gateway_info create_router:external_gateway_info:network_id "
            "update_router:external_gateway_info update_router:external_gateway_info:network_id "
            "add_router_interface remove_router_interface",
            MEMBER,
        ),
        *plain_rules("floatingip"),
        Rule("create_floatingip:floating_ip_address", ADMIN),
    ],
)
