"""Power: start, stop and reboot are changes of what is wanted of a guest; its node makes them true."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.db import Transaction
from cumulet.engine import timeline
from cumulet.fleet import door as fleet
from cumulet.http.faults import Conflict
from cumulet.services.compute import states
from cumulet.services.compute.context import Actor
from cumulet.services.compute.model import actions, servers


def stop(tx: Transaction, actor: Actor, row: Row[Any]) -> None:
    """The guest shall be off. Raises 409 in a wrong state."""
    servers.require(row, "stop")
    _begin(tx, actor, row, "stop", task_state=states.POWERING_OFF, power="off")


def start(tx: Transaction, actor: Actor, row: Row[Any]) -> None:
    """The guest shall be on. Raises 409 in a wrong state."""
    servers.require(row, "start")
    _begin(tx, actor, row, "start", task_state=states.POWERING_ON, power="on")


def reboot(tx: Transaction, actor: Actor, row: Row[Any], *, hard: bool) -> None:
    """The guest shall be started anew; a hard one also brings a stopped or failed guest up. Raises 409."""
    servers.require(row, "reboot_hard" if hard else "reboot", "reboot")
    if hard:
        values: dict[str, Any] = {"hard_reboots": row.hard_reboots + 1, "task_state": states.REBOOTING_HARD}
    else:
        values = {"soft_reboots": row.soft_reboots + 1, "task_state": states.REBOOTING}
    _begin(tx, actor, row, "reboot", **values, power="on")


def _begin(tx: Transaction, actor: Actor, row: Row[Any], action: str, **values: Any) -> None:
    if row.host is None or row.link_id is None:
        raise Conflict(f"Instance {row.id} is not ready: it is on no host")
    servers.change(tx, row.id, **values)
    fleet.publish(tx, link_id=row.link_id, kind="guest", ref=row.id, host=row.host)
    actions.begin(tx, actor, row.id, action, row.host)
    timeline.record(tx, row.id, action, f"A {action} was asked for.", {}, actor.request_id)
    actor.context.engine.start(
        tx, "power", row.id, "settling", deadline_s=actor.context.deadlines.power_s, state={"action": action}
    )


def settled(tx: Transaction, row: Row[Any], power_state: int) -> None:
    """The guest is as wanted; `power_state` is what its node saw."""
    on = power_state == states.RUNNING
    values: dict[str, Any] = {"launched_at": tx.now} if on and row.launched_at is None else {}
    servers.change(
        tx,
        row.id,
        vm_state=states.ACTIVE if on else states.STOPPED,
        task_state=None,
        power_state=power_state,
        fault=None,
        **values,
    )


def went_off(tx: Transaction, row: Row[Any], power_state: int) -> None:
    """A guest that was to run stopped by itself: from now on that is what is wanted, as Nova's sync has it."""
    assert row.link_id is not None and row.host is not None
    servers.change(tx, row.id, vm_state=states.STOPPED, power_state=states.SHUTDOWN, power="off")
    fleet.publish(tx, link_id=row.link_id, kind="guest", ref=row.id, host=row.host)
    what = "crashed" if power_state == states.CRASHED else "shut down"
    timeline.record(tx, row.id, "stopped", f"The guest {what} by itself.")


def failed(tx: Transaction, row: Row[Any], action: str, error: str, detail: str) -> None:
    """The node could not do it: ERROR with the reason. The guest's place stays; a hard reboot tries again."""
    fault = servers.fault(tx, 500, error, detail)
    servers.change(tx, row.id, vm_state=states.ERROR, task_state=None, fault=fault)
    actions.finish(tx, row.id, [action], detail or error)
    timeline.record(tx, row.id, "error", error, {"detail": detail})
