"""Operations for ``cumulet status``: hosts, and items that are not as they shall be."""

from __future__ import annotations

from typing import Any

from cumulet.fleet.model import desired, hosts
from cumulet.fleet.service import service, the_operator
from cumulet.http import Call
from cumulet.store import iso


@service.get("/v1/status", auth=False, admit=the_operator)
def status(call: Call) -> dict[str, Any]:
    """Hosts with their problems, and what waits or failed."""
    every = hosts.every(call.tx)
    shown = [_host(host) for host in every]
    return {"nodes": shown, "items": desired.summary(call.tx), **call.context.facts()}


def _host(host: hosts.Host) -> dict[str, Any]:
    return {
        "host": host.name,
        "up": host.up,
        "disabled": host.disabled,
        "seen_at": iso(host.last_seen),
        "virt_type": host.facts.virt_type,
        "simulated": host.facts.simulated,
        "problems": host.facts.problems,
        "notes": host.facts.notes,
    }
