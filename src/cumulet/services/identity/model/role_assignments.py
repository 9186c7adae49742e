"""The list of role assignments: as granted, or as they take effect (through groups, inheritance, implication).

A constant number of queries, however long the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, and_, false, or_, select, true

from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import access, memberships, snapshot
from cumulet.services.identity.tables import AssignmentRow, assignments, groups, projects, roles, users


class ListQuery(Struct, frozen=True):
    """What the list is narrowed to; None is everything."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool | None = None
    effective: bool = False
    subtree: bool = False
    within_domain: str | None = None

    def check(self) -> None:
        """Raise 400 for what cannot be asked together."""
        if self.user_id and self.group_id:
            raise BadRequest("Specify a user or group, not both")
        targets = {"system": self.system, "domain": self.domain_id, "project": self.project_id}
        asked = [name for name, value in targets.items() if value]
        if len(asked) > 1:
            raise BadRequest(f"Specify {'' if self.system else 'a '}{asked[0]} or {asked[1]}, not both")
        if self.effective and self.group_id:
            raise BadRequest("Combining group and effective filter will always result in an empty list.")
        if self.effective and self.domain_id and self.inherited:
            raise BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")
        if self.subtree and not self.project_id:
            raise BadRequest("scope.project.id must be specified if include_subtree is also specified")


class Entry(Struct, frozen=True):
    """One assignment. `granted_*` tell where it comes from when it is effective only: another actor, target or role."""

    role_id: str
    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    inherited: bool
    via_group: str | None = None
    from_target: tuple[str, str] | None = None
    prior_role: str | None = None


class Names(Struct, frozen=True):
    """Names of what entries hold ids of; of all but roles and domains together with their domain's id and name."""

    roles: dict[str, tuple[str, str]]
    users: dict[str, tuple[str, str]]
    groups: dict[str, tuple[str, str]]
    projects: dict[str, tuple[str, str]]
    domains: dict[str, str]


def browse(tx: Transaction, wanted: ListQuery) -> list[Entry]:
    """The entries that fit. One query; at most five when effective."""
    wanted.check()
    found = [
        Entry(row.role_id, row.actor_type, row.actor_id, row.target_type, row.target_id, row.inherited)
        for row in tx.rows(select_as(AssignmentRow).where(*_conditions(wanted)).order_by(*assignments.primary_key))
    ]
    if wanted.effective:
        found = _through_roles(tx, _through_projects(tx, _through_groups(tx, found, wanted), wanted), wanted)
    return list(dict.fromkeys(found))


def _conditions(wanted: ListQuery) -> list[ColumnElement[bool]]:
    where = [_on_target(wanted)]
    if wanted.user_id is not None:
        where.append(access.actors(wanted.user_id) if wanted.effective else assignments.c.actor_id == wanted.user_id)
    if wanted.group_id is not None:
        where.append(assignments.c.actor_id == wanted.group_id)
    if wanted.role_id is not None and not wanted.effective:
        where.append(assignments.c.role_id == wanted.role_id)
    if wanted.inherited is not None:
        where.append(assignments.c.inherited == wanted.inherited)
    if wanted.within_domain is not None:
        inside = select(projects.c.id).where(
            or_(projects.c.domain_id == wanted.within_domain, projects.c.id == wanted.within_domain)
        )
        where.append(assignments.c.target_id.in_(inside))
    return where


def _on_target(wanted: ListQuery) -> ColumnElement[bool]:
    if wanted.system:
        return assignments.c.target_type == access.SYSTEM
    if wanted.domain_id is not None:
        here = and_(assignments.c.target_type == "domain", assignments.c.target_id == wanted.domain_id)
        return and_(here, assignments.c.inherited == false()) if wanted.effective else here
    if wanted.project_id is None:
        return true()
    ids: Any = [wanted.project_id]
    if wanted.subtree:
        tree = select(projects.c.id).where(projects.c.id == wanted.project_id).cte("subtree", recursive=True)
        tree = tree.union(select(projects.c.id).join(tree, projects.c.parent_id == tree.c.id))
        ids = select(tree.c.id)
    here = and_(assignments.c.target_type == "project", assignments.c.target_id.in_(ids))
    if not wanted.effective:
        return here
    above = assignments.c.target_id.in_(access.ancestors(wanted.project_id))
    inherited = assignments.c.inherited == true()
    return or_(and_(here, ~inherited), and_(inherited, or_(above, here)) if wanted.subtree else and_(inherited, above))


