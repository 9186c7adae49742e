"""Which security groups ports are in, and which ones a caller may put them in."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, or_, select

from cumulet.auth import Caller
from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.http.faults import BadRequest, Conflict
from cumulet.services.network import faults
from cumulet.services.network.model.default_groups import ensure_default
from cumulet.services.network.tables import PortGroupRow, port_groups, security_groups

_OF_PORTS = Prepared(
    select_as(PortGroupRow).where(in_bound_list(port_groups.c.port_id, "ports")).order_by(port_groups.c.group_id)
)


def of_ports(tx: Transaction, port_ids: Sequence[str]) -> dict[str, list[str]]:
    """Security groups of ports. One query."""
    found: dict[str, list[str]] = {id: [] for id in port_ids}
    for row in tx.rows(_OF_PORTS, {"ports": port_ids}):
        found[row.port_id].append(row.group_id)
    return found


def existing(tx: Transaction, caller: Caller, ids: Sequence[str]) -> list[str]:
    """`ids` without repeats, when all are groups that the caller may use. Raises 404."""
    if not ids:
        return []
    where: ColumnElement[bool] = security_groups.c.id.in_(ids)
    if not caller.is_admin:
        where = and_(where, security_groups.c.project_id == caller.project_id)
    known = set(tx.execute(select(security_groups.c.id).where(where)).scalars())
    for id in ids:
        if id not in known:
            raise faults.not_found("security_group", id)
    return list(dict.fromkeys(ids))


def by_names(tx: Transaction, project_id: str, names: Sequence[str]) -> list[str]:
    """Ids of groups of the project that are given by name or id, as Nova takes them. Raises 400."""
    if "default" in names:
        ensure_default(tx, project_id)
    column = security_groups.c
    where = and_(column.project_id == project_id, or_(column.name.in_(names), column.id.in_(names)))
    rows = tx.rows(select(column.id, column.name).where(where))
    found = []
    for name in dict.fromkeys(names):
        ids = [row.id for row in rows if row.id == name] or [row.id for row in rows if row.name == name]
        if len(ids) > 1:
            raise Conflict(f"Multiple security_group matches found for name '{name}', use an ID to be more specific.")
        if not ids:
            raise BadRequest(f"Security group {name} not found.")
        found += ids
    return list(dict.fromkeys(found))
