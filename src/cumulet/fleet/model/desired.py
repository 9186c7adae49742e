"""Desired state: which (kind, ref) shall be on which link, at which revision, and what was reported of it.

A revision is one number for the whole cloud that only rises: all that one transaction touches has the same. A
report that is not about the current revision is from the past, and the past loses.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import and_, bindparam, func, insert, select, update

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list, in_list
from cumulet.desired.items import Changes, Item, Report
from cumulet.desired.kinds import SPECS, Kind
from cumulet.fleet.model import told
from cumulet.fleet.model.formats import Reader, Rendered, Renderer, render
from cumulet.fleet.tables import DesiredRow, desired, revision

log = logging.getLogger("cumulet.fleet")

ReportHandler = Callable[[Transaction, Sequence[Report]], None]
"""Given reports at the current revision only."""

SHARED_KINDS = ("network", "router", "security_group")
_ORDER = {kind: place for place, kind in enumerate(SPECS)}


DEFERRED = "deferred"
"""The state of an item that its node cannot be told, see `cumulet.fleet.model.formats`."""

NOTHING_YET = 1
"""The revision of a cloud in which nothing was ever wanted; 0 is a node's word for "I know nothing"."""

_NOW = Prepared(select(revision.c.value))
_RAISE = Prepared(update(revision).values(value=revision.c.value + 1).returning(revision.c.value))
_WANTED = and_(desired.c.kind == bindparam("kind"), desired.c.ref == bindparam("ref"), desired.c.gone.is_(False))
_WANTED_ON = Prepared(select(desired.c.link_id).where(_WANTED))
_TOUCH = Prepared(
    update(desired)
    .where(_WANTED)
    .values(revision=bindparam("number"), touched_at=bindparam("now"), state="wanted")
    .returning(desired.c.link_id)
)
_REFS = in_bound_list(desired.c.ref, "refs")
_OBSERVED = Prepared(
    select_as(DesiredRow)
    .where(desired.c.kind == bindparam("kind"), _REFS)
    .order_by(desired.c.gone.desc(), desired.c.revision)
)
_ITEM = (desired.c.kind, desired.c.ref, desired.c.host, desired.c.revision, desired.c.gone, desired.c.state)
_CHANGED = Prepared(
    select(*_ITEM).where(
        desired.c.link_id == bindparam("link_id"),
        desired.c.revision > bindparam("since"),
        in_bound_list(desired.c.kind, "kinds"),
    )
)
_CURRENT = Prepared(select(*_ITEM).where(desired.c.link_id == bindparam("link_id"), _REFS))


class Observed(Struct, frozen=True):
    """What is known of an item. `current`: the newest report is about the newest revision."""

    link_id: str
    host: str
    revision: int
    reported_revision: int
    gone: bool
    state: str
    error: str | None
    detail: str | None
    facts: dict[str, Any]
    touched_at: int

    @property
    def current(self) -> bool:
        """Whether the node has reported on the newest revision."""
        return self.revision == self.reported_revision


def topic(link_id: str, kind: str) -> str:
    """The wake-up of a link: guests and jobs on one, what many guests share on another."""
    return f"link:{link_id}:{'shared' if kind in SHARED_KINDS else 'guest'}"


def next_revision(tx: Transaction) -> int:
    """This transaction's revision."""
    if "revision" not in tx.local:
        value = tx.scalar(_RAISE)
        if value is None:
            value = NOTHING_YET + 1
            tx.execute(insert(revision), {"id": 1, "value": value})
        tx.local["revision"] = int(value)
    return int(tx.local["revision"])


def publish(tx: Transaction, *, link_id: str, kind: Kind, ref: str, host: str = "") -> int:
    """(kind, ref) is wanted on the link, or changed: its revision rises and the node is woken after the commit."""
    number = next_revision(tx)
    values = {"revision": number, "gone": False, "touched_at": tx.now, "state": "wanted"}
    if tx.local.get(("touched", link_id, kind, ref)) != host:
        tx.upsert(desired, {"link_id": link_id, "kind": kind, "ref": ref}, host=host, **values)
        tx.local["touched", link_id, kind, ref] = host
    tx.wake(topic(link_id, kind))
    return number


def publish_all(tx: Transaction, kind: Kind, wanted: Sequence[tuple[str, str, str]]) -> None:
    """As `publish` for each (link id, ref, host), however many. Two statements."""
    if not wanted:
        return
    values = {"kind": kind, "revision": next_revision(tx), "gone": False, "touched_at": tx.now, "state": "wanted"}
    tx.delete(desired, and_(desired.c.kind == kind, in_list(desired.c.ref, [ref for _, ref, _ in wanted])))
    tx.insert(desired, [{**values, "link_id": link, "ref": ref, "host": host} for link, ref, host in wanted])
    for link_id in {link for link, _, _ in wanted}:
        tx.wake(topic(link_id, kind))


