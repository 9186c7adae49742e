"""Compute's view of the fleet: services, hypervisors, and what their servers use."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import func, select

from cumulet.db import Transaction
from cumulet.fleet import door as fleet
from cumulet.http.faults import Conflict
from cumulet.services.compute import states
from cumulet.services.compute.tables import servers
from cumulet.services.placement import door as placement

VCPU_RATIO, RAM_RATIO, DISK_RATIO = 4.0, 1.0, 1.0
"""As Nova's ``initial_*_allocation_ratio``."""

RESERVED_RAM_MB = 512
_SERVICES = uuid.UUID("6f0f8a52-6d0c-4a3f-9f8e-0c8f9d6a7f11")


class ServiceRow(Struct, frozen=True):
    """One of Nova's services. `host_id` is the fleet's, None for those of the control plane."""

    number: int
    id: str
    binary: str
    host: str
    zone: str
    up: bool
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    updated_at: int
    host_id: str | None = None


class Load(Struct, frozen=True):
    """What the servers of a host use. `ram` in MiB, `disk` in GiB, `busy` counts servers with a task."""

    servers: int = 0
    vcpus: int = 0
    ram: int = 0
    disk: int = 0
    busy: int = 0


def service_id(binary: str, host: str) -> str:
    """The stable UUID of a service."""
    return str(uuid.uuid5(_SERVICES, f"{binary}@{host}"))


def services(tx: Transaction, controller: str, zone: str) -> list[ServiceRow]:
    """The control plane's two services, and one for each host that runs servers. One query."""
    rows = [
        ServiceRow(
            number, service_id(binary, controller), binary, controller, "internal", True, False, None, False, tx.now
        )
        for number, binary in ((1, "nova-scheduler"), (2, "nova-conductor"))
    ]
    for host in compute_hosts(tx):
        rows.append(
            ServiceRow(
                number=host.number + 2,
                id=service_id("nova-compute", host.name),
                binary="nova-compute",
                host=host.name,
                zone=zone,
                up=host.up,
                disabled=host.disabled,
                disabled_reason=host.disabled_reason,
                forced_down=host.forced_down,
                updated_at=host.last_seen,
                host_id=host.id,
            )
        )
    return rows


def compute_hosts(tx: Transaction) -> list[fleet.Host]:
    """Hosts that run servers, in the order in which they joined."""
    return [host for host in fleet.hosts(tx) if "compute" in host.facts.roles]


def loads(tx: Transaction, names: Sequence[str] | None = None) -> dict[str, Load]:
    """What servers use, by host. One query."""
    disk = servers.c.flavor["disk"].as_integer() + servers.c.flavor["ephemeral"].as_integer()
    query = select(
        servers.c.host,
        func.count(),
        func.sum(servers.c.vcpus),
        func.sum(servers.c.ram),
        func.sum(disk),
        func.count(servers.c.task_state),
    ).where(servers.c.deleted_at.is_(None), servers.c.host.is_not(None))
    if names is not None:
        query = query.where(servers.c.host.in_(names))
    return {row[0]: Load(*map(int, row[1:])) for row in tx.rows(query.group_by(servers.c.host))}


def servers_on(tx: Transaction, names: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Ids and names of servers by host. One query."""
    found: dict[str, list[dict[str, str]]] = {}
    query = select(servers.c.host, servers.c.id, servers.c.name).where(
        servers.c.host.in_(names), servers.c.deleted_at.is_(None), servers.c.vm_state != states.DELETED
    )
    for row in tx.rows(query):
        found.setdefault(row.host, []).append({"uuid": row.id, "name": row.name})
    return found


def joined(tx: Transaction, names: Sequence[str]) -> None:
    """Hosts joined or changed: placement learns what they have."""
    for host in fleet.by_names(tx, names).values():
        facts = host.facts
        if "compute" not in facts.roles:
            continue
        reserved = min(RESERVED_RAM_MB, facts.memory_mb // 4)
        inventories: dict[str, dict[str, float | int]] = {
            "VCPU": {"total": facts.vcpus, "max_unit": facts.vcpus, "allocation_ratio": VCPU_RATIO},
            "MEMORY_MB": {
                "total": facts.memory_mb,
                "reserved": reserved,
                "max_unit": facts.memory_mb,
                "allocation_ratio": RAM_RATIO,
            },
        }
        if facts.disk_gb > 0:
            disk = {"total": facts.disk_gb, "max_unit": facts.disk_gb, "allocation_ratio": DISK_RATIO}
            inventories["DISK_GB"] = disk
        placement.ensure_provider(tx, uuid=host.id, name=host.name, inventories=inventories)


def left(tx: Transaction, names: Sequence[str]) -> None:
    """A node does not name these hosts any more. Simulated ones without servers go by themselves; of others nobody
    knows whether they return, so they stay down until an operator removes them."""
    gone = [host for host in fleet.by_names(tx, names).values() if host.facts.simulated]
    busy, used = servers_on(tx, names), placement.usages(tx, [host.id for host in gone])
    idle = [host for host in gone if host.name not in busy and not any(used[host.id].values())]
    if idle:
        placement.remove_providers(tx, [host.id for host in idle])
        fleet.remove_hosts(tx, idle)


def remove(tx: Transaction, host: fleet.Host) -> list[str]:
    """Forget a host that has no servers and is gone, with its resource provider. The link's id when its node is
    forgotten with it. Raises 409 for one that is alive, or that has servers or allocations."""
    if fleet.alive(tx, host):
        raise Conflict(
            f"Unable to delete the compute service of {host.name}: its node is alive and would report it again. Stop "
            "the node first, or take the host off it."
        )
    if servers_on(tx, [host.name]):
        raise Conflict(
            "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."
        )
    placement.remove_provider(tx, uuid=host.id)
    return fleet.remove_hosts(tx, [host])
