"""Quotas: limits per project, counted from the rows themselves, so that nothing can drift.

`reserve` runs in the transaction that creates: writers queue, so two requests cannot both take the last place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, and_, bindparam, func, select

from cumulet.db import Prepared, Transaction
from cumulet.services.network import faults
from cumulet.services.network.tables import (
    floatingips,
    networks,
    ports,
    quotas,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)

DEFAULTS = {
    "network": 100,
    "subnet": 100,
    "subnetpool": -1,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "rbac_policy": 10,
    "security_group": 10,
    "security_group_rule": 100,
}
_TABLES: dict[str, Table] = {
    "network": networks,
    "subnet": subnets,
    "port": ports,
    "router": routers,
    "floatingip": floatingips,
    "security_group": security_groups,
    "security_group_rule": security_group_rules,
}


def limits(tx: Transaction, project_id: str) -> dict[str, int]:
    """The project's limit of each resource; -1 is none."""
    rows = tx.rows(select(quotas.c.resource, quotas.c.limit).where(quotas.c.project_id == project_id))
    return {**DEFAULTS, **{row.resource: row.limit for row in rows}}


def used(tx: Transaction, project_id: str) -> dict[str, int]:
    """How many of each resource the project has."""
    counts = [
        select(func.count()).select_from(table).where(table.c.project_id == project_id).scalar_subquery().label(name)
        for name, table in _TABLES.items()
    ]
    row = tx.row(select(*counts))
    assert row is not None
    return {**dict.fromkeys(DEFAULTS, 0), **row._mapping}


def reserve(tx: Transaction, project_id: str, wanted: Mapping[str, int]) -> None:
    """Make sure that the project may have so many more. Raises `OverQuota`. One query."""
    row = tx.row(_room(tuple(wanted)), {"project": project_id})
    assert row is not None
    over = []
    for index, (resource, count) in enumerate(wanted.items()):
        have_now, limit_now = row[2 * index], row[2 * index + 1]
        allowed = DEFAULTS[resource] if limit_now is None else limit_now
        if count > 0 and 0 <= allowed < have_now + count:
            over.append(resource)
    if over:
        raise faults.over_quota(over)


@lru_cache(maxsize=100)
def _room(resources: tuple[str, ...]) -> Prepared[Any]:
    """What the project has of each resource, and its limit: two columns for each."""
    columns = []
    for resource in resources:
        table = _TABLES[resource]
        have = select(func.count()).select_from(table)
        limit = select(quotas.c.limit).where(quotas.c.project_id == bindparam("project"))
        columns += [
            have.where(table.c.project_id == bindparam("project")).scalar_subquery().label(f"have_{resource}"),
            limit.where(quotas.c.resource == resource).scalar_subquery().label(f"limit_{resource}"),
        ]
    return Prepared(select(*columns))


def custom(tx: Transaction) -> dict[str, dict[str, int]]:
    """Limits of all projects that have some of their own."""
    found: dict[str, dict[str, int]] = {}
    for row in tx.rows(select(quotas).order_by(quotas.c.project_id)):
        found.setdefault(row.project_id, dict(DEFAULTS))[row.resource] = row.limit
    return found


def put(tx: Transaction, project_id: str, values: Mapping[str, int]) -> None:
    """Set limits of a project."""
    for resource, limit in values.items():
        tx.upsert(quotas, {"project_id": project_id, "resource": resource}, limit=limit)


def reset(tx: Transaction, project_id: str) -> int:
    """Give the project the defaults back; how many limits it had."""
    return tx.delete(quotas, and_(quotas.c.project_id == project_id))
