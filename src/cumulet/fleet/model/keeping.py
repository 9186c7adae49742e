"""What nodes have and were not told to have by this controller, in their own words, until an operator decides.

A node that lies can add to this list what it does not have, within bounds and on its own hosts only; nothing comes of
it by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import and_, func, select

from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.desired.keeping import Keeping, Kept
from cumulet.desired.kinds import Kind
from cumulet.fleet.model import told
from cumulet.fleet.model.desired import next_revision, topic
from cumulet.fleet.tables import KeptRow, desired, hosts
from cumulet.fleet.tables import kept as keepings

log = logging.getLogger("cumulet.fleet")

MOST_KEPT = 50_000
MOST_BYTES = 256 << 20
"""Of one node: so many things, and so much of what it remembers of them all."""


class KeptThing(Struct, frozen=True):
    """Something that a node keeps. `why` is ``hold`` or ``strange``; `spec` is what it shall look like by the node's
    memory (a shape of its kind as plain data), None when the node has none; `facts` are those of a report. `since` is
    when it was first heard of (µs)."""

    link_id: str
    host: str
    kind: Kind
    ref: str
    cloud_id: str
    epoch: int
    revision: int
    why: str
    spec: Any
    facts: dict[str, Any]
    since: int


def keep(tx: Transaction, link_id: str, said: Keeping) -> int:
    """Write down what a node says that it keeps; how many things that were. Five statements."""
    own = {row.name for row in tx.rows(select(hosts.c.name).where(hosts.c.link_id == link_id))}
    things = {(each.kind, each.ref): each for each in _sensible(said.kept, own, link_id)}
    mine = keepings.c.link_id == link_id
    if things:
        again = and_(mine, in_list(keepings.c.ref, {ref for _, ref in things}))
        before = tx.rows(select(keepings.c.kind, keepings.c.ref, keepings.c.since).where(again))
        since = {(row.kind, row.ref): row.since for row in before}
        tx.delete(keepings, and_(again, keepings.c.kind.in_({kind for kind, _ in things})))
        rows = [
            {"link_id": link_id, "round": said.round, "since": since.get(key, tx.now)} | _row(each)
            for key, each in things.items()
        ]
        tx.insert(keepings, _within(tx, rows, link_id))
    if said.last:
        tx.delete(keepings, and_(mine, keepings.c.round != said.round))
    return len(things)


def _sensible(said: Iterable[Kept], own: set[str], link_id: str) -> Iterable[Kept]:
    nonsense, first = 0, ""
    for each in said:
        try:
            thing = told.kept(each)
        except told.FactsError as error:
            nonsense, first = nonsense + 1, first or str(error)
            continue
        if not thing.host or thing.host in own:
            yield thing
    if nonsense:
        log.warning("link %s keeps %d things that make no sense, the first: %s", link_id, nonsense, first)


def _row(thing: Kept) -> dict[str, Any]:
    spec = None if thing.item is None else thing.item.spec
    names = ("host", "kind", "ref", "cloud_id", "epoch", "revision", "why", "facts")
    size = 0 if spec is None else len(msgspec.json.encode(spec))
    return {name: getattr(thing, name) for name in names} | {"spec": spec, "size": size}


def _within(tx: Transaction, rows: list[dict[str, Any]], link_id: str) -> list[dict[str, Any]]:
    """Rows as long as there is room for this node's."""
    sums = select(func.count(), func.coalesce(func.sum(keepings.c.size), 0)).where(keepings.c.link_id == link_id)
    number, size = map(int, tx.rows(sums)[0])
    for place, row in enumerate(rows):
        number, size = number + 1, size + row["size"]
        if number > MOST_KEPT or size > MOST_BYTES:
            log.warning("link %s keeps more than is written down: %d things are left out", link_id, len(rows) - place)
            return rows[:place]
    return rows


def every(tx: Transaction) -> list[KeptThing]:
    """All that nodes keep, by kind, host and id. One query."""
    found = tx.rows(select_as(KeptRow).order_by(keepings.c.kind, keepings.c.host, keepings.c.ref))
    return [
        KeptThing(
            row.link_id, row.host, row.kind, row.ref, row.cloud_id, row.epoch, row.revision, row.why, row.spec,
            row.facts, row.since,
        )
        for row in found
    ]  # fmt: skip


def counts(tx: Transaction) -> list[dict[str, Any]]:
    """How many things of which ``kind`` are kept for which reason (``why``). One query."""
    found = select(keepings.c.kind, keepings.c.why, func.count().label("count")).group_by(
        keepings.c.kind, keepings.c.why
    )
    return [dict(row._mapping) for row in tx.rows(found.order_by(keepings.c.kind, keepings.c.why))]


def forget(tx: Transaction, refs: Sequence[str]) -> list[tuple[Kind, str]]:
    """Nobody wants these of what is kept: their nodes are told to remove them. What was forgotten; what is wanted where
    it is kept stays. Four statements.

    For nodes that hold it counts once they take this controller's word again (see `clouds.raise_epoch`).
    """
    there = tx.rows(select_as(KeptRow).where(in_list(keepings.c.ref, refs)))
    if not there:
        return []
    wanted = select(desired.c.link_id, desired.c.kind, desired.c.ref, desired.c.gone).where(
        in_list(desired.c.ref, refs)
    )
    known = {(row.link_id, row.kind, row.ref): row.gone for row in tx.rows(wanted)}
    number = next_revision(tx)
    gone = [row for row in there if known.get((row.link_id, row.kind, row.ref)) is not False]
    tx.insert(
        desired,
        [
            {"link_id": row.link_id, "kind": row.kind, "ref": row.ref, "host": row.host, "revision": number}
            | {"gone": True, "touched_at": tx.now, "state": "wanted"}
            for row in gone
            if (row.link_id, row.kind, row.ref) not in known
        ],
    )
    again = and_(desired.c.gone.is_(True), in_list(desired.c.ref, {row.ref for row in gone}))
    tx.update(desired, again, revision=number)
    tx.delete(keepings, in_list(keepings.c.ref, {row.ref for row in gone}))
    for row in gone:
        tx.wake(topic(row.link_id, row.kind))
    return sorted({(row.kind, row.ref) for row in gone})
