"""Lists of servers: filters, order and paging in one query.

Regular expressions are matched here, on either database, within the bounds of `cumulet.patterns`: a database's own
have none, and what they mean differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, ColumnElement, Text, and_, func, not_, or_, select, true, type_coerce

from cumulet.db import Page, Transaction, TypedRow, paged, select_as
from cumulet.db.in_list import in_list
from cumulet.db.paging import MarkerNotFound
from cumulet.db.texts import instr
from cumulet.http.faults import BadRequest
from cumulet.patterns import Pattern
from cumulet.services.compute import states
from cumulet.services.compute.tables import server_tags, servers

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


class ListedServer(TypedRow):
    """What lists show of a server; JSON as text, because most rows of a list hold the same."""

    number: int
    id: str
    project_id: str
    user_id: str
    name: str
    description: str | None
    hostname: str
    vm_state: str
    task_state: str | None
    power_state: int
    progress: int
    host: str | None
    availability_zone: str | None
    image_id: str
    image: str | None
    flavor_id: str
    flavor: str
    vcpus: int
    ram: int
    key_name: str | None
    user_data: str | None
    meta: str
    config_drive: bool
    disk_config: str
    access_ip_v4: str | None
    access_ip_v6: str | None
    reservation_id: str
    launch_index: int
    hard_reboots: int
    soft_reboots: int
    locked_by: str | None
    locked_reason: str | None
    fault: str | None
    created_at: int
    updated_at: int
    launched_at: int | None
    terminated_at: int | None
    deleted_at: int | None


_COLUMNS = [
    type_coerce(servers.c[name], Text).label(name) if isinstance(servers.c[name].type, JSON) else servers.c[name]
    for name in ListedServer.__annotations__
]


@dataclass
class Filters:
    """What a list is narrowed to; None and empty mean: not by this. `patterns`: column → what has to be found in it."""

    project_id: str | None = None
    statuses: Sequence[str] = ()
    deleted: bool | None = False
    changes_since: int | None = None
    changes_before: int | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    tags: Sequence[str] = ()
    tags_any: Sequence[str] = ()
    not_tags: Sequence[str] = ()
    not_tags_any: Sequence[str] = ()
    locked: bool | None = None
    ids: Sequence[str] | None = None


def listed(tx: Transaction, filters: Filters, page: Page) -> Sequence[ListedServer]:
    """A page of servers. One query, one more with a regular expression and with a marker each. Raises 400 for the
    marker."""
    where = _where(tx, filters)
    seen = select(servers)
    if filters.project_id is not None:
        seen = seen.where(servers.c.project_id == filters.project_id)
    try:
        return paged(tx, select_as(ListedServer, *_COLUMNS).where(and_(*where)), SORT_KEYS, page, servers.c.id, seen)
    except MarkerNotFound as error:
        raise BadRequest(f"marker [{error.marker}] not found") from None


def ids_of(tx: Transaction, filters: Filters) -> list[str]:
    """Ids of all servers that the filters leave, in no order. One query, two with a regular expression."""
    return [row[0] for row in tx.rows(select(servers.c.id).where(and_(*_where(tx, filters))))]


def _where(tx: Transaction, filters: Filters) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [true()]
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
    if filters.locked is not None:
        where.append(servers.c.locked_by.is_not(None) if filters.locked else servers.c.locked_by.is_(None))
    if filters.ids is not None:
        where.append(in_list(servers.c.id, filters.ids))
    where += _tagged(filters)
    return _matching(tx, where, filters.patterns)


def _matching(
    tx: Transaction, where: list[ColumnElement[bool]], patterns: Mapping[str, Pattern]
) -> list[ColumnElement[bool]]:
    """`where`, and the patterns: the database looks for plain words, for the others the rows so far are looked at."""
    rest: dict[str, Pattern] = {}
    where = [*where]
    for name, pattern in patterns.items():
        words = _words_of(func.lower(servers.c[name]), pattern.text.lower())
        if words is None:
            rest[name] = pattern
        else:
            where.append(words)
    if not rest:
        return where
    rows = tx.rows(select(servers.c.id, *(servers.c[name] for name in rest)).where(and_(*where)))
    for place, pattern in enumerate(rest.values(), 1):
        search = pattern.search
        rows = [row for row in rows if row[place] is not None and search(row[place])]
    return [in_list(servers.c.id, [row[0] for row in rows])]


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_- :@/=")


def _words_of(lowered: ColumnElement[str], text: str) -> ColumnElement[bool] | None:
    """What a pattern in lower case means when it is but a word of ASCII, or begins or is the whole text: most are,
    and the database then looks for it by itself."""
    begins = text.startswith("^")
    ends = begins and text.endswith("$")
    word = text[begins : len(text) - ends]
    if not _PLAIN.issuperset(word.replace("\\.", "").replace("\\-", "")):
        return None
    word = word.replace("\\.", ".").replace("\\-", "-")
    if ends:
        return lowered == word
    return instr(lowered, word) == 1 if begins else instr(lowered, word) > 0


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
