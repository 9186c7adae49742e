"""Rows of images that have been deleted for long. Their tags, members and bytes went when they were deleted."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, select

from cumulet.db import Prepared, Transaction
from cumulet.db.in_list import in_bound_list
from cumulet.services.image.tables import images

_DEAD = Prepared(
    select(images.c.id)
    .where(images.c.deleted_at.is_not(None), images.c.deleted_at < bindparam("before"))
    .order_by(images.c.deleted_at)
    .limit(bindparam("most"))
)
_ROWS = Prepared(delete(images).where(in_bound_list(images.c.id, "ids")))
_KEPT = Prepared(select(func.count(), func.min(images.c.deleted_at)).where(images.c.deleted_at.is_not(None)))


def forget(tx: Transaction, before: int, most: int) -> int:
    """Let go of the rows of at most `most` images deleted before that (µs), the oldest first. Two statements."""
    ids = [row[0] for row in tx.tuples(_DEAD, {"before": before, "most": most})]
    if ids:
        tx.execute_prepared(_ROWS, {"ids": ids})
    return len(ids)


def kept(tx: Transaction) -> tuple[int, int | None]:
    """How many deleted images have rows, and when the first of them was deleted (µs)."""
    ((count, oldest),) = tx.tuples(_KEPT)
    return count, oldest
