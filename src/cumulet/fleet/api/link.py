"""Operations of the link: join, heartbeat, desired state, reports, image bytes, guests' metadata."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Annotated, Any, cast

import msgspec

from cumulet.desired.hosts import RENEW_HEADER, Heartbeat, Join, Joined
from cumulet.desired.items import Changes, Reports
from cumulet.desired.kinds import SPECS, Kind
from cumulet.desired.questions import MetadataQuestion
from cumulet.fleet.model import clouds, desired, formats, hosts, jobs, joining, leaving, told
from cumulet.fleet.service import LinkContext, a_joiner, a_node, credentials, pieces, reads, refused, seen, service
from cumulet.http import Call, Reply
from cumulet.http.faults import BadRequest, Conflict, NotFound, Unavailable
from cumulet.http.shapes import Open

log = logging.getLogger("cumulet.fleet")

LONGEST_WAIT_S = 55.0
ALL_KINDS: tuple[Kind, ...] = tuple(SPECS)
BIG_BODY = 32 << 20


@service.post("/v1/join", auth=False, admit=a_joiner, request=Join, body_limit=BIG_BODY)
def join(call: Call) -> Joined:
    """A node asks to be one of the cloud's."""
    context: LinkContext = call.context
    try:
        link_id, secret = joining.join(call.tx, call.sender, credentials(call), call.body.hosts)
    except told.FactsError as error:
        raise BadRequest(f"Cannot join: {error}.") from None
    except hosts.RefusedError as error:
        refused(call, str(error))
        raise Conflict(f"Cannot join: {error}.") from None
    for changed in context.hosts_changed:
        changed(call.tx, [facts.hostname for facts in call.body.hosts])
    _others_left(call, link_id)
    return Joined(link_id=link_id, secret=secret, cloud=clouds.current(call.tx, seen(call)[1]))


@service.post("/v1/heartbeat", auth=False, admit=a_node, request=Heartbeat, status=204, body_limit=BIG_BODY)
def heartbeat(call: Call) -> Reply:
    """A node is alive; it sends facts of hosts that changed."""
    link_id: str = call.sender
    renewing = joining.renewing(call.tx, link_id)
    hold = None if call.body.hold is None else told.sentence(call.body.hold)
    hosts.seen(call.tx, link_id, seen(call)[1], hold)
    call.context.heard.note(link_id, call.body.clock_us, call.body.restarts)
    try:
        names = hosts.keep_facts(call.tx, link_id, call.body.hosts)
    except told.FactsError as error:
        raise BadRequest(f"Cannot take these facts: {error}.") from None
    except hosts.RefusedError as error:
        log.warning("link %s at %s: %s", link_id, call.client_address, error)
        raise Conflict(f"Cannot take these facts: {error}.") from None
    if names:
        for changed in call.context.hosts_changed:
            changed(call.tx, names)
    if call.body.complete and hold is None:
        _others_left(call, link_id)
    if renewing:
        joining.renew(call.tx, link_id)
    return Reply(headers={RENEW_HEADER: "1"} if renewing else {})


def _others_left(call: Call, link_id: str) -> None:
    """The node has said which hosts it has: others of it are gone."""
    gone = leaving.others_left(call.tx, link_id, [facts.hostname for facts in call.body.hosts])
    if gone:
        log.warning("link %s has no longer: %s", link_id, told.sentence(", ".join(gone)))
        for left in call.context.hosts_left:
            left(call.tx, gone)


class Pull(Open):
    """What a poll asks for; `wait` in seconds, `kinds` comma separated."""

    since: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    wait: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    kinds: str = ",".join(ALL_KINDS)


@service.get("/v1/desired", auth=False, admit=a_node, query=Pull)
async def pull(call: Call) -> Changes:
    """The long poll: what changed after `since` (0: everything), waiting up to `wait` seconds for it.

    `kinds`: comma separated, all by default. A node that has seen what these rows do not know is told who answers and
    nothing else; one that has seen an earlier epoch is told everything.
    """
    query: Pull = call.query
    since, wait_s = query.since, min(LONGEST_WAIT_S, query.wait)
    kinds = cast(list[Kind], [kind for kind in query.kinds.split(",") if kind in ALL_KINDS])
    link_id: str = call.sender
    end = time.monotonic() + wait_s
    gone = asyncio.ensure_future(call.client_gone())
    try:
        return await _wait_for_changes(call, link_id, since, kinds, (end, gone))
    finally:
        gone.cancel()


