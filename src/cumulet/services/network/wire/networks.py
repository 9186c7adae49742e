"""The network's attributes on the wire."""

from cumulet.services.network.wire.attributes import (
    NAME,
    READ_ONLY,
    STANDARD,
    Attribute,
    Resource,
    boolean,
    integer,
    items,
    one_of,
    optional,
    text,
)
from cumulet.services.network.wire.ports import dns_domain

NETWORK = Resource(
    "network",
    "networks",
    {
        **STANDARD,
        "name": NAME,
        "admin_state_up": Attribute(boolean, True),
        "status": READ_ONLY,
        "subnets": READ_ONLY,
        "availability_zones": READ_ONLY,
        "ipv4_address_scope": READ_ONLY,
        "ipv6_address_scope": READ_ONLY,
        "availability_zone_hints": Attribute(items(text(255)), [], put=False),
        "shared": Attribute(boolean, False, guarded=True),
        "router:external": Attribute(boolean, False, guarded=True),
        "is_default": Attribute(boolean, False, guarded=True),
        "mtu": Attribute(optional(integer(0)), None),
        "port_security_enabled": Attribute(boolean, True, guarded=True),
        "dns_domain": Attribute(dns_domain, ""),
        "provider:network_type": Attribute(
            one_of("flat", "vxlan", "local", "vlan", "gre", "geneve"), guarded=True, hidden=True
        ),
        "provider:physical_network": Attribute(optional(text(64)), guarded=True, hidden=True),
        "provider:segmentation_id": Attribute(optional(integer()), guarded=True, hidden=True),
    },
)
