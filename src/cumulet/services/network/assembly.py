"""Network's part of a process: what nodes make of networks, routers and security groups."""

from __future__ import annotations

from cumulet.fleet.door import Adopting, Turn
from cumulet.process import Part, Process
from cumulet.services.network import door


def assemble(process: Process) -> Part:
    """What it tells nodes and hears of them."""
    return Part(
        door.NetworkContext(process.settings.region),
        renderers=door.RENDERERS,
        reports=door.REPORTS,
        hosts_changed=door.hosts_changed,
        find=door.find,
        adopters=[Adopting(Turn.SHARED, door.adopt), Adopting(Turn.FOLLOW, door.follow)],
    )
