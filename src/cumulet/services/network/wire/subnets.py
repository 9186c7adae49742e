"""The subnet's own attributes on the wire; extensions add more."""

from __future__ import annotations

from typing import Any

from cumulet.services.network.wire.attributes import (
    ABSENT,
    ID,
    NAME,
    REQUIRED,
    Attribute,
    Refused,
    Resource,
    boolean,
    integer,
    ip_address,
    items,
    one_of,
    optional,
    route,
    subnet,
    typed,
    uuid,
)

_MODES = one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac")


@typed(int)
def _version(value: Any) -> int:
    found = integer()(value)
    if found not in (4, 6):
        raise Refused(f"'{value}' is not in [4, 6]")
    return int(found)


@typed([{"start": str, "end": str}])
def pools(value: Any) -> Any:
    """``[{"start": address, "end": address}]``; null means "none were given"."""
    if value is None:
        return ABSENT
    if not isinstance(value, list):
        raise Refused(f"Invalid data format for IP pool: '{value}'")
    for pool in value:
        if not isinstance(pool, dict) or set(pool) != {"start", "end"}:
            raise Refused(f"Invalid data format for IP pool: '{value}'")
    return [{"start": ip_address(pool["start"]), "end": ip_address(pool["end"])} for pool in value]


@typed(str)
def nameserver(value: Any) -> str:
    """An address of a name server; 0.0.0.0 and :: say that none shall be announced."""
    try:
        return ip_address(value)
    except Refused:
        raise Refused(f"'{value}' is not a valid nameserver. '{value}' is not a valid IP address") from None


SUBNET = Resource(
    "subnet",
    "subnets",
    {
        "id": ID,
        "name": NAME,
        "network_id": Attribute(uuid, REQUIRED, put=False),
        "ip_version": Attribute(_version, 4, put=False),
        "cidr": Attribute(optional(subnet), put=False),
        "gateway_ip": Attribute(optional(ip_address)),
        "enable_dhcp": Attribute(boolean, True),
        "allocation_pools": Attribute(pools),
        "dns_nameservers": Attribute(items(nameserver), []),
        "host_routes": Attribute(items(route), []),
        "ipv6_ra_mode": Attribute(optional(_MODES), put=False),
        "ipv6_address_mode": Attribute(optional(_MODES), put=False),
    },
)
