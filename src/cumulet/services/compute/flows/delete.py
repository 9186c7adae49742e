"""Delete: a server is deleting until its node says that the guest is absent.

A host that is down is not waited for: the tombstone of the guest stays, and the host cleans up when it is back.
"""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.engine import Done, Engine, Flow, Outcome, Wait
from cumulet.fleet import door as fleet
from cumulet.services.compute.context import ComputeContext
from cumulet.services.compute.model import server_delete, servers
from cumulet.services.compute.verbs.delete import DELETE

_LOOK_AGAIN_S = 10.0


def register(engine: Engine, context: ComputeContext) -> None:
    """Make the flow known to the engine."""
    engine.register(DELETE.flow, {"removing": removing}, deadline)


def removing(tx: Transaction, flow: Flow) -> Outcome:
    """Gone when the node says so, or when there is no node to say it."""
    row = servers.by_id(tx, flow.subject)
    if row is None:
        return Done()
    seen = fleet.observed(tx, "guest", [row.id]).get(row.id)
    leaving = seen is not None and seen.link_id == row.link_id
    if leaving and row.host is not None and fleet.host_up(tx, row.host):
        return Wait(_LOOK_AGAIN_S)
    server_delete.finish(tx, row)
    return Done()


def deadline(tx: Transaction, flow: Flow) -> None:
    """The host never said it: the server is gone for its owner, the tombstone stays for the host."""
    row = servers.by_id(tx, flow.subject)
    if row is not None:
        server_delete.finish(tx, row)
