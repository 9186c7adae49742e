"""Deleting servers, and the end of everything that a server holds. The undo of a create is this, too."""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.engine import timeline
from cumulet.fleet import door as fleet
from cumulet.services.compute import states
from cumulet.services.compute.context import Actor
from cumulet.services.compute.model import actions, quotas, servers
from cumulet.services.compute.tables import server_tags
from cumulet.services.compute.verbs import VERBS
from cumulet.services.compute.verbs.create import CREATE
from cumulet.services.compute.verbs.delete import DELETE
from cumulet.services.network import door as network
from cumulet.services.placement import door as placement


def delete(tx: Transaction, actor: Actor, row: servers.Server) -> None:
    """Begin to delete a server, in whatever state it is; nothing happens when that has begun already. Raises 409 when
    it is locked.

    One whose host is down is gone at once, as Nova's local delete has it; the host cleans up when it is back.
    """
    servers.require_unlocked(row, actor.sees_all)
    if VERBS.under_way(row) is DELETE:
        return
    servers.require(row, DELETE)
    actions.begin(tx, actor, row.id, DELETE, row.host)
    engine = actor.context.engine
    engine.cancel_all(tx, row.id)
    timeline.record(tx, row.id, DELETE.name, "A delete was asked for.", {}, actor.request_id)
    if row.host is None or row.link_id is None:
        finish(tx, row)
        return
    fleet.withdraw(tx, link_id=row.link_id, kind="guest", ref=row.id)
    if not fleet.host_up(tx, row.host):
        finish(tx, row)
        return
    servers.change(tx, row.id, **VERBS.begun(DELETE))
    seconds = actor.context.deadlines.of(DELETE)
    engine.start(tx, DELETE.flow, row.id, "removing", deadline_s=seconds, after_s=min(10.0, seconds))


def let_go(tx: Transaction, row: servers.Server) -> None:
    """Nothing is held for the server any more: no guest wanted on a host, no port, no claim."""
    if row.link_id is not None:
        fleet.withdraw(tx, link_id=row.link_id, kind="guest", ref=row.id)
    network.unplug_server(tx, row.id)
    placement.release(tx, row.id)


def finish(tx: Transaction, row: servers.Server) -> None:
    """The guest is gone: give everything back and mark the row, which stays for lists of deleted servers."""
    network.unplug_server(tx, row.id)
    placement.release(tx, row.id)
    quotas.give_back(tx, row)
    tx.delete(server_tags, server_tags.c.server_id == row.id)
    servers.change(
        tx,
        row.id,
        **VERBS.ended(DELETE, states.NO_STATE),
        power_state=states.NO_STATE,
        terminated_at=tx.now,
        deleted_at=tx.now,
        user_data=None,
        personality=[],
    )
    actions.finish_all(tx, row.id)
    timeline.record(tx, row.id, timeline.DELETED, "The server is deleted.", {})


def fail(tx: Transaction, row: servers.Server, message: str, details: str) -> None:
    """The server could not be built: ERROR with the reason, holding nothing but its row and its quota."""
    let_go(tx, row)
    servers.change(
        tx,
        row.id,
        **VERBS.failed(CREATE),
        host=None,
        link_id=None,
        fault=servers.fault(tx, 500, message, details),
    )
    actions.finish(tx, row.id, CREATE, details or message)
    timeline.record(tx, row.id, "error", message, {"details": details})
