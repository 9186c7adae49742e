"""Shapes of what projects used."""

from __future__ import annotations

from cumulet.http.bodies import OneOf, Record, optional
from cumulet.services.compute.wire.queries import paged

_OF_SERVER = Record(
    "ServerUsage",
    {
        "instance_id": str,
        "name": str,
        "hours": float,
        "tenant_id": str,
        "flavor": str,
        "vcpus": int,
        "memory_mb": int,
        "local_gb": int,
        "started_at": str,
        "ended_at": str | None,
        "state": str,
        "uptime": int,
    },
)
USAGE = Record(
    "TenantUsage",
    {
        "tenant_id": str,
        "start": str,
        "stop": str,
        "total_hours": float,
        "total_vcpus_usage": float,
        "total_memory_mb_usage": float,
        "total_local_gb_usage": float,
        "server_usages": optional([_OF_SERVER]),
    },
)
USAGE_OR_NONE = OneOf(USAGE.but("TenantUsageInFull", server_usages=[_OF_SERVER]), {})
_TIMES = {"start": str, "end": str}
QUERY = paged("2.40", **_TIMES, detailed=bool)
QUERY_OF_ONE = paged("2.40", **_TIMES)