def withdraw(tx: Transaction, *, link_id: str, kind: Kind, ref: str) -> int:
    """(kind, ref) shall be absent from the link; the row stays until the node says that it is."""
    number = next_revision(tx)
    keys = {"link_id": link_id, "kind": kind, "ref": ref}
    tx.update_by_key(desired, keys, revision=number, gone=True, touched_at=tx.now, state="wanted")
    tx.local.pop(("touched", link_id, kind, ref), None)
    tx.wake(topic(link_id, kind))
    return number


def republish(tx: Transaction, kind: Kind, ref: str) -> None:
    """(kind, ref) changed: every link that has it is told."""
    number = next_revision(tx)
    for row in tx.rows(_TOUCH, {"kind": kind, "ref": ref, "number": number, "now": tx.now}):
        tx.wake(topic(row.link_id, kind))


def wanted_on(tx: Transaction, kind: Kind, ref: str) -> list[str]:
    """Links on which (kind, ref) is wanted."""
    return [row.link_id for row in tx.rows(_WANTED_ON, {"kind": kind, "ref": ref})]


def wanted_of(tx: Transaction, link_id: str, refs: Sequence[str]) -> set[tuple[Kind, str]]:
    """Which of these are wanted on the link. One query."""
    rows = tx.rows(_CURRENT, {"link_id": link_id, "refs": refs})
    return {(row.kind, row.ref) for row in rows if not row.gone}


def observed(tx: Transaction, kind: Kind, refs: Sequence[str]) -> dict[str, Observed]:
    """What is known of these items; of one that is on several links, the newest that is wanted."""
    rows = tx.rows(_OBSERVED, {"kind": kind, "refs": refs})
    return {row.ref: _observed(row) for row in rows}


def of_ref(tx: Transaction, ref: str) -> list[Observed]:
    """Everything that nodes were told about one resource."""
    return [_observed(row) for row in tx.rows(select_as(DesiredRow).where(desired.c.ref == ref))]


def summary(tx: Transaction) -> dict[str, Any]:
    """How many items of each kind are in which state, the failed ones' errors, and what nodes left out of items that
    are there otherwise (50 of each at most)."""
    counts = select(desired.c.kind, desired.c.state, func.count()).group_by(desired.c.kind, desired.c.state)
    numbers: dict[str, dict[str, int]] = {}
    for row in tx.rows(counts):
        kind, state, number = tuple(row)
        numbers.setdefault(kind, {})[state] = number
    wrong = desired.c.state.in_(("failed", DEFERRED))
    failed = select(desired.c.kind, desired.c.ref, desired.c.error).where(wrong).limit(50)
    part = and_(desired.c.state == "ready", desired.c.detail.is_not(None))
    partly = select(desired.c.kind, desired.c.ref, desired.c.detail).where(part).limit(50)
    return {
        "counts": numbers,
        "failed": [dict(row._mapping) for row in tx.rows(failed)],
        "left_out": [dict(row._mapping) for row in tx.rows(partly)],
    }


def _observed(row: DesiredRow) -> Observed:
    return Observed(
        row.link_id,
        row.host,
        row.revision,
        row.reported_revision,
        row.gone,
        "failed" if row.state == DEFERRED else row.state,
        row.error,
        row.detail,
        row.facts or {},
        row.touched_at,
    )


def changes(
    tx: Transaction,
    link_id: str,
    since: int,
    kinds: Sequence[Kind],
    renderers: Mapping[Kind, Renderer],
    reader: Reader | None = None,
) -> Changes:
    """Items of the link after revision `since`, rendered now as its node reads them (None: as this version does). Since
    0 the list is all there is."""
    return answer(tx, link_id, since, kinds, renderers, reader or Reader())[0]


def answer(
    tx: Transaction,
    link_id: str,
    since: int,
    kinds: Sequence[Kind],
    renderers: Mapping[Kind, Renderer],
    reader: Reader,
) -> tuple[Changes, list[Item]]:
    """`changes`, and those of its items that are deferred from now on, or no more: to be given to `defer`."""
    found = tx.rows(_CHANGED, {"link_id": link_id, "since": since, "kinds": kinds})
    newest = max((row.revision for row in found), default=since)
    if "guest" in kinds and "port" not in reader.formats:
        newest, found = _with_guests_of_ports(tx, link_id, since, found, renderers)
    rows = sorted(found, key=lambda row: (_ORDER[row.kind], row.revision))
    wanted: defaultdict[Kind, list[str]] = defaultdict(list)
    for row in rows:
        if not row.gone:
            wanted[row.kind].append(row.ref)
    said = {kind: render(tx, link_id, kind, refs, renderers[kind], reader) for kind, refs in wanted.items()}
    items = [_item(row, None if row.gone else said[row.kind]) for row in rows]
    if since == 0:  # the node knows everything up to now, even when that is nothing: the next poll waits
        newest = int(tx.scalar(_NOW) or NOTHING_YET)
    turned = [
        item
        for item, row in zip(items, rows, strict=True)
        if not row.gone and (item.deferred is not None) != (row.state == DEFERRED)
    ]
    return Changes(revision=newest, items=items, full=since == 0), turned


