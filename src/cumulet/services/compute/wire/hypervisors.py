"""Shapes of hypervisors."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record, optional, since, until
from cumulet.services.compute.wire.queries import paged

_ID = (until("2.52", int), since("2.53", str))
_NUMBERS = dict.fromkeys(
    (
        "vcpus",
        "memory_mb",
        "local_gb",
        "vcpus_used",
        "memory_mb_used",
        "local_gb_used",
        "free_ram_mb",
        "free_disk_gb",
        "current_workload",
        "running_vms",
        "disk_available_least",
    ),
    int,
)
_SERVERS = [{"uuid": str, "name": str}]
SHORT_HYPERVISOR = Record(
    "ShortHypervisor",
    {
        "id": _ID,
        "hypervisor_hostname": str,
        "state": str,
        "status": str,
        "servers": optional(since("2.53", _SERVERS)),
    },
)
LISTED_HYPERVISOR = Record(
    "ListedHypervisor",
    {
        **SHORT_HYPERVISOR.fields,
        "hypervisor_type": str,
        "hypervisor_version": int,
        "host_ip": str,
        "service": {"host": str, "id": _ID, "disabled_reason": str | None},
        **{name: until("2.87", term) for name, term in _NUMBERS.items()},
        "cpu_info": (until("2.27", str), since("2.28", until("2.87", dict))),
    },
)
HYPERVISOR = LISTED_HYPERVISOR.but("Hypervisor", uptime=since("2.88", str | None))
HYPERVISOR_UPTIME = SHORT_HYPERVISOR.but("HypervisorUptime", "servers", uptime=str)
FOUND_HYPERVISOR = SHORT_HYPERVISOR.but("FoundHypervisor", "servers")
FOUND_HYPERVISOR_WITH_SERVERS = SHORT_HYPERVISOR.but("FoundHypervisorWithServers", servers=optional(_SERVERS))
STATISTICS = Record("HypervisorStatistics", {"count": int, **_NUMBERS})
WITH_SERVERS = Query({"with_servers": since("2.53", bool)})
QUERY = paged("2.33", hypervisor_hostname_pattern=since("2.53", str)) | WITH_SERVERS
