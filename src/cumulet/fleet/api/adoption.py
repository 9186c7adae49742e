"""Operations for ``cumulet adopt`` and ``cumulet forget``: what nodes keep becomes rows, or goes.

Each can be asked to only show what it would do: it is done, looked at and undone, so that what is shown is what comes.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import msgspec

from cumulet.db import Transaction
from cumulet.desired.clouds import Cloud
from cumulet.fleet.model import adoption, hosts, keeping
from cumulet.fleet.service import LinkContext, service, the_operator
from cumulet.http import Call
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.http.shapes import Open


class AdoptRequest(Open):
    """`show`: only say what would be done. `seen`: the digest of what was shown. `cloud`: whose things are meant, when
    nodes keep those of several clouds."""

    show: bool = False
    seen: str | None = None
    cloud: str | None = None


class ForgetRequest(Open):
    """`ids`: of which things; None for all that is kept. The rest as of `AdoptRequest`."""

    ids: list[str] | None = None
    show: bool = False
    seen: str | None = None
    cloud: str | None = None


class _ShownError(Exception):
    """Undoes what was done to be looked at."""


@service.post("/v1/adopt", auth=False, admit=the_operator, request=AdoptRequest, body_limit=1 << 16)
def adopt(call: Call) -> dict[str, Any]:
    """Make rows of everything that nodes keep, and let them take these rows again. All of it or nothing."""
    asked: AdoptRequest = call.body
    return _carried_out(call, asked, lambda tx: _adopted(tx, call.context, asked.cloud))


def _adopted(tx: Transaction, context: LinkContext, cloud_id: str | None) -> tuple[dict[str, Any], Cloud | None]:
    found = adoption.begin(tx, cloud_id)
    for _, adopter in sorted(context.adopters, key=itemgetter(0)):
        adopter(tx, found)
    unsettled = context.standing.estranged is not None
    cloud = adoption.finish(tx, found.cloud_id, sorted(found.refs), unsettled=unsettled)
    names = {owner.id: owner.name for owner in (*found.projects.values(), *found.users.values())}
    lines = [{**msgspec.to_builtins(line), "owner_name": names.get(line.owner, "")} for line in found.adopted]
    left = [msgspec.to_builtins(line) for line in found.left]
    return {"cloud": found.cloud_id, "foreign": found.foreign, "adopted": lines, "left": left}, cloud


@service.post("/v1/forget", auth=False, admit=the_operator, request=ForgetRequest, body_limit=8 << 20)
def forget(call: Call) -> dict[str, Any]:
    """Let nodes remove what they keep: these things, or all."""
    asked: ForgetRequest = call.body
    return _carried_out(call, asked, lambda tx: _forgotten(tx, call.context, asked))


def _forgotten(tx: Transaction, context: LinkContext, asked: ForgetRequest) -> tuple[dict[str, Any], Cloud | None]:
    kept = keeping.every(tx)
    cloud_id, foreign = adoption.chosen(tx, asked.cloud, kept)
    mine = [thing for thing in kept if thing.cloud_id in ("", cloud_id)]
    if asked.ids is not None:
        unknown = sorted(set(asked.ids) - {thing.ref for thing in mine})
        if unknown:
            raise adoption.UnclearError(f"no node keeps {unknown[0]}")
        mine = [thing for thing in mine if {thing.ref, _guest_of(thing)}.intersection(asked.ids)]
    done = set(keeping.forget(tx, sorted({thing.ref for thing in mine})))
    cloud = adoption.finish(tx, cloud_id, [], unsettled=context.standing.estranged is not None)
    told = [thing for thing in mine if (thing.kind, thing.ref) in done and ("guest", _guest_of(thing)) not in done]
    lines = [msgspec.to_builtins(adoption.described(thing)) for thing in told]
    return {"cloud": cloud_id, "foreign": foreign, "forgotten": lines}, cloud


def _guest_of(thing: keeping.KeptThing) -> str:
    """The guest that a port goes with, without a word of its own; nothing for anything else."""
    spec = thing.spec if thing.kind == "port" and isinstance(thing.spec, dict) else {}
    return str(spec.get("guest_id", ""))


def _carried_out(call: Call, asked: AdoptRequest | ForgetRequest, act: Any) -> dict[str, Any]:
    tx: Transaction = call.tx
    kept, held = keeping.every(tx), hosts.held(tx)
    now = adoption.digest(kept)
    if asked.seen is not None and asked.seen != now:
        raise Conflict("What nodes keep has changed since it was shown; look at it again.")
    answer: dict[str, Any] = {}
    cloud: Cloud | None = None
    try:
        with tx.savepoint():
            answer, cloud = act(tx)
            if asked.show:
                raise _ShownError
    except _ShownError:
        pass
    except adoption.UnclearError as error:
        raise BadRequest(f"Cannot do this: {error}.") from None
    if cloud is not None and not asked.show:
        settled = cloud
        tx.on_commit(lambda: call.context.standing.settle(settled))
    call.about = [line["id"] for line in answer.get("adopted", answer.get("forgotten", []))] or [
        answer.get("cloud", "")
    ]
    silent = adoption.silent(tx, kept, every=call.context.standing.estranged is not None)
    return {**answer, "seen": now, "holding": [node.name for node in held], "silent": silent}


@service.get("/v1/lost-images", auth=False, admit=the_operator, transaction="read")
def lost_images(call: Call) -> dict[str, Any]:
    """Images whose bytes are there and whose rows are not."""
    context: LinkContext = call.context
    return {"images": [] if context.lost_images is None else context.lost_images.listed(call.tx)}


@service.post("/v1/lost-images/{image_id}", auth=False, admit=the_operator, transaction="none")
async def adopt_image(call: Call, image_id: str) -> dict[str, Any]:
    """Make the row of one of them; the answer comes when its bytes have been read."""
    context: LinkContext = call.context
    if context.lost_images is None:
        raise NotFound("There are no lost images.")
    try:
        name = await call.in_thread(context.lost_images.adopt, call.db, image_id)
    except ValueError as error:
        raise Conflict(f"Cannot adopt this: {error}.") from None
    return {"id": image_id, "name": name}
