"""Tasks: what the service does after it has answered, and what became of it.

pending ──▶ processing ──▶ success
   └───────────┴─────────▶ failure        a finished task is forgotten two days later
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_

from cumulet.auth import Caller
from cumulet.db import Page, Transaction, paged, select_as
from cumulet.db.paging import MarkerNotFound
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.image.tables import TaskRow, tasks

PENDING, PROCESSING, SUCCESS, FAILURE = "pending", "processing", "success", "failure"
STATUSES = (PENDING, PROCESSING, SUCCESS, FAILURE)
IMPORT, IMAGE_IMPORT, LOCATION_IMPORT = "import", "api_image_import", "location_import"
TYPES = (IMPORT, IMAGE_IMPORT, LOCATION_IMPORT)
LIFE_US = 48 * 3600 * 1_000_000
"""How long a task is kept after its end."""

_SORTED = {name: tasks.c[name] for name in ("created_at", "updated_at", "expires_at", "id", "type", "status", "owner")}
_BEFORE = {PROCESSING: (PENDING,), SUCCESS: (PROCESSING,), FAILURE: (PENDING, PROCESSING)}


def create(
    tx: Transaction,
    caller: Caller,
    kind: str,
    given: Mapping[str, Any],
    *,
    image_id: str | None = None,
    request_id: str | None = None,
) -> TaskRow:
    """A new pending task of the caller's. Those that ended long ago make room for it."""
    forget_expired(tx)
    task_id = str(uuid.uuid4())
    tx.insert(
        tasks,
        {
            "id": task_id,
            "type": kind,
            "status": PENDING,
            "owner": caller.project_id,
            "image_id": image_id,
            "user_id": caller.user_id,
            "request_id": request_id,
            "input": dict(given),
            "result": None,
            "message": "",
            "created_at": tx.now,
            "updated_at": tx.now,
            "expires_at": None,
        },
    )
    return get(tx, task_id)


def get(tx: Transaction, task_id: str) -> TaskRow:
    """The task. Raises 404."""
    row = tx.row(select_as(TaskRow).where(tasks.c.id == task_id))
    if row is None or (row.expires_at is not None and row.expires_at < tx.now):
        raise NotFound(f"No task found with ID {task_id}")
    return row


def listed(tx: Transaction, page: Page, *, status: str | None, kind: str | None) -> Sequence[TaskRow]:
    """A page of tasks that are not forgotten. Raises 400 for a sort key or a marker that there is not."""
    seen = query = select_as(TaskRow).where(or_(tasks.c.expires_at.is_(None), tasks.c.expires_at >= tx.now))
    if status is not None:
        query = query.where(tasks.c.status == status)
    if kind is not None:
        query = query.where(tasks.c.type == kind)
    try:
        return paged(tx, query, _SORTED, page, tasks.c.id, seen)
    except MarkerNotFound:
        raise BadRequest(f"No task found with ID {page.marker}") from None
    except KeyError as error:
        raise BadRequest(f"Invalid sort key: {error.args[0]}") from None


def of_image(tx: Transaction, image_id: str) -> Sequence[TaskRow]:
    """The image's tasks, newest first."""
    return tx.rows(
        select_as(TaskRow).where(tasks.c.image_id == image_id).order_by(tasks.c.created_at.desc(), tasks.c.id)
    )


def begin(tx: Transaction, task_id: str) -> bool:
    """pending → processing. False: somebody else has begun or ended it."""
    return _move(tx, task_id, PROCESSING)


def succeed(tx: Transaction, task_id: str, result: Mapping[str, Any] | None = None) -> bool:
    """processing → success."""
    return _move(tx, task_id, SUCCESS, result=dict(result or {}), expires_at=tx.now + LIFE_US)


def fail(tx: Transaction, task_id: str, message: str) -> bool:
    """→ failure, with the reason in words for the task's owner."""
    return _move(tx, task_id, FAILURE, message=message, expires_at=tx.now + LIFE_US)


def _move(tx: Transaction, task_id: str, status: str, **values: Any) -> bool:
    where = (tasks.c.id == task_id) & tasks.c.status.in_(_BEFORE[status])
    return bool(tx.update(tasks, where, status=status, updated_at=tx.now, **values))


def forget_expired(tx: Transaction) -> int:
    """Delete tasks that ended long ago. How many there were."""
    return tx.delete(tasks, tasks.c.expires_at < tx.now)
