"""Which roles a user has on a project, a domain or the system: directly, through groups, and inherited.

Implied roles are added by the caller from the snapshot. Reads only; `model/assignments.py` writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true

from cumulet.db import Transaction
from cumulet.services.identity.model import memberships
from cumulet.services.identity.tables import ROOT, assignments, projects

SYSTEM = "system"
Actor = tuple[str, Sequence[str]]
"""Id of a user, and ids of groups that its token brings along."""


def actors(user_id: str, groups: Sequence[str] = ()) -> ColumnElement[bool]:
    """Assignments of the user, of the user's groups, and of `groups` that a token brings along."""
    own = or_(assignments.c.actor_id == user_id, assignments.c.actor_id.in_(memberships.groups_of(user_id)))
    return or_(own, assignments.c.actor_id.in_(groups)) if groups else own


def ancestors(project_id: str) -> Select[Any]:
    """Ids of all projects above `project_id`, its domain among them."""
    start = select(projects.c.parent_id.label("id")).where(projects.c.id == project_id)
    above = start.cte("above", recursive=True)
    above = above.union(select(projects.c.parent_id).join(above, projects.c.id == above.c.id))
    return select(above.c.id).where(above.c.id.is_not(None))


def project_roles(tx: Transaction, user_id: str, project_id: str, groups: Sequence[str] = ()) -> list[str]:
    """Role ids of the user on the project. One query."""
    on_target = or_(
        and_(
            assignments.c.target_type == "project",
            assignments.c.target_id == project_id,
            assignments.c.inherited == false(),
        ),
        and_(assignments.c.inherited == true(), assignments.c.target_id.in_(ancestors(project_id))),
    )
    return _roles(tx, actors(user_id, groups), on_target)


def domain_roles(tx: Transaction, user_id: str, domain_id: str, groups: Sequence[str] = ()) -> list[str]:
    """Role ids of the user on the domain itself. One query."""
    return _roles(tx, actors(user_id, groups), _exactly("domain", domain_id))


def system_roles(tx: Transaction, user_id: str, groups: Sequence[str] = ()) -> list[str]:
    """Role ids of the user on the system. One query."""
    return _roles(tx, actors(user_id, groups), _exactly(SYSTEM, SYSTEM))


def _exactly(kind: str, target_id: str) -> ColumnElement[bool]:
    return and_(
        assignments.c.target_type == kind, assignments.c.target_id == target_id, assignments.c.inherited == false()
    )


def _roles(tx: Transaction, who: ColumnElement[bool], on_target: ColumnElement[bool]) -> list[str]:
    wanted = select(assignments.c.role_id).where(who, on_target).distinct()
    return [row.role_id for row in tx.rows(wanted)]


def reachable_projects(user_id: str, groups: Sequence[str] = ()) -> ColumnElement[bool]:
    """Projects on which the user has a role, as a condition on `projects`."""
    direct = select(assignments.c.target_id).where(
        actors(user_id, groups), assignments.c.target_type == "project", assignments.c.inherited == false()
    )
    start = select(assignments.c.target_id.label("id")).where(
        actors(user_id, groups), assignments.c.inherited == true()
    )
    tops = start.cte("tops", recursive=True)
    below = tops.union(select(projects.c.id).join(tops, projects.c.parent_id == tops.c.id))
    inherited = select(projects.c.id).join(below, projects.c.parent_id == below.c.id)
    return and_(projects.c.is_domain == false(), or_(projects.c.id.in_(direct), projects.c.id.in_(inherited)))


def reachable_domains(user_id: str, groups: Sequence[str] = ()) -> ColumnElement[bool]:
    """Domains on which the user has a role, as a condition on `projects`."""
    direct = select(assignments.c.target_id).where(
        actors(user_id, groups), assignments.c.target_type == "domain", assignments.c.inherited == false()
    )
    return and_(projects.c.domain_id == ROOT, projects.c.id.in_(direct))
