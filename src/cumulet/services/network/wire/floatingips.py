"""The floating ip's attributes on the wire."""

from cumulet.services.network.wire.attributes import (
    READ_ONLY,
    REQUIRED,
    STANDARD,
    Attribute,
    Resource,
    ip_address,
    optional,
    uuid,
)
from cumulet.services.network.wire.ports import dns_domain, dns_name

FLOATINGIP = Resource(
    "floatingip",
    "floatingips",
    {
        **STANDARD,
        "floating_network_id": Attribute(uuid, REQUIRED, put=False),
        "floating_ip_address": Attribute(optional(ip_address), None, put=False, guarded=True),
        "subnet_id": Attribute(optional(uuid), None, put=False),
        "port_id": Attribute(optional(uuid), None),
        "fixed_ip_address": Attribute(optional(ip_address), None),
        "router_id": READ_ONLY,
        "status": READ_ONLY,
        "port_details": READ_ONLY,
        "dns_name": Attribute(dns_name, "", put=False),
        "dns_domain": Attribute(dns_domain, "", put=False),
    },
)
