"""Allocation candidates: who could give what is asked for, each as a body for ``PUT /allocations``."""

from __future__ import annotations

from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest
from cumulet.services.placement.model import classes, search
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import candidates as wire
from cumulet.services.placement.wire.freshness import dated


@service.get(
    "/allocation_candidates",
    since=(1, 10),
    policy="placement:allocation_candidates:list",
    response=wire.CANDIDATES,
    query=wire.PARAMETERS,
)
def index(call: Call) -> Reply:
    """List which providers could give what is asked for.

    Those with the most free memory come first. Since 1.29 several providers of a tree may give together.
    """
    request = wire.parsed(call.query, call.version)
    unknown = classes.missing(call.tx, request.classes)
    if unknown:
        raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {unknown[0]}.")
    found, summaries = search.find(call.tx, request, nested_aware=call.version >= (1, 29))
    return dated(call, wire.shown(found, summaries, request.classes, call.version))
