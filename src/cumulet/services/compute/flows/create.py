"""Create: a server is building until its node says that the guest is ready, fails, or the deadline passes.

A node that fails is left for another, three hosts at most. What misses the deadline is in ERROR and holds nothing.
"""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.engine import Done, Engine, Flow, Outcome, Wait, timeline
from cumulet.fleet import door as fleet
from cumulet.services.compute import states
from cumulet.services.compute.context import ComputeContext
from cumulet.services.compute.model import actions, scheduling, server_delete, servers
from cumulet.services.compute.verbs import VERBS
from cumulet.services.compute.verbs.create import CREATE
from cumulet.services.network import door as network
from cumulet.services.placement import door as placement

ATTEMPTS = 3


def register(engine: Engine, context: ComputeContext) -> None:
    """Make the flow known to the engine."""
    flow = Create(context)
    engine.register(CREATE.flow, {"building": flow.building}, flow.deadline)


class Create:
    """The flow's steps, with what they need of the process."""

    def __init__(self, context: ComputeContext) -> None:
        self.context = context

    def building(self, tx: Transaction, flow: Flow) -> Outcome:
        """Look at what the node says of the newest revision."""
        row = servers.by_id(tx, flow.subject)
        if row is None or VERBS.under_way(row) is not CREATE:
            return Done()
        seen = fleet.observed(tx, "guest", [row.id]).get(row.id)
        if seen is None or seen.gone or not seen.current or seen.link_id != row.link_id:
            return Wait(60.0)
        if seen.state == "failed":
            return self._elsewhere(
                tx, flow, row, seen.error or "The host could not start the guest.", seen.detail or ""
            )
        if seen.state == CREATE.report:
            self._active(tx, row)
            return Done()
        return Wait(60.0)

    def _active(self, tx: Transaction, row: servers.Server) -> None:
        servers.change(
            tx,
            row.id,
            **VERBS.ended(CREATE, states.RUNNING),
            power_state=states.RUNNING,
            progress=100,
            launched_at=tx.now,
        )
        network.set_ports_status(tx, [row.id], "ACTIVE")
        actions.finish(tx, row.id, CREATE)
        timeline.record(tx, row.id, "active", f"The guest runs on {row.host}.")

    def _elsewhere(self, tx: Transaction, flow: Flow, row: servers.Server, error: str, detail: str) -> Outcome:
        """Try another host; give up after `ATTEMPTS`."""
        failed = [*flow.state.get("failed", []), row.host]
        flow.state["failed"] = failed
        timeline.record(tx, row.id, "host_failed", f"{row.host}: {error}", {"host": row.host, "detail": detail})
        resources = scheduling.resources_of(row.flavor, row.vcpus, row.ram)
        request = scheduling.RequestSpec(resources, row.availability_zone, flow.state.get("forced"), tuple(failed))
        selection = scheduling.Selection()
        if len(failed) < ATTEMPTS:
            selection = scheduling.choose(tx, request, self.context.availability_zone)
        if selection.host is None:
            lines = [f"{item['host']}: {item['filter']}: {item['reason']}" for item in selection.refused]
            message = f"Build of instance {row.id} aborted: {error}"
            server_delete.fail(tx, row, message, "\n".join([*lines, f"{row.host}: {detail or error}"]))
            return Done()
        self._move(tx, row, selection, resources)
        return Wait(60.0)

    def _move(
        self, tx: Transaction, row: servers.Server, selection: scheduling.Selection, resources: dict[str, int]
    ) -> None:
        host = selection.host
        assert host is not None and row.link_id is not None
        if host.link_id != row.link_id:
            fleet.withdraw(tx, link_id=row.link_id, kind="guest", ref=row.id)
        placement.claim(
            tx,
            consumer=row.id,
            provider=selection.provider,
            resources=resources,
            project_id=row.project_id,
            user_id=row.user_id,
        )
        network.rebind_server(tx, row.id, host.name, host.link_id)
        fleet.publish(tx, link_id=host.link_id, kind="guest", ref=row.id, host=host.name)
        servers.change(tx, row.id, host=host.name, link_id=host.link_id)
        timeline.record(tx, row.id, "scheduled", f"Host {host.name} was chosen.", {"host": host.name})

    def deadline(self, tx: Transaction, flow: Flow) -> None:
        """Nobody reported in time."""
        row = servers.by_id(tx, flow.subject)
        if row is None or VERBS.under_way(row) is not CREATE:
            return
        seconds = round(self.context.deadlines.of(CREATE))
        message = f"Build of instance {row.id} aborted: it was not running after {seconds} seconds."
        server_delete.fail(tx, row, message, f"{row.host} did not report the guest as ready in time.")
