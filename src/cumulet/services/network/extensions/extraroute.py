"""Routes of routers beside those to their own subnets; changed as a whole, or one by one."""

from __future__ import annotations

from cumulet.services.network.check_strings import MEMBER, rules
from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, items, route

EXTENSIONS = (
    Extension(
        "extraroute",
        "Neutron Extra Route",
        "Extra routes configuration for L3 router",
        adds={"router": {"routes": Attribute(items(route), post=False)}},
    ),
    Extension(
        "extraroute-atomic",
        "Atomically add/remove extra routes",
        "Edit extra routes of a router by adding/removing.",
        rules=rules("add_extraroutes remove_extraroutes", MEMBER),
    ),
)
