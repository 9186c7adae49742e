"""What is above and below a project, as its page shows it when asked.

As lists of projects they hold only those on which the asking user has a role; as ids, all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.services.identity.model import access
from cumulet.services.identity.tables import ProjectRow, projects

Ids = dict[str, Any] | None


def above(tx: Transaction, project: ProjectRow) -> list[ProjectRow]:
    """The projects above, nearest first, the domain last. One query."""
    found = {
        row.id: row for row in tx.rows(select_as(ProjectRow).where(projects.c.id.in_(access.ancestors(project.id))))
    }
    chain, parent_id = [], project.parent_id
    while parent_id in found:
        row = found.pop(parent_id)
        chain.append(row)
        parent_id = row.parent_id
    return chain


def below(tx: Transaction, project: ProjectRow) -> Sequence[ProjectRow]:
    """All projects below. One query."""
    tree = select(projects.c.id).where(projects.c.parent_id == project.id).cte("below", recursive=True)
    tree = tree.union(select(projects.c.id).join(tree, projects.c.parent_id == tree.c.id))
    return tx.rows(select_as(ProjectRow).where(projects.c.id.in_(select(tree.c.id))).order_by(projects.c.id))


def accessible(tx: Transaction, rows: Sequence[ProjectRow], user_id: str) -> list[ProjectRow]:
    """Those of `rows` on which the user has a role. One query."""
    wanted = select(projects.c.id).where(access.reachable_projects(user_id), projects.c.id.in_([r.id for r in rows]))
    ids = {row.id for row in tx.rows(wanted)}
    return [row for row in rows if row.id in ids]


def ids_above(chain: Sequence[ProjectRow]) -> Ids:
    """``{parent: {grandparent: None}}``."""
    nested: Ids = None
    for row in reversed(chain):
        nested = {row.id: nested}
    return nested


def ids_below(project_id: str, rows: Sequence[ProjectRow]) -> Ids:
    """``{child: {grandchild: None}, child: None}``."""
    children: dict[str | None, list[str]] = {}
    for row in rows:
        children.setdefault(row.parent_id, []).append(row.id)

    def nested(top: str) -> Ids:
        return {child: nested(child) for child in children.get(top, ())} or None

    return nested(project_id)
