"""Start, stop, reboot and the like: the verb is over when the node reports the newest revision as it says."""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.engine import Done, Engine, Flow, Outcome, Wait
from cumulet.fleet import door as fleet
from cumulet.services.compute import states
from cumulet.services.compute.context import ComputeContext
from cumulet.services.compute.model import server_verbs, servers
from cumulet.services.compute.verbs import VERBS

KIND = "power"


def register(engine: Engine, context: ComputeContext) -> None:
    """Make the flow known to the engine."""
    flow = Power(context)
    engine.register(KIND, {server_verbs.FIRST_STEP: flow.settling}, flow.deadline)


class Power:
    """The flow's steps, with what they need of the process. Which verb is under way says the server's task."""

    def __init__(self, context: ComputeContext) -> None:
        self.context = context

    def settling(self, tx: Transaction, flow: Flow) -> Outcome:
        """Look at what the node says of the newest revision."""
        row = servers.by_id(tx, flow.subject)
        verb = None if row is None else VERBS.under_way(row)
        if row is None or verb is None or verb.flow != KIND:
            return Done()
        seen = fleet.observed(tx, "guest", [row.id]).get(row.id)
        if seen is None or not seen.current:
            return Wait(60.0)
        if seen.state == "failed":
            error = seen.error or f"The host could not {verb.action} the guest."
            server_verbs.fail(tx, row, verb, error, seen.detail or "")
            return Done()
        wanted = states.RUNNING if row.power == "on" else states.SHUTDOWN
        power_state = states.POWER_STATES.get(str(seen.facts.get("power_state", "")), wanted)
        if seen.state != verb.report or power_state not in verb.becomes:
            return Wait(60.0)
        server_verbs.end(tx, row, verb, power_state)
        return Done()

    def deadline(self, tx: Transaction, flow: Flow) -> None:
        """Nobody reported in time."""
        row = servers.by_id(tx, flow.subject)
        verb = None if row is None else VERBS.under_way(row)
        if row is None or verb is None or verb.flow != KIND:
            return
        seconds = round(self.context.deadlines.of(verb))
        message = f"The {verb.action} was not done within {seconds} seconds."
        server_verbs.fail(tx, row, verb, message, f"{row.host} did not report.")
