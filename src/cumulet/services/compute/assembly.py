"""Compute's part of a process: servers, and what nodes report and ask about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cumulet.config import metadata_secrets
from cumulet.db import Transaction
from cumulet.engine.retention import Forgets
from cumulet.fleet.door import Adopting, Turn
from cumulet.process import Part, Process
from cumulet.services.compute import Options, console, door

if TYPE_CHECKING:
    from prometheus_client.core import Metric


def assemble(process: Process) -> Part:
    """Make compute's flows known to the engine."""
    engine, context = process.engine, _context(process)
    door.register(engine, context)
    return Part(
        context,
        renderers=door.renderers(context),
        older={"guest": door.with_ports},
        reports=door.reports(engine),
        ended={"guest": door.ended},
        hosts_changed=door.hosts_changed,
        hosts_left=door.hosts_left,
        metadata=door.metadata(context),
        find=door.find,
        adopters=[
            Adopting(Turn.VET, door.vet),
            Adopting(Turn.GUESTS, door.adopt),
            Adopting(Turn.FOLLOW, door.follow),
        ],
        gauges=gauges,
        forgets={"servers": Forgets(door.forget, door.kept)},
    )


def _context(process: Process) -> door.ComputeContext:
    """What compute, its metadata service and its console know of this process."""
    settings = process.settings
    options = settings.own(Options)
    return door.ComputeContext(
        engine=process.engine,
        metadata_secrets=lambda: metadata_secrets(settings.secrets_dir),
        console_base_url=settings.url(console.INTRODUCTION.type),
        screens=settings.node_dir / "vnc",
        region=settings.region,
        controller_host=settings.node_name,
        deadlines=door.Deadlines(options.create_seconds, options.delete_seconds, options.power_seconds),
        simulated=process.simulated,
    )


def gauges(tx: Transaction) -> Iterable[Metric]:
    """Servers, for ``/metrics``. One query."""
    from prometheus_client.core import GaugeMetricFamily

    servers = GaugeMetricFamily("cumulet_servers", "Servers by state.", labels=["vm_state"])
    for state, count in door.server_counts(tx).items():
        servers.add_metric([state], count)
    return [servers]
