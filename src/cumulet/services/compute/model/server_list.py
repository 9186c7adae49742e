"""Lists of servers: filters, order and paging in one query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, ColumnElement, Text, and_, func, not_, or_, select, type_coerce

from cumulet.http.faults import BadRequest
from cumulet.services.compute import states
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.tables import server_tags, servers
from cumulet.store import Page, Transaction, paged
from cumulet.store.paging import MarkerNotFound
from cumulet.store.texts import place_in

SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "access_ip_v4": servers.c.access_ip_v4,
    "access_ip_v6": servers.c.access_ip_v6,
    "auto_disk_config": servers.c.disk_config,
    "availability_zone": servers.c.availability_zone,
    "config_drive": servers.c.config_drive,
    "created_at": servers.c.created_at,
    "display_description": servers.c.description,
    "display_name": servers.c.name,
    "host": servers.c.host,
    "hostname": servers.c.hostname,
    "image_ref": servers.c.image_id,
    "instance_type_id": servers.c.flavor_id,
    "key_name": servers.c.key_name,
    "launch_index": servers.c.launch_index,
    "launched_at": servers.c.launched_at,
    "locked_by": servers.c.locked_by,
    "node": servers.c.host,
    "power_state": servers.c.power_state,
    "progress": servers.c.progress,
    "project_id": servers.c.project_id,
    "ramdisk_id": servers.c.image_id,
    "root_device_name": servers.c.number,
    "task_state": servers.c.task_state,
    "terminated_at": servers.c.terminated_at,
    "updated_at": servers.c.updated_at,
    "user_id": servers.c.user_id,
    "uuid": servers.c.id,
    "vm_state": servers.c.vm_state,
}


_UNSHOWN = frozenset({"personality", "seed", "public_key", "key_type", "link_id", "power"})
_COLUMNS = [
    type_coerce(column, Text).label(column.name) if isinstance(column.type, JSON) else column
    for column in servers.c
    if column.name not in _UNSHOWN
]
"""What lists show; JSON as text, because most rows of a list hold the same."""


@dataclass
class Filters:
    """What a list is narrowed to; None and empty mean: not by this. Texts in `patterns` are regular expressions."""

    project_id: str | None = None
    statuses: Sequence[str] = ()
    deleted: bool | None = False
    changes_since: int | None = None
    changes_before: int | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    tags_any: Sequence[str] = ()
    not_tags: Sequence[str] = ()
    not_tags_any: Sequence[str] = ()
    locked: bool | None = None
    ids: Sequence[str] | None = None


def listed(tx: Transaction, filters: Filters, page: Page) -> Sequence[Server]:
    """A page of servers. One query, three with a marker. Raises 400 for the marker."""
    where = _where(filters)
    if page.marker is not None:
        known = select(servers.c.project_id).where(servers.c.id == page.marker)
        owner = tx.scalar(known)
        if owner is None or (filters.project_id is not None and owner != filters.project_id):
            raise BadRequest(f"marker [{page.marker}] not found")
    try:
        return paged(tx, select(*_COLUMNS).where(and_(*where)), SORT_KEYS, page, servers.c.id)
    except MarkerNotFound as error:
        raise BadRequest(f"marker [{error.marker}] not found") from None


def _where(filters: Filters) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [servers.c.number > 0]
    if filters.project_id is not None:
        where.append(servers.c.project_id == filters.project_id)
    if filters.deleted is not None:
        where.append(servers.c.deleted_at.is_not(None) if filters.deleted else servers.c.deleted_at.is_(None))
    if filters.changes_since is not None:
        where.append(servers.c.updated_at >= filters.changes_since)
    if filters.changes_before is not None:
        where.append(servers.c.updated_at <= filters.changes_before)
    if filters.statuses:
        where.append(_in_status(filters.statuses))
    for name, value in filters.equal.items():
        column = servers.c[name]
        where.append(column.in_(value) if isinstance(value, list) else column == value)
    for name, pattern in filters.patterns.items():
        column = servers.c[name]
        plain = not _SPECIAL.search(pattern)  # SQLite calls back for each row of a regular expression
        where.append(place_in(column, pattern) > 0 if plain else column.regexp_match(pattern))
    if filters.locked is not None:
        where.append(servers.c.locked_by.is_not(None) if filters.locked else servers.c.locked_by.is_(None))
    if filters.ids is not None:
        where.append(servers.c.id.in_(filters.ids))
    return where + _tagged(filters)


def _in_status(statuses: Sequence[str]) -> ColumnElement[bool]:
    choices: list[ColumnElement[bool]] = []
    for status in statuses:
        for vm_state, task, others in states.states_of(status):
            here = servers.c.vm_state == vm_state
            if task is not None:
                here = and_(here, servers.c.task_state == task)
            elif others:
                here = and_(here, or_(servers.c.task_state.is_(None), servers.c.task_state.not_in(others)))
            choices.append(here)
    return or_(*choices) if choices else servers.c.number < 0


def _tagged(filters: Filters) -> list[ColumnElement[bool]]:
    def having(tags: Sequence[str], least: int) -> ColumnElement[bool]:
        matching = select(server_tags.c.server_id).where(server_tags.c.tag.in_(tags))
        counted = matching.group_by(server_tags.c.server_id).having(func.count() >= least)
        return servers.c.id.in_(counted)

    where: list[ColumnElement[bool]] = []
    if filters.tags:
        where.append(having(filters.tags, len(set(filters.tags))))
    if filters.tags_any:
        where.append(having(filters.tags_any, 1))
    if filters.not_tags:
        where.append(not_(having(filters.not_tags, len(set(filters.not_tags)))))
    if filters.not_tags_any:
        where.append(not_(having(filters.not_tags_any, 1)))
    return where


_SPECIAL = re.compile(r"[^\w\- :@/=]")


def check_pattern(text: str) -> str:
    """`text` as a regular expression that cannot run away: what is none, or nests repeats, is matched as it stands."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return re.escape(text)
    return re.escape(text) if len(text) > 255 or _RUNAWAY.search(text) else text


_RUNAWAY = re.compile(r"[)\]][*+{?].*[*+{]|[*+}][^|]{0,3}[*+{]|\)[*+{]")