def _item(row: Any, said: Rendered | None) -> Item:
    """An item as its node reads it."""
    item = Item(host=row.host, kind=row.kind, ref=row.ref, revision=row.revision)
    if said is not None:
        item.format, item.spec, item.deferred = said.format, said.specs.get(row.ref), said.deferred.get(row.ref)
    item.gone = item.spec is None and item.deferred is None
    return item


def defer(tx: Transaction, link_id: str, items: Sequence[Item], handlers: Mapping[Kind, ReportHandler]) -> None:
    """Those of these that are deferred have failed until their node is upgraded, and whoever waits for them learns it;
    others that were deferred are wanted again. What has changed since is left alone. One query when nothing is new."""
    rows = tx.rows(_CURRENT, {"link_id": link_id, "refs": [item.ref for item in items]})
    current = {(row.kind, row.ref, row.revision): row for row in rows if not row.gone}
    fresh: defaultdict[Kind, list[Report]] = defaultdict(list)
    for item in items:
        row = current.get((item.kind, item.ref, item.revision))
        if row is None or (row.state == DEFERRED) == (item.deferred is not None):
            continue
        keys = {"link_id": link_id, "kind": item.kind, "ref": item.ref}
        if item.deferred is None:
            tx.update_by_key(desired, keys, state="wanted", reported_revision=0, error=None)
            continue
        report = Report(
            host=item.host, kind=item.kind, ref=item.ref, revision=item.revision, state="failed", error=item.deferred
        )
        tx.update_by_key(desired, keys, **{**_reported(report, tx.now), "state": DEFERRED})
        fresh[item.kind].append(report)
    for kind, about in fresh.items():
        handlers[kind](tx, about)


def _with_guests_of_ports(
    tx: Transaction, link_id: str, since: int, found: Sequence[Any], renderers: Mapping[Kind, Renderer]
) -> tuple[int, Sequence[Any]]:
    """For a node of before, to which ports are parts of guests: a port that changed is its guest's change. The newest
    revision of all, and the rows with those of these guests."""
    ports = tx.rows(_CHANGED, {"link_id": link_id, "since": since, "kinds": ["port"]})
    newest = max((row.revision for row in (*found, *ports)), default=since)
    refs = [row.ref for row in ports if not row.gone]
    known = {row.ref for row in found}
    specs: Mapping[str, Any] = renderers["port"](tx, link_id, refs) if refs else {}
    guests = {spec.guest_id for spec in specs.values()} - known
    if not guests:
        return newest, found
    more = tx.rows(_CURRENT, {"link_id": link_id, "refs": sorted(guests)})
    return newest, [*found, *(row for row in more if row.kind == "guest" and not row.gone)]


def keep_reports(
    tx: Transaction, link_id: str, reports: Sequence[Report], handlers: Mapping[Kind, ReportHandler]
) -> int:
    """Store what is about the current revision and hand it to the services; how many reports that were.

    What is about another link's item, about another host than the item's, or about nothing is dropped, and so is what
    makes no sense, and what a later report of the same ones has overtaken.
    """
    refs = {report.ref for report in reports}
    rows = tx.rows(_CURRENT, {"link_id": link_id, "refs": list(refs)})
    current = {(row.kind, row.ref): row for row in rows}
    fresh: defaultdict[Kind, list[Report]] = defaultdict(list)
    mine = {"link_id": link_id}
    told_last: dict[tuple[Kind, str], tuple[Report, Any]] = {}
    for report in reports:
        row = current.get((report.kind, report.ref))
        if row is not None and row.revision == report.revision and row.host == report.host:
            told_last[report.kind, report.ref] = report, row
    for report, row in told_last.values():
        try:
            report = told.report(report)
        except told.FactsError as error:
            log.warning("link %s: %s", link_id, error)
            continue
        if report.state == "failed" and row.state == DEFERRED:  # a node of before, which refuses what has no spec
            continue
        fresh[report.kind].append(report)
        if report.state == "absent" and row.gone:
            tx.delete_by_key(desired, **mine, kind=report.kind, ref=report.ref)
        else:
            keys = {**mine, "kind": report.kind, "ref": report.ref}
            tx.update_by_key(desired, keys, **_reported(report, tx.now))
    for kind, about in fresh.items():
        handlers[kind](tx, about)
    return sum(map(len, fresh.values()))


def _reported(report: Report, now: int) -> dict[str, Any]:
    return {
        "reported_revision": report.revision,
        "reported_at": now,
        "state": report.state,
        "error": report.error,
        "detail": report.detail,
        "facts": report.facts,
    }
