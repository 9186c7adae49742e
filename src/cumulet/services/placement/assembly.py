"""Placement's part of a process: it has no state but rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cumulet.db import Transaction
from cumulet.process import Part, Process
from cumulet.services.placement import door

if TYPE_CHECKING:
    from prometheus_client.core import Metric


def assemble(process: Process) -> Part:
    """What it has, as numbers."""
    return Part(gauges=gauges)


def gauges(tx: Transaction) -> Iterable[Metric]:
    """What there is and what is claimed, for ``/metrics``. One query."""
    from prometheus_client.core import GaugeMetricFamily

    capacity = GaugeMetricFamily(
        "cumulet_capacity", "What hosts may give, with overcommitment.", labels=["resource_class"]
    )
    used = GaugeMetricFamily("cumulet_capacity_used", "What of it is claimed.", labels=["resource_class"])
    for kind, (total, claimed) in door.capacity(tx).items():
        capacity.add_metric([kind], total)
        used.add_metric([kind], claimed)
    return [capacity, used]
