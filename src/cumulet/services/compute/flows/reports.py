"""What nodes report of guests: it moves the flows on, and what happened to a guest by itself becomes its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cumulet.db import Transaction
from cumulet.desired.items import Report
from cumulet.engine import Engine, timeline
from cumulet.services.compute import states
from cumulet.services.compute.context import ComputeContext
from cumulet.services.compute.flows import create, delete, power
from cumulet.services.compute.model import server_power, servers


def register(engine: Engine, context: ComputeContext) -> None:
    """Make compute's flows known to the engine."""
    building, powering = create.Create(context), power.Power(context)
    engine.register(create.KIND, {"building": building.building}, building.deadline)
    engine.register(delete.KIND, {"removing": delete.removing}, delete.deadline)
    engine.register(power.KIND, {"settling": powering.settling}, powering.deadline)


def handler(engine: Engine) -> Callable[[Transaction, Sequence[Report]], None]:
    """The handler of reports on guests."""

    def handle(tx: Transaction, reports: Sequence[Report]) -> None:
        rows = {row.id: row for row in servers.by_ids(tx, [report.ref for report in reports])}
        for report in reports:
            row = rows.get(report.ref)
            if row is not None:
                _one(engine, tx, row, report)

    return handle


def _one(engine: Engine, tx: Transaction, row: servers.Server, report: Report) -> None:
    if row.task_state == states.DELETING:
        engine.advance(tx, delete.KIND, row.id)
    elif row.vm_state == states.BUILDING:
        engine.advance(tx, create.KIND, row.id)
    elif row.task_state in power.TASKS:
        engine.advance(tx, power.KIND, row.id)
    else:
        _by_itself(tx, row, report)


def _by_itself(tx: Transaction, row: servers.Server, report: Report) -> None:
    """No work is under way: the guest's own doing, or a host that mends what it could not do before."""
    power_state = states.POWER_STATES.get(str(report.facts.get("power_state", "")))
    if report.state == "failed":
        timeline.repeat(tx, row.id, "host_failed", f"{row.host}: {report.error or 'the guest is not as wanted'}")
        return
    if report.state != "ready" or power_state is None:
        return
    if row.vm_state == states.ERROR:
        if row.host is not None and row.launched_at is not None:
            server_power.settled(tx, row, power_state)
    elif row.vm_state == states.ACTIVE and power_state in (states.SHUTDOWN, states.CRASHED) and row.power == "on":
        server_power.went_off(tx, row, power_state)
    elif power_state != row.power_state:
        servers.change(tx, row.id, power_state=power_state)
