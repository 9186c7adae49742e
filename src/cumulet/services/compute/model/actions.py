"""Instance actions: what was asked of a server, by whom, and how it ended. One row each, with its one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, select, update

from cumulet.db import Page, Prepared, Transaction, paged, select_as
from cumulet.db.paging import MarkerNotFound
from cumulet.services.compute.context import Actor
from cumulet.services.compute.tables import ActionRow, actions
from cumulet.services.compute.verb import ServerVerb

_ENDING = (
    update(actions)
    .where(actions.c.server_id == bindparam("server"), actions.c.finished_at.is_(None))
    .values(
        finished_at=bindparam("now"),
        updated_at=bindparam("now"),
        result=bindparam("result"),
        message=bindparam("message"),
        details=bindparam("details"),
    )
)
_FINISH = Prepared(_ENDING.where(actions.c.action == bindparam("name")))
_FINISH_ALL = Prepared(_ENDING)


def begin(tx: Transaction, actor: Actor, server_id: str, verb: ServerVerb, host: str | None) -> None:
    """Somebody asked for `verb`."""
    tx.insert(actions, row(tx, actor, server_id, verb, host))


def row(tx: Transaction, actor: Actor, server_id: str, verb: ServerVerb, host: str | None) -> dict[str, Any]:
    """The row of an action that begins now."""
    return {
        "server_id": server_id,
        "action": verb.action,
        "request_id": actor.request_id,
        "project_id": actor.caller.project_id,
        "user_id": actor.user_id,
        "event": verb.event,
        "host": host,
        "started_at": tx.now,
        "updated_at": tx.now,
    }


def finish(tx: Transaction, server_id: str, verb: ServerVerb, error: str | None = None) -> None:
    """What was begun with `verb` and is unfinished ended; `error` is what went wrong."""
    tx.execute_prepared(_FINISH, {"server": server_id, "name": verb.action, **_ended(tx, error)})


def finish_all(tx: Transaction, server_id: str) -> None:
    """Whatever was begun is over: the server is no more."""
    tx.execute_prepared(_FINISH_ALL, {"server": server_id, **_ended(tx)})


def _ended(tx: Transaction, error: str | None = None) -> dict[str, Any]:
    values = {"result": "Error", "message": "Error", "details": error} if error else {"result": "Success"}
    return {"now": tx.now, "message": None, "details": None, **values}


def listed(
    tx: Transaction, server_id: str, page: Page, since: int | None = None, before: int | None = None
) -> Sequence[ActionRow]:
    """A server's actions, newest first; the marker is a request id. Raises `MarkerNotFound`."""
    query = select_as(ActionRow).where(actions.c.server_id == server_id)
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


def find(tx: Transaction, server_id: str, request_id: str) -> ActionRow | None:
    """The action that a request began."""
    where = and_(actions.c.server_id == server_id, actions.c.request_id == request_id)
    return tx.row(select_as(ActionRow).where(where).order_by(actions.c.id.desc()))
