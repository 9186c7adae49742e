"""``cumulet simulate``: the operator tells simulated hosts how to behave, while they run.

An order goes to the node as a question over the link, and the node's answer is the operator's: when it comes, the order
is carried out. Hosts that are real take none.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.desired import simulation
from cumulet.fleet.model import hosts, jobs
from cumulet.fleet.service import service, the_operator
from cumulet.http import Call
from cumulet.http.faults import BadRequest, Conflict, Unavailable
from cumulet.http.shapes import Open

ANSWER_S = 5.0
_REAL = "This cloud has no simulated hosts: only those can be told how to behave."


class Told(Open):
    """An order as `simulation.order` takes it, which says what is wrong better than a shape can."""


@service.get("/v1/simulation", auth=False, admit=the_operator)
async def show(call: Call) -> dict[str, Any]:
    """The rules that count, and hosts that are not up."""
    return await _told(call, simulation.Order())


@service.post("/v1/simulation", auth=False, admit=the_operator, request=Told)
async def order(call: Call) -> dict[str, Any]:
    """Carry out one order: a rule, a host, a server or clear."""
    try:
        wanted = simulation.order(call.raw)
        call.about = [_about(wanted)]
        return await _told(call, wanted)
    except simulation.SimulationError as error:
        raise BadRequest(_sentence(str(error))) from None


async def _told(call: Call, wanted: simulation.Order) -> dict[str, Any]:
    """Faults of APIs are this process's; of all else, what the node of the simulated hosts answers. Raises 400 in its
    words, 409 and 503."""
    faults = call.context.on_demand
    if wanted.fault is not None:
        if faults is None:
            raise Conflict(_REAL)
        return {"fault": faults.add(wanted.fault), "faults": faults.shown()}
    found = await _asked(call, wanted)
    if faults is not None:
        if wanted.clear is True:
            faults.clear()
        found["faults"] = faults.shown()
    return found


async def _asked(call: Call, wanted: simulation.Order) -> dict[str, Any]:
    job_id = await call.in_thread(_ask, call, msgspec.to_builtins(wanted))
    found = await jobs.wait_job(call.db, job_id, ANSWER_S)
    if found.state == "waiting":
        raise Unavailable("The node of the simulated hosts does not answer.")
    if found.state == "failed":
        raise BadRequest(_sentence(found.result))
    return dict(msgspec.json.decode(found.result))


def _ask(call: Call, args: dict[str, Any]) -> str:
    with call.db.transaction() as tx:
        link_id = next((host.link_id for host in hosts.every(tx) if host.facts.simulated), None)
        if link_id is None:
            raise Conflict(_REAL)
        return jobs.ask(tx, link_id=link_id, host="", kind="simulate", args=args, deadline_s=ANSWER_S)


def _about(wanted: simulation.Order) -> str:
    """What an order is about, in a word."""
    if wanted.fault is not None:
        return wanted.fault.operation
    named = wanted.host or wanted.server
    return named.name if named is not None else "rules"


def _sentence(text: str) -> str:
    """With a dot, unless it ends with one or asks."""
    return text if text.endswith((".", "?")) else f"{text}."