async def _wait_for_changes(
    call: Call, link_id: str, since: int, kinds: list[Kind], until: tuple[float, asyncio.Future[None]]
) -> Changes:
    """The first changes there are, or none when the time is over or the node has hung up."""
    end, gone = until
    topics = {desired.topic(link_id, kind) for kind in kinds}
    while True:
        tickets = {name: call.db.wakeups.ticket(name) for name in topics}
        found: Changes = await call.in_thread(_changes, call, link_id, since, kinds)
        left = end - time.monotonic()
        over = left <= 0 or gone.done() or call.db.wakeups.closed
        strangers = found.cloud is not None and not found.cloud.knows
        if found.items or found.jobs or found.full or over or strangers:
            return found
        woken = asyncio.ensure_future(call.db.wakeups.wait(tickets, left))
        try:
            await asyncio.wait((woken, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()


def _changes(call: Call, link_id: str, since: int, kinds: list[Kind]) -> Changes:
    remembers, newest = seen(call)
    context: LinkContext = call.context
    if context.standing.estranged and not remembers:
        raise Unavailable("This controller has lost its rows, and this node would not keep what it has.")
    with call.db.read() as tx:
        cloud = clouds.current(tx, newest)
        if cloud is not None and context.standing.estranged and newest is None:
            cloud.knows = False  # a node without a memory must not take up that of rows that may be the wrong ones
        if cloud is not None and not cloud.knows:
            return Changes(revision=since, cloud=cloud)
        if cloud is not None and newest is not None and newest.epoch < cloud.epoch:
            since = 0
        reader = formats.Reader(reads(call), context.older)
        found, turned = desired.answer(tx, link_id, since, kinds, context.renderers, reader)
        found.cloud = cloud
        if "guest" in kinds:
            found.jobs = jobs.waiting(tx, link_id)
    if found.jobs or turned:
        with call.db.transaction() as tx:
            jobs.fetched(tx, [job.id for job in found.jobs])
            if turned:
                desired.defer(tx, link_id, turned, context.reports)
    return found


@service.post("/v1/reports", auth=False, admit=a_node, request=Reports, body_limit=BIG_BODY)
def report(call: Call) -> dict[str, Any]:
    """What a node did. Reports on anything but the current revision are dropped."""
    link_id: str = call.sender
    kept = desired.keep_reports(call.tx, link_id, call.body.reports, call.context.reports) if call.body.reports else 0
    jobs.answered(call.tx, link_id, call.body.jobs)
    return {"kept": kept}


@service.get("/v1/images/{image_id}/file", auth=False, admit=a_node)
async def image_file(call: Call, image_id: str) -> Reply:
    """The bytes of an image."""
    path = await call.in_thread(_image_path, call, image_id)
    if path is None or not path.exists():
        raise NotFound(f"Image {image_id} has no data.")
    return Reply(pieces(path, call), headers={"content-length": str(path.stat().st_size)})


def _image_path(call: Call, image_id: str) -> Any:
    with call.db.read() as tx:
        path = call.context.image_path(tx, call.sender, image_id)
    if path is None:
        with call.db.transaction() as tx:  # what is far away is brought near: that is written down
            path = call.context.image_path(tx, call.sender, image_id)
    return path


@service.post("/v1/metadata", auth=False, admit=a_node, request=MetadataQuestion, transaction="read")
def metadata(call: Call) -> Reply:
    """A guest's request to 169.254.169.254, brought by the node that has its network."""
    link_id: str = call.sender
    asked: MetadataQuestion = call.body
    if link_id not in desired.wanted_on(call.tx, "network", asked.network_id):
        raise NotFound("This node has no such network.")
    answer: Reply = call.context.metadata(call.tx, link_id, asked)
    return answer
