"""What nodes report of guests: it moves their flows on, and what happened to a guest by itself becomes its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cumulet.db import Transaction
from cumulet.desired.items import Report
from cumulet.engine import Engine, timeline
from cumulet.services.compute import states
from cumulet.services.compute.model import server_verbs, servers
from cumulet.services.compute.verbs import VERBS
from cumulet.services.compute.verbs.guest_mended import GUEST_MENDED
from cumulet.services.compute.verbs.guest_stopped import GUEST_STOPPED


def handler(engine: Engine) -> Callable[[Transaction, Sequence[Report]], None]:
    """The handler of reports on guests."""

    def handle(tx: Transaction, reports: Sequence[Report]) -> None:
        rows = {row.id: row for row in servers.by_ids(tx, [report.ref for report in reports])}
        engine.advance_all(tx, [row.id for row in rows.values() if VERBS.under_way(row)])
        for report in reports:
            row = rows.get(report.ref)
            if row is not None and not VERBS.under_way(row):
                _by_itself(tx, row, report)

    return handle


def _by_itself(tx: Transaction, row: servers.Server, report: Report) -> None:
    """No work is under way: the guest's own doing, or a host that mends what it could not do before."""
    power_state = states.POWER_STATES.get(str(report.facts.get("power_state", "")))
    if report.state == "failed":
        timeline.repeat(tx, row.id, "host_failed", f"{row.host}: {report.error or 'the guest is not as wanted'}")
        return
    if report.state != "ready" or power_state is None:
        return
    if not VERBS.hindrance(GUEST_MENDED, row):
        if row.host is not None and row.launched_at is not None:
            server_verbs.settle(tx, row, GUEST_MENDED, power_state)
    elif not VERBS.hindrance(GUEST_STOPPED, row) and power_state in GUEST_STOPPED.becomes and row.power == "on":
        server_verbs.guest_stopped(tx, row, GUEST_STOPPED, power_state)
    elif power_state != row.power_state:
        servers.change(tx, row.id, power_state=power_state)
