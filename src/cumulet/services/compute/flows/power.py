"""Start, stop and reboot: the task is over when the node reports the newest revision as done."""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.engine import Done, Flow, Outcome, Wait, timeline
from cumulet.fleet import door as fleet
from cumulet.services.compute import states
from cumulet.services.compute.context import ComputeContext
from cumulet.services.compute.model import actions, server_power, servers

KIND = "power"
TASKS = frozenset({states.POWERING_OFF, states.POWERING_ON, states.REBOOTING, states.REBOOTING_HARD})


class Power:
    """The flow's steps, with what they need of the process."""

    def __init__(self, context: ComputeContext) -> None:
        self.context = context

    def settling(self, tx: Transaction, flow: Flow) -> Outcome:
        """Look at what the node says of the newest revision."""
        row = servers.by_id(tx, flow.subject)
        if row is None or row.task_state not in TASKS:
            return Done()
        seen = fleet.observed(tx, "guest", [row.id]).get(row.id)
        if seen is None or not seen.current:
            return Wait(60.0)
        action = str(flow.state.get("action", "reboot"))
        if seen.state == "failed":
            error = seen.error or f"The host could not {action} the guest."
            server_power.failed(tx, row, action, error, seen.detail or "")
            return Done()
        if seen.state != "ready":
            return Wait(60.0)
        wanted = states.RUNNING if row.power == "on" else states.SHUTDOWN
        power_state = states.POWER_STATES.get(str(seen.facts.get("power_state", "")), wanted)
        server_power.settled(tx, row, power_state)
        actions.finish(tx, row.id, [action])
        timeline.record(tx, row.id, f"{action}_done", f"The {action} is done.")
        return Done()

    def deadline(self, tx: Transaction, flow: Flow) -> None:
        """Nobody reported in time."""
        row = servers.by_id(tx, flow.subject)
        if row is None or row.task_state not in TASKS:
            return
        action = str(flow.state.get("action", "reboot"))
        seconds = round(self.context.deadlines.power_s)
        message = f"The {action} was not done within {seconds} seconds."
        server_power.failed(tx, row, action, message, f"{row.host} did not report.")
