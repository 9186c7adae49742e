"""Tags of a project: up to eighty short words, kept in the order of their names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.identity.tables import ProjectTagRow, project_tags

MOST = 80


def browse(tx: Transaction, project_id: str) -> list[str]:
    """All tags. One query."""
    wanted = select(project_tags.c.name).where(project_tags.c.project_id == project_id)
    return [row.name for row in tx.rows(wanted.order_by(project_tags.c.name))]


def check(tx: Transaction, project_id: str, name: str) -> None:
    """Raise 404 unless the project has the tag. One query."""
    wanted = select_as(ProjectTagRow).where(project_tags.c.project_id == project_id, project_tags.c.name == name)
    if tx.row(wanted) is None:
        raise _missing(name)


def add(tx: Transaction, project_id: str, name: str) -> None:
    """Give the project a tag; it may have it already. Raises 400 for one too many."""
    if name in browse(tx, project_id):
        return
    count = tx.scalar(select(func.count()).select_from(project_tags).where(project_tags.c.project_id == project_id))
    if count >= MOST:
        raise BadRequest(f"Invalid input for field 'tags': more than {MOST} tags")
    tx.insert(project_tags, {"project_id": project_id, "name": name})


def replace(tx: Transaction, project_id: str, names: Sequence[str]) -> None:
    """Give the project these tags instead of those it has. Raises 400 for a tag that is there twice."""
    if len(set(names)) < len(names):
        raise BadRequest(f"Invalid input for field 'tags': {list(names)!r} has non-unique elements")
    tx.delete(project_tags, project_tags.c.project_id == project_id)
    tx.insert(project_tags, [{"project_id": project_id, "name": name} for name in names])


def remove(tx: Transaction, project_id: str, name: str) -> None:
    """Take a tag away. Raises 404."""
    if not tx.delete(project_tags, (project_tags.c.project_id == project_id) & (project_tags.c.name == name)):
        raise _missing(name)


def _missing(name: str) -> NotFound:
    return NotFound(f"Could not find project tag: {name}.")
