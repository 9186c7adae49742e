"""How long a project's servers ran in a span of time, and what that comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select

from cumulet.db import Transaction, iso, select_as
from cumulet.db.times import SECOND
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.tables import ServerRow, servers

_HOUR = 3600 * SECOND


@dataclass
class ProjectUsage:
    """One project's sums; `rows` has a line per server."""

    project_id: str
    hours: float = 0.0
    vcpu_hours: float = 0.0
    ram_mb_hours: float = 0.0
    disk_gb_hours: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Server, start: int, end: int, now: int) -> None:
        """Count the time between `start` and `end` of a server that was launched."""
        assert row.launched_at is not None
        begun = max(start, row.launched_at)
        ended = min(end, row.terminated_at or end, now)
        hours = max(0, ended - begun) / _HOUR
        disk = row.flavor["disk"] + row.flavor["ephemeral"]
        self.hours += hours
        self.vcpu_hours += hours * row.vcpus
        self.ram_mb_hours += hours * row.ram
        self.disk_gb_hours += hours * disk
        until = row.terminated_at or now
        self.rows.append(
            {
                "instance_id": row.id,
                "name": row.name,
                "hours": hours,
                "tenant_id": row.project_id,
                "flavor": row.flavor["name"],
                "vcpus": row.vcpus,
                "memory_mb": row.ram,
                "local_gb": disk,
                "started_at": iso(row.launched_at, micro=True, zone=""),
                "ended_at": None if row.terminated_at is None else iso(row.terminated_at, micro=True, zone=""),
                "state": "terminated" if row.terminated_at else row.vm_state,
                "uptime": max(0, until - row.launched_at) // SECOND,
            }
        )


def usages(
    tx: Transaction, start: int, end: int, project_id: str | None, limit: int | None, marker: str | None
) -> Sequence[ProjectUsage]:
    """Usage by project, in the order of server ids after `marker`. One query; raises KeyError for the marker."""
    query = select_as(ServerRow).where(
        servers.c.launched_at.is_not(None),
        servers.c.launched_at <= end,
        or_(servers.c.terminated_at.is_(None), servers.c.terminated_at >= start),
    )
    if project_id is not None:
        query = query.where(servers.c.project_id == project_id)
    if marker is not None:
        if tx.row(select(servers.c.id).where(servers.c.id == marker)) is None:
            raise KeyError(marker)
        query = query.where(servers.c.id > marker)
    query = query.order_by(servers.c.id)
    if limit is not None:
        query = query.limit(limit)
    found: dict[str, ProjectUsage] = {}
    for row in tx.rows(query):
        found.setdefault(row.project_id, ProjectUsage(row.project_id)).add(row, start, end, tx.now)
    return list(found.values())
