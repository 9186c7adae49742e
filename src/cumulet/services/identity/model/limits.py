"""Limits: what one project or domain may have of a resource, instead of the registered default.

Two models say how limits of a tree agree: `flat` lets each stand for itself; with `strict_two_level` no project's
limit exceeds its domain's. Nothing here counts what is used: services do, and ask `effective`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select

from cumulet.db import Transaction, TypedSelect, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import NotAllowed, NotFound
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.model.registered_limits import check_places, unknown
from cumulet.services.identity.tables import (
    LimitRow,
    ProjectRow,
    RegisteredLimitRow,
    limits,
    projects,
    registered_limits,
    services,
)

FLAT, STRICT = "flat", "strict_two_level"
MODELS = {
    FLAT: "Limit enforcement and validation does not take project hierarchy into consideration.",
    STRICT: "This model requires project hierarchy never exceeds a depth of two",
}
COLUMNS = {
    "id": limits.c.id,
    "project_id": limits.c.project_id,
    "domain_id": limits.c.domain_id,
    "service_id": registered_limits.c.service_id,
    "region_id": registered_limits.c.region_id,
    "resource_name": registered_limits.c.resource_name,
}
Fields = Mapping[str, Any]


class FullLimitRow(LimitRow):
    """A limit with what its registered limit is of."""

    service_id: str
    region_id: str
    resource_name: str


def _joined() -> TypedSelect[FullLimitRow]:
    return select_as(
        FullLimitRow,
        limits,
        registered_limits.c.service_id,
        registered_limits.c.region_id,
        registered_limits.c.resource_name,
    ).join(registered_limits, registered_limits.c.id == limits.c.registered_limit_id)


def browse(tx: Transaction, query: Query, *, project_id: str = "", domain_id: str = "") -> Sequence[FullLimitRow]:
    """Limits that fit `query`: of a project, or of a domain and its projects, when given. One query."""
    wanted = _joined()
    if project_id:
        wanted = wanted.where(limits.c.project_id == project_id)
    elif domain_id:
        inside = select(projects.c.id).where(projects.c.domain_id == domain_id)
        wanted = wanted.where(or_(limits.c.domain_id == domain_id, limits.c.project_id.in_(inside)))
    return listed(tx, wanted, query, COLUMNS)


def find(tx: Transaction, limit_id: str) -> FullLimitRow | None:
    """The limit, joined with its registered limit, or None. One query."""
    return tx.row(_joined().where(limits.c.id == limit_id))


def missing(limit_id: str) -> NotFound:
    """Keystone's 404."""
    return NotFound(f"Could not find limit for {limit_id}.")


def create(tx: Transaction, asked: Sequence[Fields], model: str) -> Sequence[FullLimitRow]:
    """All of `asked` or none. Raises 400 for what is not there, 403 where nothing is registered, 409."""
    check_places(tx, asked, "limit")
    owned = _owned(tx, asked)
    registered = _registered(tx, owned)
    if model == STRICT:
        _check_tree(tx, owned, registered)
    rows = [
        {
            "id": uuid.uuid4().hex,
            "registered_limit_id": registered[_key(each)].id,
            "project_id": each.get("project_id"),
            "domain_id": each.get("domain_id"),
            "resource_limit": each["resource_limit"],
            "description": each.get("description"),
        }
        for each in owned
    ]
    for row in rows:
        lookups.insert(tx, limits, row, lookups.conflict("limit", "Duplicate entry"))
    found = {row.id: row for row in tx.rows(_joined().where(limits.c.id.in_([row["id"] for row in rows])))}
    return [found[row["id"]] for row in rows]


def update(tx: Transaction, row: FullLimitRow, fields: Fields, model: str) -> FullLimitRow:
    """Change the amount or the description. Raises 403."""
    if model == STRICT and "resource_limit" in fields:
        changed = {**row._mapping, **fields}
        _check_tree(tx, [changed], _registered(tx, [changed]))
    if fields:
        tx.update(limits, limits.c.id == row.id, **fields)
    found = find(tx, row.id)
    assert found is not None
    return found


def delete(tx: Transaction, limit_id: str) -> None:
    """Delete a limit: the registered one holds again."""
    tx.delete(limits, limits.c.id == limit_id)


