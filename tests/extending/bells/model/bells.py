"""Bells: their rules and their SQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import func, or_, select

from cumulet.db import Transaction, select_as
from cumulet.engine import timeline
from cumulet.engine.verbs import Verb
from cumulet.fleet.service import Subject
from cumulet.http.faults import Conflict, NotAllowed, NotFound
from tests.extending.bells import states
from tests.extending.bells.tables import BellRow, bells
from tests.extending.bells.verbs import VERBS

_ALIVE = bells.c.deleted_at.is_(None)


def get(tx: Transaction, bell_id: str) -> BellRow:
    """One bell. Raises 404."""
    row = tx.row(select_as(BellRow).where(bells.c.id == bell_id, _ALIVE))
    if row is None:
        raise NotFound(f"Bell {bell_id} could not be found.")
    return row


def listed(tx: Transaction, project_id: str) -> Sequence[BellRow]:
    """A project's bells by name. One query."""
    return tx.rows(select_as(BellRow).where(bells.c.project_id == project_id, _ALIVE).order_by(bells.c.name))


def create(tx: Transaction, project_id: str, name: str, most: int) -> BellRow:
    """Hang a bell up. Raises 403 beyond `most` of a project."""
    used = select(func.count()).select_from(bells).where(bells.c.project_id == project_id, _ALIVE)
    if int(tx.scalar(used) or 0) >= most:
        raise NotAllowed(f"A project may have {most} bells.")
    row = {"id": str(uuid.uuid4()), "project_id": project_id, "name": name, "state": states.SILENT}
    tx.insert(bells, {**row, "created_at": tx.now})
    timeline.record(tx, row["id"], "created", "The bell was hung up.", {"name": name})
    return get(tx, row["id"])


def delete(tx: Transaction, row: BellRow) -> None:
    """Take a bell down; its row stays for a while."""
    tx.update(bells, bells.c.id == row.id, deleted_at=tx.now)
    timeline.record(tx, row.id, "deleted", "The bell was taken down.", {"name": row.name})


def begin(tx: Transaction, row: BellRow, verb: Verb) -> None:
    """Begin something with a bell. Raises 409 when it may not begin now."""
    if VERBS.hindrance(verb, row) is not None:
        raise Conflict(f"Bell {row.id} is {row.state}.")
    tx.update(bells, bells.c.id == row.id, **VERBS.begun(verb), rung=row.rung + 1)


def end(tx: Transaction, row: BellRow, verb: Verb, seen: str) -> None:
    """What was begun has ended."""
    tx.update(bells, bells.c.id == row.id, **VERBS.ended(verb, seen))


def find(tx: Transaction, text: str) -> list[Subject]:
    """Bells with this id or name, for ``explain``; 20 at most."""
    found = select_as(BellRow).where(or_(bells.c.id == text, bells.c.name == text)).limit(20)
    return [Subject("bell", row.id, row.name) for row in tx.rows(found)]


def forget(tx: Transaction, before: int, most: int) -> int:
    """Let go of the rows of at most `most` bells deleted before that (µs)."""
    dead = select(bells.c.id).where(bells.c.deleted_at < before).limit(most)
    return tx.delete(bells, bells.c.id.in_(dead))


def kept(tx: Transaction) -> tuple[int, int | None]:
    """How many deleted bells have rows, and when the first was deleted (µs)."""
    row = tx.row(select(func.count(), func.min(bells.c.deleted_at)).where(bells.c.deleted_at.is_not(None)))
    return (0, None) if row is None else (row[0], row[1])  # type: ignore[misc]
