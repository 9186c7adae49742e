"""Verbs that a guest's node carries out: they change what is wanted of the guest, and end when its node has made it so.

Begin, end and failure are the same for all of them; what differs says the verb. Those that take more than that (create,
delete) have modules of their own.
"""

from __future__ import annotations

from typing import Any

from cumulet.db import Transaction
from cumulet.engine import timeline
from cumulet.fleet import door as fleet
from cumulet.http.faults import Conflict
from cumulet.services.compute import states
from cumulet.services.compute.context import Actor
from cumulet.services.compute.model import actions, servers
from cumulet.services.compute.verb import ServerVerb
from cumulet.services.compute.verbs import VERBS

FIRST_STEP = "settling"
"""Where the flow of such a verb begins."""


def begin(tx: Transaction, actor: Actor, row: servers.Server, verb: ServerVerb) -> None:
    """Begin `verb`. Raises 409 when the server is locked, in a wrong state, or on no host."""
    servers.require_unlocked(row, actor.sees_all)
    servers.require(row, verb)
    if row.host is None or row.link_id is None:
        raise Conflict(f"Instance {row.id} is not ready: it is on no host")
    servers.change(tx, row.id, **VERBS.begun(verb), **verb.wanted(row))
    fleet.publish(tx, link_id=row.link_id, kind="guest", ref=row.id, host=row.host)
    actions.begin(tx, actor, row.id, verb, row.host)
    timeline.record(tx, row.id, verb.action, f"A {verb.action} was asked for.", {}, actor.request_id)
    seconds = actor.context.deadlines.of(verb)
    actor.context.engine.start(tx, verb.flow, row.id, FIRST_STEP, deadline_s=seconds)


def end(tx: Transaction, row: servers.Server, verb: ServerVerb, power_state: int) -> None:
    """The guest is as wanted; `power_state` is what its node saw."""
    settle(tx, row, verb, power_state)
    actions.finish(tx, row.id, verb)
    timeline.record(tx, row.id, f"{verb.action}_done", f"The {verb.action} is done.")


def settle(tx: Transaction, row: servers.Server, verb: ServerVerb, power_state: int) -> None:
    """The server rests in what `verb` became."""
    new = power_state == states.RUNNING and row.launched_at is None
    values: dict[str, Any] = {"launched_at": tx.now} if new else {}
    servers.change(tx, row.id, **VERBS.ended(verb, power_state), power_state=power_state, fault=None, **values)


def fail(tx: Transaction, row: servers.Server, verb: ServerVerb, error: str, detail: str) -> None:
    """The node could not do it: ERROR with the reason. The guest's place stays; a hard reboot tries again."""
    fault = servers.fault(tx, 500, error, detail)
    servers.change(tx, row.id, **VERBS.failed(verb), fault=fault)
    actions.finish(tx, row.id, verb, detail or error)
    timeline.record(tx, row.id, "error", error, {"detail": detail})


def guest_stopped(tx: Transaction, row: servers.Server, verb: ServerVerb, power_state: int) -> None:
    """A guest that was to run stopped by itself: from now on that is what is wanted."""
    assert row.link_id is not None and row.host is not None
    ended = VERBS.ended(verb, power_state)
    servers.change(tx, row.id, **ended, **verb.wanted(row), power_state=states.SHUTDOWN)
    fleet.publish(tx, link_id=row.link_id, kind="guest", ref=row.id, host=row.host)
    what = "crashed" if power_state == states.CRASHED else "shut down"
    timeline.record(tx, row.id, "stopped", f"The guest {what} by itself.")
