"""Operations of the link for what a node has and was not told to have: what it keeps, and what it asks about."""

from __future__ import annotations

import logging

from cumulet.desired.keeping import Keeping, Strange, Strangers, Unwanted
from cumulet.desired.kinds import Kind
from cumulet.fleet.model import clouds, desired
from cumulet.fleet.model import keeping as model
from cumulet.fleet.service import LinkContext, a_node, seen, service
from cumulet.http import Call
from cumulet.http.faults import BadRequest

log = logging.getLogger("cumulet.fleet")

BIG_BODY = 32 << 20
MOST_QUESTIONS = 1000
MOST_KEPT = 10_000
"""In one request: a node says 2,000 at a time, and who writes waits for one that says more."""


@service.post("/v1/kept", auth=False, admit=a_node, request=Keeping, status=204, body_limit=BIG_BODY)
def kept(call: Call) -> None:
    """A node says what it keeps: in place of what it said before, once the last of its requests is here."""
    if not 0 < call.body.round <= 2**62:
        raise BadRequest("A round is a number above 0.")
    if len(call.body.kept) > MOST_KEPT:
        raise BadRequest(f"{MOST_KEPT} things at a time, please.")
    model.keep(call.tx, call.sender, call.body)


@service.post("/v1/strange", auth=False, admit=a_node, request=Strangers, body_limit=1 << 20)
def strange(call: Call) -> Unwanted:
    """A node asks whether things that it was never told to remove are unwanted.

    Only what the past of these rows, or a row that has ended, proves is affirmed; from rows that are not known to be
    right nothing is.
    """
    context: LinkContext = call.context
    asked: list[Strange] = call.body.strange
    if len(asked) > MOST_QUESTIONS:
        raise BadRequest(f"{MOST_QUESTIONS} questions at a time, please.")
    cloud = clouds.current(call.tx, seen(call)[1])
    if context.standing.estranged or cloud is None or not cloud.knows:
        return clouds.unwanted(call.tx, [])
    had = {(each.kind, each.ref) for each in clouds.once_had(call.tx, asked)}
    for kind, ended in context.ended.items():
        had |= {(kind, ref) for ref in ended(call.tx, call.sender, [each.ref for each in asked if each.kind == kind])}
    wanted: set[tuple[Kind, str]] = desired.wanted_of(call.tx, call.sender, [each.ref for each in asked])
    return clouds.unwanted(call.tx, [each for each in asked if (each.kind, each.ref) in had - wanted])