def _through_groups(tx: Transaction, found: list[Entry], wanted: ListQuery) -> list[Entry]:
    ids = {entry.actor_id for entry in found if entry.actor_type == "group"}
    members = memberships.members(tx, ids, wanted.user_id) if ids else {}
    whole = []
    for entry in found:
        if entry.actor_type == "user":
            whole.append(entry)
            continue
        for user_id in members.get(entry.actor_id, ()):
            whole.append(replace(entry, actor_type="user", actor_id=user_id, via_group=entry.actor_id))
    return whole


def _through_projects(tx: Transaction, found: list[Entry], wanted: ListQuery) -> list[Entry]:
    if not any(entry.inherited for entry in found):
        return found
    children: dict[str, list[str]] = {}
    for row in tx.rows(select(projects.c.id, projects.c.parent_id).where(projects.c.parent_id.is_not(None))):
        children.setdefault(row.parent_id, []).append(row.id)
    allowed = None
    if wanted.project_id is not None:
        allowed = {wanted.project_id, *(_below(children, wanted.project_id) if wanted.subtree else ())}
    whole = []
    for entry in found:
        if not entry.inherited:
            whole.append(entry)
            continue
        origin = (entry.target_type, entry.target_id)
        for project_id in _below(children, entry.target_id):
            if allowed is None or project_id in allowed:
                whole.append(replace(entry, target_type="project", target_id=project_id, from_target=origin))
    return whole


def _below(children: dict[str, list[str]], top: str) -> Iterable[str]:
    ahead = list(children.get(top, ()))
    while ahead:
        project_id = ahead.pop()
        yield project_id
        ahead += children.get(project_id, ())


def _through_roles(tx: Transaction, found: list[Entry], wanted: ListQuery) -> list[Entry]:
    """With what roles imply, and without roles of a domain: those count only for what they imply."""
    implied = snapshot.closure(tx)
    of_domains = {row.id for row in tx.rows(select(roles.c.id).where(roles.c.domain_id != ""))}
    whole = []
    for entry in found:
        whole.append(entry)
        for role_id in sorted(implied.get(entry.role_id, ())):
            whole.append(replace(entry, role_id=role_id, prior_role=entry.role_id))
    return [entry for entry in whole if wanted.role_id in (None, entry.role_id) and entry.role_id not in of_domains]


def names(tx: Transaction, entries: list[Entry]) -> Names:
    """Names for `entries`. Five queries at most."""
    of_users = _named(tx, users, {e.actor_id for e in entries if e.actor_type == "user"})
    of_groups = _named(tx, groups, {e.actor_id for e in entries if e.actor_type == "group"})
    of_targets = _named(tx, projects, {e.target_id for e in entries if e.target_type != access.SYSTEM})
    of_roles = _named(tx, roles, {e.role_id for e in entries})
    ids = {domain for found in (of_users, of_groups, of_targets, of_roles) for _, domain in found.values()}
    of_domains = {domain: name for domain, (name, _) in _named(tx, projects, ids | set(of_targets)).items()}
    return Names(of_roles, of_users, of_groups, of_targets, of_domains)


def _named(tx: Transaction, table: Any, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    wanted = sorted(ids)
    if not wanted:
        return {}
    query = select(table.c.id, table.c.name, table.c.domain_id).where(table.c.id.in_(wanted))
    return {row.id: (row.name, row.domain_id) for row in tx.rows(query)}
