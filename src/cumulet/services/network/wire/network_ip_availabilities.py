"""Shapes of how many addresses of networks are taken."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record

_OF_SUBNET = Record(
    "SubnetIpAvailability",
    {
        "subnet_id": str,
        "subnet_name": str,
        "ip_version": int,
        "cidr": str,
        "used_ips": int,
        "total_ips": int,
    },
)
AVAILABILITY = Record(
    "NetworkIpAvailability",
    {
        "network_id": str,
        "network_name": str,
        "tenant_id": str,
        "project_id": str,
        "subnet_ip_availability": [_OF_SUBNET],
        "used_ips": int,
        "total_ips": int,
    },
)
QUERY = Query({name: [str] for name in ("network_id", "network_name", "tenant_id", "project_id", "ip_version")})
