"""Rows of servers that have been deleted for long: they go with everything that only they had."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, select

from cumulet.db import Prepared, Transaction
from cumulet.db.in_list import in_bound_list
from cumulet.engine.retention import PARTS, UNFINISHED
from cumulet.services.compute.tables import actions, server_tags, servers

_DEAD = Prepared(
    select(servers.c.id)
    .where(servers.c.deleted_at.is_not(None), servers.c.deleted_at < bindparam("before"))
    .order_by(servers.c.deleted_at)
    .limit(bindparam("most"))
)
_ACTIONS = Prepared(
    delete(actions).where(
        actions.c.id.in_(select(actions.c.id).where(in_bound_list(actions.c.server_id, "ids")).limit(bindparam("most")))
    )
)
_PARTS = [
    Prepared(delete(server_tags).where(in_bound_list(server_tags.c.server_id, "ids"))),
    Prepared(delete(servers).where(in_bound_list(servers.c.id, "ids"))),
]
_KEPT = Prepared(select(func.count(), func.min(servers.c.deleted_at)).where(servers.c.deleted_at.is_not(None)))


def forget(tx: Transaction, before: int, most: int) -> int:
    """Let go of the rows of at most `most` servers deleted before that (µs), the oldest first. Four statements. A
    server that has had very many actions loses them in several steps."""
    ids = [row[0] for row in tx.tuples(_DEAD, {"before": before, "most": most})]
    if ids:
        if tx.execute_prepared(_ACTIONS, {"ids": ids, "most": most * PARTS}) == most * PARTS:
            return UNFINISHED
        for part in _PARTS:
            tx.execute_prepared(part, {"ids": ids})
    return len(ids)


def kept(tx: Transaction) -> tuple[int, int | None]:
    """How many deleted servers have rows, and when the first of them was deleted (µs)."""
    ((count, oldest),) = tx.tuples(_KEPT)
    return count, oldest
