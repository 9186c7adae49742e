"""Whose rows these are: the cloud's id, its epoch, and the past that proves what this database once knew.

A database can be lost, or replaced by an older copy of itself, without anybody in it noticing. So each start of a
controller draws a random `run` and writes down where the run before ended. A node remembers the newest (epoch, run,
revision) that it was told; a database in whose past that does not lie is not the one that the node knows, or an older
copy of it, and the node keeps what it has. The epoch rises when an operator says that the copy is right.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence

from sqlalchemy import and_, bindparam, func, select

from cumulet.db import Prepared, Transaction, TypedRow, select_as
from cumulet.db.in_list import in_list
from cumulet.desired.clouds import Cloud, Seen
from cumulet.desired.keeping import Strange, Unwanted
from cumulet.fleet.model.desired import NOTHING_YET, next_revision
from cumulet.fleet.tables import EpochRow, epochs, links, revision
from cumulet.fleet.tables import cloud as clouds

MOST_EPOCHS, MOST_REVISIONS = 1_000, 10**12
"""So far beyond the database's own a node is believed: what it says cannot use up the numbers that there are."""


class _Row(TypedRow):
    """This cloud, and the newest revision of all, None before the first one."""

    id: str
    epoch: int
    run: str
    value: int | None


_CLOUD = Prepared(
    select_as(_Row, clouds.c.id, clouds.c.epoch, clouds.c.run, revision.c.value).outerjoin(revision, revision.c.id == 1)
)
_RUN = Prepared(select(epochs.c.epoch, epochs.c.last_revision).where(epochs.c.run == bindparam("run")))


def start(tx: Transaction) -> tuple[Cloud, bool]:
    """A controller starts: a new run. The cloud, and whether its row was made just now: these rows are new."""
    row = tx.row(_CLOUD)
    run = secrets.token_hex(8)
    if row is None:
        found = Cloud(id=str(uuid.uuid4()), epoch=1, run=run)
        tx.insert(clouds, {"id": found.id, "epoch": 1, "run": run, "made_at": tx.now})
        return found, True
    _end_run(tx, row.run, row.epoch, row.value)
    tx.update_by_key(clouds, {"id": row.id}, run=run)
    return Cloud(id=row.id, epoch=row.epoch, run=run), False


def _end_run(tx: Transaction, run: str, epoch: int, newest: int | None) -> None:
    tx.insert(epochs, {"run": run, "epoch": epoch, "last_revision": newest or NOTHING_YET})


def current(tx: Transaction, seen: Seen | None = None) -> Cloud | None:
    """The cloud; None in a database in which no controller has started yet. `seen`: what the node that asks says it has
    seen; `knows` tells whether that lies in the past of these rows, or in an epoch before theirs. One query, two when
    the run that was seen is over."""
    row = tx.row(_CLOUD)
    if row is None:
        return None
    knows = seen is None or _knows(tx, seen, row)
    return Cloud(id=row.id, epoch=row.epoch, run=row.run, knows=knows)


def _knows(tx: Transaction, seen: Seen, row: _Row) -> bool:
    if seen.cloud_id != row.id or seen.epoch > row.epoch:
        return False
    if seen.epoch < row.epoch:
        return True
    if seen.run in ("", row.run):
        return seen.revision <= (row.value or NOTHING_YET)
    past = tx.row(_RUN, {"run": seen.run})
    return past is not None and past.epoch == seen.epoch and seen.revision <= past.last_revision


def newest(tx: Transaction) -> int:
    """The newest revision at which anything was wanted. One query."""
    return int(tx.scalar(select(revision.c.value)) or NOTHING_YET)


def raise_epoch(tx: Transaction, *, cloud_id: str | None = None, above: int = 0) -> Cloud:
    """These rows are right from now on: a new epoch, above `above` and what any node of the cloud has seen, and
    revisions above theirs. `cloud_id`: of which cloud they are from now on; then nothing of their past counts.

    Nodes are told everything anew. What they have beyond it stays, as nobody has said that it is unwanted. Raises
    LookupError in a database in which no controller has started yet.
    """
    was = tx.row(_CLOUD)
    if was is None:
        raise LookupError("this database does not say whose it is: no controller has started in it")
    number = int(was.value or NOTHING_YET)
    if cloud_id is not None and cloud_id != was.id:
        tx.delete(epochs, epochs.c.run.is_not(None))
    else:
        _end_run(tx, was.run, was.epoch, number)
    of_it = and_(links.c.cloud_id == (cloud_id or was.id), links.c.epoch <= was.epoch + MOST_EPOCHS)
    of_it = and_(of_it, links.c.revision <= number + MOST_REVISIONS)
    seen = tx.row(select(func.max(links.c.epoch), func.max(links.c.revision)).where(of_it))
    epoch, newest = (int(value or 0) for value in (seen or (0, 0)))
    raised = Cloud(id=cloud_id or was.id, epoch=max(was.epoch, epoch, above) + 1, run=secrets.token_hex(8))
    tx.update_by_key(clouds, {"id": was.id}, id=raised.id, epoch=raised.epoch, run=raised.run)
    next_revision(tx)
    if newest >= number:
        tx.update_by_key(revision, {"id": 1}, value=newest + 1)
        tx.local["revision"] = newest + 1
    wake_all(tx)
    return raised


def wake_all(tx: Transaction) -> None:
    """Every node asks again."""
    for row in tx.rows(select(links.c.id)):
        tx.wake(f"link:{row.id}:guest")
        tx.wake(f"link:{row.id}:shared")


def once_had(tx: Transaction, strange: Sequence[Strange]) -> list[Strange]:
    """Which of these were told to a node by this database or its past, at the revisions that the node says. Two
    queries.

    By the run, never by numbers alone: an older copy that has gone its own way has passed the revisions of what was
    made after it, and never had that. What does not say by whose run it was told is not known to be unwanted.
    """
    own = tx.row(_CLOUD)
    if own is None:
        return []
    past = tx.rows(select_as(EpochRow).where(in_list(epochs.c.run, {each.run for each in strange})))
    until = {(row.epoch, row.run): int(row.last_revision) for row in past}
    until[own.epoch, own.run] = own.value or NOTHING_YET
    return [each for each in strange if each.run and 0 < each.revision <= until.get((each.epoch, each.run), 0)]


def unwanted(tx: Transaction, strange: Sequence[Strange]) -> Unwanted:
    """The answer that says of these that they are wanted no more."""
    own = tx.row(_CLOUD)
    epoch, newest = (own.epoch, own.value) if own is not None else (0, None)
    return Unwanted(epoch=epoch, revision=int(newest or NOTHING_YET), unwanted=list(strange))
