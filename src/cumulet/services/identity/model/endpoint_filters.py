"""Which endpoints a project sees: those associated with it, singly or by groups; all, when that makes none.

The catalog of tokens follows (`snapshot.py`, `tokens.py`), so every change raises the generation.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, Table, and_, or_, select

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import NotFound
from cumulet.services.identity.model import generation, lookups
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import (
    EndpointGroupRow,
    EndpointRow,
    ProjectEndpointRow,
    ProjectRow,
    endpoint_groups,
    endpoints,
    project_endpoint_groups,
    project_endpoints,
    projects,
)

FILTERS = ("interface", "service_id", "region_id")
COLUMNS = {"id": endpoint_groups.c.id, "name": endpoint_groups.c.name}
Ids = Sequence[str] | Select[Any]
_SORTS = {"endpoint": project_endpoints, "endpoint_group": project_endpoint_groups}


def browse(tx: Transaction, query: Query) -> Sequence[EndpointGroupRow]:
    """Endpoint groups that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(EndpointGroupRow), query, COLUMNS)


def create(tx: Transaction, fields: Mapping[str, Any]) -> EndpointGroupRow:
    """A new endpoint group, which no project has yet."""
    group_id = uuid.uuid4().hex
    tx.insert(endpoint_groups, {"description": None, **fields, "id": group_id})
    return lookups.get(tx, EndpointGroupRow, group_id)


def update(tx: Transaction, group_id: str, fields: Mapping[str, Any]) -> EndpointGroupRow:
    """Change an endpoint group, and what its projects see."""
    tx.update(endpoint_groups, endpoint_groups.c.id == group_id, **fields)
    generation.bump(tx)
    return lookups.get(tx, EndpointGroupRow, group_id)


def delete(tx: Transaction, group_id: str) -> None:
    """Delete an endpoint group and take it from its projects."""
    tx.delete(project_endpoint_groups, project_endpoint_groups.c.endpoint_group_id == group_id)
    tx.delete(endpoint_groups, endpoint_groups.c.id == group_id)
    generation.bump(tx)


def link(tx: Transaction, noun: str, identifier: str, project_id: str) -> None:
    """Give a project an ``endpoint`` or ``endpoint_group``. Raises 409 when it has it."""
    row = {"project_id": project_id, f"{noun}_id": identifier}
    lookups.insert(tx, _SORTS[noun], row, lookups.conflict(f"project_{noun}", "Duplicate entry"))
    generation.bump(tx)


def check(tx: Transaction, noun: str, identifier: str, project_id: str) -> None:
    """Raise 404 unless the project has been given it."""
    table = _SORTS[noun]
    if tx.row(select(table).where(_is(table, noun, identifier, project_id))) is None:
        raise _unlinked(noun, identifier, project_id)


def unlink(tx: Transaction, noun: str, identifier: str, project_id: str) -> None:
    """Take it from a project. Raises 404."""
    table = _SORTS[noun]
    if not tx.delete(table, _is(table, noun, identifier, project_id)):
        raise _unlinked(noun, identifier, project_id)
    generation.bump(tx)


def projects_of(tx: Transaction, noun: str, identifier: str) -> Sequence[ProjectRow]:
    """Projects that have been given an ``endpoint`` or ``endpoint_group``. One query."""
    table = _SORTS[noun]
    wanted = select_as(ProjectRow).join(table, table.c.project_id == projects.c.id)
    return tx.rows(wanted.where(table.c[f"{noun}_id"] == identifier).order_by(projects.c.id))


def groups_of(tx: Transaction, project_id: str) -> Sequence[EndpointGroupRow]:
    """Endpoint groups of a project. One query."""
    table = project_endpoint_groups
    wanted = select_as(EndpointGroupRow).join(table, table.c.endpoint_group_id == endpoint_groups.c.id)
    return tx.rows(wanted.where(table.c.project_id == project_id).order_by(endpoint_groups.c.id))


def in_group(tx: Transaction, group: EndpointGroupRow) -> Sequence[EndpointRow]:
    """Endpoints that fit a group's filters. One query."""
    return tx.rows(select_as(EndpointRow).where(_fits(group.filters)).order_by(endpoints.c.id))


def of_project(tx: Transaction, project_id: str) -> Sequence[EndpointRow]:
    """Endpoints associated with a project, singly or by groups; none when nothing narrows it. Two queries."""
    single = select(project_endpoints.c.endpoint_id).where(project_endpoints.c.project_id == project_id)
    fitting = [_fits(group.filters) for group in groups_of(tx, project_id)]
    return tx.rows(select_as(EndpointRow).where(or_(endpoints.c.id.in_(single), *fitting)).order_by(endpoints.c.id))


def narrowed(tx: Transaction) -> dict[str, frozenset[str]]:
    """Project id → ids of the endpoints it sees; projects that see all are not there. Two queries, three when there
    are groups."""
    found: dict[str, set[str]] = {}
    for row in tx.rows(select_as(ProjectEndpointRow)):
        found.setdefault(row.project_id, set()).add(row.endpoint_id)
    links = project_endpoint_groups
    wanted = select(links.c.project_id, endpoint_groups.c.id, endpoint_groups.c.filters)
    grouped = tx.rows(wanted.join(endpoint_groups, endpoint_groups.c.id == links.c.endpoint_group_id))
    if grouped:
        every = tx.rows(select_as(EndpointRow))
        members = {row.id: _members(every, row.filters) for row in {row.id: row for row in grouped}.values()}
        for each in grouped:
            found.setdefault(each.project_id, set()).update(members[each.id])
    return {project_id: frozenset(ids) for project_id, ids in found.items() if ids}


def forget(tx: Transaction, *, endpoint_ids: Ids = (), project_ids: Ids = ()) -> None:
    """Endpoints or projects go, and with them their associations."""
    if isinstance(endpoint_ids, Select) or endpoint_ids:
        tx.delete(project_endpoints, project_endpoints.c.endpoint_id.in_(endpoint_ids))
    if isinstance(project_ids, Select) or project_ids:
        tx.delete(project_endpoints, project_endpoints.c.project_id.in_(project_ids))
        tx.delete(project_endpoint_groups, project_endpoint_groups.c.project_id.in_(project_ids))


def _members(every: Iterable[EndpointRow], filters: Mapping[str, str]) -> list[str]:
    return [row.id for row in every if all(getattr(row, name) == value for name, value in filters.items())]


def _fits(filters: Mapping[str, str]) -> Any:
    return and_(*(endpoints.c[name] == filters[name] for name in FILTERS if name in filters))


def _is(table: Table, noun: str, identifier: str, project_id: str) -> Any:
    return and_(table.c.project_id == project_id, table.c[f"{noun}_id"] == identifier)


def _unlinked(noun: str, identifier: str, project_id: str) -> NotFound:
    if noun == "endpoint":
        return NotFound(f"Endpoint {identifier} not found in project {project_id}")
    return NotFound("Endpoint Group Project Association not found")
