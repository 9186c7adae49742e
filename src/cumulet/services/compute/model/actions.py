"""Instance actions: what was asked of a server, by whom, and how it ended. One row each, with its one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, select, update

from cumulet.db import Page, Prepared, Transaction, paged
from cumulet.db.in_list import in_bound_list
from cumulet.db.paging import MarkerNotFound
from cumulet.services.compute.context import Actor
from cumulet.services.compute.tables import actions

EVENTS = {
    "create": "compute__do_build_and_run_instance",
    "delete": "compute_terminate_instance",
    "start": "compute_start_instance",
    "stop": "compute_stop_instance",
    "reboot": "compute_reboot_instance",
}


_FINISH = Prepared(
    update(actions)
    .where(
        actions.c.server_id == bindparam("server"),
        in_bound_list(actions.c.action, "names"),
        actions.c.finished_at.is_(None),
    )
    .values(
        finished_at=bindparam("now"),
        updated_at=bindparam("now"),
        result=bindparam("result"),
        message=bindparam("message"),
        details=bindparam("details"),
    )
)


def begin(tx: Transaction, actor: Actor, server_id: str, action: str, host: str | None = None) -> None:
    """Somebody asked for `action`."""
    tx.insert(actions, row(tx, actor, server_id, action, host))


def row(tx: Transaction, actor: Actor, server_id: str, action: str, host: str | None) -> dict[str, Any]:
    """The row of an action that begins now."""
    return {
        "server_id": server_id,
        "action": action,
        "request_id": actor.request_id,
        "project_id": actor.caller.project_id,
        "user_id": actor.user_id,
        "event": EVENTS.get(action, f"compute_{action}"),
        "host": host,
        "started_at": tx.now,
        "updated_at": tx.now,
    }


def finish(tx: Transaction, server_id: str, names: Sequence[str], error: str | None = None) -> None:
    """The newest unfinished action of these names ended; `error` is what went wrong."""
    values = {"result": "Error", "message": "Error", "details": error} if error else {"result": "Success"}
    tx.execute_prepared(
        _FINISH, {"server": server_id, "names": names, "now": tx.now, "message": None, "details": None, **values}
    )


def listed(
    tx: Transaction, server_id: str, page: Page, since: int | None = None, before: int | None = None
) -> Sequence[Row[Any]]:
    """A server's actions, newest first; the marker is a request id. Raises `MarkerNotFound`."""
    query = select(actions).where(actions.c.server_id == server_id)
    if since is not None:
        query = query.where(actions.c.updated_at >= since)
    if before is not None:
        query = query.where(actions.c.updated_at <= before)
    if page.marker is not None:
        where = and_(actions.c.server_id == server_id, actions.c.request_id == page.marker)
        at = tx.scalar(select(actions.c.id).where(where))
        if at is None:
            raise MarkerNotFound(page.marker)
        query = query.where(actions.c.id < at)
    return paged(tx, query, {"id": actions.c.id}, Page(page.limit, None, (("id", True),)), actions.c.id, query)


def find(tx: Transaction, server_id: str, request_id: str) -> Row[Any] | None:
    """The action that a request began."""
    where = and_(actions.c.server_id == server_id, actions.c.request_id == request_id)
    return tx.row(select(actions).where(where).order_by(actions.c.id.desc()))