def effective(tx: Transaction, project_id: str, service_type: str, names: Iterable[str], region: str) -> dict[str, int]:
    """Limits of the project: resource name → amount, -1 for no limit. A name that is not registered is left out.

    A registered limit of `region` is preferred to one of no region. One query.
    """
    wanted = (
        select(
            registered_limits.c.resource_name,
            registered_limits.c.default_limit,
            limits.c.resource_limit,
        )
        .join(services, services.c.id == registered_limits.c.service_id)
        .outerjoin(
            limits,
            (limits.c.registered_limit_id == registered_limits.c.id) & (limits.c.project_id == project_id),
        )
        .where(
            services.c.type == service_type,
            registered_limits.c.resource_name.in_(list(names)),
            registered_limits.c.region_id.in_(["", region]),
        )
        .order_by(registered_limits.c.region_id)
    )
    return {
        row.resource_name: row.default_limit if row.resource_limit is None else row.resource_limit
        for row in tx.rows(wanted)
    }


Key = tuple[str, str, str]


def _key(fields: Fields) -> Key:
    return fields["service_id"], fields.get("region_id") or "", fields["resource_name"]


def _owned(tx: Transaction, asked: Sequence[Fields]) -> list[dict[str, Any]]:
    """`asked` with its owners looked up: a project that acts as a domain becomes the domain. One query."""
    wanted = {each[key] for each in asked for key in ("project_id", "domain_id") if each.get(key)}
    rows = {row.id: row for row in tx.rows(select_as(ProjectRow).where(projects.c.id.in_(wanted)))}
    owned = []
    for each in asked:
        key = "project_id" if each.get("project_id") else "domain_id"
        row = rows.get(each.get(key) or "")
        if row is None or (key == "domain_id" and not row.is_domain):
            raise unknown(key, "limit")
        owner = "domain_id" if row.is_domain else "project_id"
        rest = {name: value for name, value in each.items() if name not in ("project_id", "domain_id")}
        owned.append({**rest, owner: row.id, "of_domain": row.domain_id})
    return owned


def _registered(tx: Transaction, owned: Sequence[Fields]) -> dict[Key, RegisteredLimitRow]:
    """The registered limits behind `owned`. Raises 403 when one is missing. One query."""
    names = {each["resource_name"] for each in owned}
    found = {
        (row.service_id, row.region_id, row.resource_name): row
        for row in tx.rows(select_as(RegisteredLimitRow).where(registered_limits.c.resource_name.in_(names)))
    }
    if any(_key(each) not in found for each in owned):
        raise NotAllowed("Unable to create a limit that has no corresponding registered limit.")
    return found


def _check_tree(tx: Transaction, owned: Sequence[Fields], registered: Mapping[Key, RegisteredLimitRow]) -> None:
    """Raise 403 when a project's limit exceeds its domain's, of the request or of before. Two queries."""
    ids = {registered[_key(each)].id for each in owned}
    rows = tx.rows(
        select(limits, projects.c.domain_id.label("of_domain"))
        .outerjoin(projects, projects.c.id == limits.c.project_id)
        .where(limits.c.registered_limit_id.in_(ids))
    )
    amounts = {(row.registered_limit_id, row.project_id or row.domain_id): row.resource_limit for row in rows}
    parents = {row.project_id: row.of_domain for row in rows if row.project_id}
    for each in owned:
        owner = each.get("project_id") or each["domain_id"]
        amounts[registered[_key(each)].id, owner] = each["resource_limit"]
        if each.get("project_id"):
            parents[owner] = each.get("of_domain") or parents.get(owner)
    for each in owned:
        limit = registered[_key(each)]
        owner = each.get("project_id") or each["domain_id"]
        domain_id = parents[owner] if each.get("project_id") else owner
        most = _most(amounts.get((limit.id, domain_id), limit.default_limit))
        below = [
            amount
            for (registered_id, project_id), amount in amounts.items()
            if registered_id == limit.id and parents.get(project_id) == domain_id
        ]
        if any(_most(amount) > most for amount in below):
            raise _unfit(each, owner)


def _most(amount: int) -> float:
    return float("inf") if amount < 0 else amount


def _unfit(each: Fields, owner: str) -> NotAllowed:
    level = "project_id" if each.get("project_id") else "domain_id"
    return NotAllowed(
        f"Invalid resource limit: The resource limit ({level}: {owner}, resource_name: {each['resource_name']}, "
        f"resource_limit: {each['resource_limit']}, service_id: {each['service_id']}, region_id: "
        f"{each.get('region_id') or None}) doesn't satisfy current hierarchy model.."
    )
