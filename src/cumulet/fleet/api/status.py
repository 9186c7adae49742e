"""Operations for ``cumulet status``: hosts, and items that are not as they shall be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cumulet import __version__
from cumulet.db import iso
from cumulet.fleet.model import clouds, desired, hosts, keeping
from cumulet.fleet.service import FindProblems, service, the_operator
from cumulet.http import Call
from cumulet.problem import Problem

log = logging.getLogger("cumulet.fleet")


@service.get("/v1/status", auth=False, admit=the_operator, transaction="none")
def status(call: Call) -> dict[str, Any]:
    """Whose rows these are, hosts with their problems, what waits or failed, and how much nodes keep by themselves."""
    with call.db.read() as tx:
        cloud = clouds.current(tx)
        found = {
            "cloud": cloud and {"id": cloud.id, "epoch": cloud.epoch},
            "estranged": call.context.standing.estranged,
            "nodes": [_host(host) for host in hosts.every(tx)],
            "kept": keeping.counts(tx),
            "items": desired.summary(tx),
        }
    # Outside of it: a check may have a transaction of its own.
    return {**found, "problems": problems(call.context.problems), **call.context.facts()}


@service.get("/v1/standing", auth=False, admit=the_operator, quiet=True)
def standing(call: Call) -> dict[str, Any]:
    """What `up` waits for, and nothing that takes longer to say: whose rows these are, and hosts without details."""
    shown = ("host", "up", "hold", "left", "forced_down")
    nodes = [{name: row[name] for name in shown} for row in map(_host, hosts.every(call.tx))]
    return {"estranged": call.context.standing.estranged, "nodes": nodes}


def problems(finders: Sequence[FindProblems]) -> list[dict[str, str]]:
    """What the controller's own checks find. One that fails is said to fail and hides nothing else."""
    found: list[Problem] = []
    for finder in finders:
        try:
            found += finder()
        except Exception as error:
            name = getattr(finder, "__qualname__", type(finder).__name__)
            log.exception("the check %s did not work", name)
            found.append(Problem("check-failed", f"the controller's check {name} did not work: {error}"))
    return [asdict(problem) for problem in found]


def _host(host: hosts.Host) -> dict[str, Any]:
    return {
        "host": host.name,
        "up": host.up,
        "hold": host.hold,
        "left": host.left_at is not None,
        "disabled": host.disabled,
        "forced_down": host.forced_down,
        "seen_at": iso(host.last_seen),
        "virt_type": host.facts.virt_type,
        "simulated": host.facts.simulated,
        "problems": host.facts.problems,
        "version": host.facts.version or "0.1.0",
        "notes": [*host.facts.notes, *_other_version(host.facts.version or "0.1.0")],
    }


def _other_version(version: str) -> list[str]:
    """A note on a node that is not of the controller's version, which is fine for the length of an upgrade."""
    return [] if version == __version__ else [f"its node is Cumulet {version}, the controller is {__version__}"]
