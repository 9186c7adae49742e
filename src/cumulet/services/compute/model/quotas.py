"""Quotas: limits per project, and what its servers use. The usage row changes with the servers, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import and_, update

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.http.faults import NotAllowed
from cumulet.services.compute.tables import FlavorRow, QuotaRow, ServerRow, UsageRow, quotas, usages

DEFAULT_CLASS = "class:default"
"""The row of `quotas` that holds what an operator changed for every project."""

DEFAULTS: Mapping[str, int] = {
    "instances": 10,
    "cores": 20,
    "ram": 50 * 1024,
    "floating_ips": -1,
    "fixed_ips": -1,
    "metadata_items": 128,
    "injected_files": 5,
    "injected_file_content_bytes": 10 * 1024,
    "injected_file_path_bytes": 255,
    "key_pairs": 100,
    "security_groups": -1,
    "security_group_rules": -1,
    "server_groups": 10,
    "server_group_members": 10,
}


_LIMITS = Prepared(select_as(QuotaRow).where(in_bound_list(quotas.c.project_id, "projects")))


class Usage(Struct, frozen=True):
    """What a project's servers use; `ram` in MiB."""

    instances: int = 0
    cores: int = 0
    ram: int = 0


def limits(tx: Transaction, project_id: str) -> dict[str, int]:
    """A project's limits; -1 is none."""
    found = dict(DEFAULTS)
    for row in sorted(
        tx.rows(_LIMITS, {"projects": (DEFAULT_CLASS, project_id)}), key=lambda row: row.project_id != DEFAULT_CLASS
    ):
        found[row.resource] = row.hard_limit
    return found


def default_limits(tx: Transaction) -> dict[str, int]:
    """Limits of a project for which nobody set any."""
    return limits(tx, DEFAULT_CLASS)


def set_limits(tx: Transaction, project_id: str, values: Mapping[str, int]) -> None:
    """Set some of a project's limits."""
    for resource, limit in values.items():
        tx.upsert(quotas, {"project_id": project_id, "resource": resource}, hard_limit=limit)


def reset(tx: Transaction, project_id: str) -> None:
    """Back to the defaults."""
    tx.delete(quotas, quotas.c.project_id == project_id)


def usage(tx: Transaction, project_id: str) -> Usage:
    """What a project's servers use now."""
    rows = tx.rows_by_key(UsageRow, project_id=project_id)
    return Usage(rows[0].instances, rows[0].cores, rows[0].ram) if rows else Usage()


def room(limit: Mapping[str, int], used: Usage, flavor: FlavorRow, least: int, most: int) -> int:
    """How many servers of `flavor` fit, `most` at most. Raises 403 when `least` do not."""
    each = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.ram}
    have = {"instances": used.instances, "cores": used.cores, "ram": used.ram}
    fits = most
    for name, size in each.items():
        if limit[name] >= 0 and size > 0:
            fits = min(fits, max(0, limit[name] - have[name]) // size)
    if fits >= least:
        return fits
    overs = [name for name in each if 0 <= limit[name] < have[name] + each[name] * least]
    wanted = {name: str(each[name] * least) for name in overs}
    if "instances" in wanted and least != most:
        wanted["instances"] = f"{least}-{most}"
    raise NotAllowed(
        f"Quota exceeded for {', '.join(overs)}: Requested {', '.join(wanted[name] for name in overs)}, "
        f"but already used {', '.join(str(have[name]) for name in overs)} "
        f"of {', '.join(str(limit[name]) for name in overs)} {', '.join(overs)}",
        code="OverQuota",
    )


def reserve(
    tx: Transaction, project_id: str, limit: Mapping[str, int], flavor: FlavorRow, counts: tuple[int, int]
) -> int:
    """Count servers of `flavor` to what is used: how many of `counts` (at least, at most) fit. Raises 403 when the
    least do not, and then the transaction must be rolled back. One statement when all fit."""
    least, most = counts
    before = _add(tx, project_id, flavor, most)
    fits = room(limit, before, flavor, least, most)
    if fits < most:
        _add(tx, project_id, flavor, fits - most)
    return fits


def count(tx: Transaction, project_id: str, instances: int, cores: int, ram: int) -> None:
    """Count servers that are there already to what the project uses, whatever its limits are."""
    added = {"instances": instances, "cores": cores, "ram": ram}
    raised = {name: usages.c[name] + number for name, number in added.items()}
    if not tx.execute(update(usages).where(usages.c.project_id == project_id).values(raised)).rowcount:
        tx.insert(usages, {"project_id": project_id, **added})


def _add(tx: Transaction, project_id: str, flavor: FlavorRow, count: int) -> Usage:
    """Add servers to the project's row; what it held before."""
    added = {"instances": count, "cores": flavor.vcpus * count, "ram": flavor.ram * count}
    raised = {name: usages.c[name] + number for name, number in added.items()}
    statement = update(usages).where(usages.c.project_id == project_id).values(raised)
    row = tx.row(statement.returning(usages.c.instances, usages.c.cores, usages.c.ram))
    if row is None:
        tx.insert(usages, {"project_id": project_id, **added})
        return Usage()
    return Usage(row.instances - added["instances"], row.cores - added["cores"], row.ram - added["ram"])


def give_back(tx: Transaction, server: ServerRow) -> None:
    """A server is gone: what it used is free."""
    tx.update(
        usages,
        and_(usages.c.project_id == server.project_id),
        instances=usages.c.instances - 1,
        cores=usages.c.cores - server.vcpus,
        ram=usages.c.ram - server.ram,
    )
