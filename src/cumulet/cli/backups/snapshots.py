"""Snapshots of a running simulated cloud, in the controller: rows in a file, and what services keep beside them.

A snapshot lies in ``STATE/snapshots/NAME``, whole or not at all. A reset is one transaction:
the rows of nodes stay, all others are the snapshot's; what was kept in memory counts no more; nodes get tombstones for
what is not wanted any longer. Tokens stay good as long as their users are there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cumulet import __version__
from cumulet.cli.backups.records import End, Head, Reader, packed
from cumulet.db import Transaction, copies
from cumulet.db.copies import CopyError, Form, Rows
from cumulet.engine import put_forward
from cumulet.fleet import door as fleet
from cumulet.process import Snapshotted

STAY = fleet.STAY | {"store_upgrades"}
"""Tables that a reset leaves: of nodes, and of what was done to the database."""
_PIECE = 1 << 20


@dataclass
class RunningSnapshots:
    """Snapshots of the cloud, in `folder`. `services`: what of them goes along. `hosts_changed`: what they do when
    hosts come, so that the rows of a snapshot know those of today."""

    folder: Path
    services: Sequence[Snapshotted]
    hosts_changed: Sequence[Callable[[Transaction, Sequence[str]], None]]

    def names(self) -> list[str]:
        """Snapshots that are whole."""
        found = self.folder.glob("*/rows") if self.folder.is_dir() else ()
        return sorted(path.parent.name for path in found if not path.parent.name.startswith("."))

    def take(self, tx: Transaction, name: str) -> int:
        """Write it beside its place, then put it there."""
        draft = self.folder / f".{name}.{time.monotonic_ns()}"
        draft.mkdir(mode=0o700, parents=True)
        try:
            for each in self.services:
                if each.take is not None:
                    each.take(draft)
            count = 0
            with (draft / "rows").open("wb") as file:
                for record in _written(tx):
                    file.write(packed(record))
                    count += len(record.rows) if isinstance(record, Rows) else 0
            shutil.rmtree(self.folder / name, ignore_errors=True)
            draft.replace(self.folder / name)
            return count
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def reset(self, tx: Transaction, name: str) -> dict[str, Any]:
        """Go back to it. Raises FileNotFoundError, and ValueError when these tables do not take it."""
        with (self.folder / name / "rows").open("rb") as file:
            head, pieces = _opened(file)
            if head.schema != copies.revision(tx):
                raise ValueError(f"it was taken by another Cumulet ({head.version}, schema {head.schema})")
            told = fleet.told(tx)
            after = [each.before(tx, self.folder / name) for each in self.services]
            staying = STAY.union(*(each.staying for each in self.services))
            try:
                counts = copies.load(tx, pieces, emptied=True, staying=staying)
            except CopyError as error:
                raise ValueError(str(error)) from None
        for finish in after:
            finish()
        put_forward(tx, max(0, tx.now - head.made_at))
        fleet.switch_on(tx)
        changed = fleet.tell(tx, told)
        hosts = fleet.host_names(tx)
        for changes in self.hosts_changed:
            changes(tx, hosts)
        return {"rows": sum(counts.values()), "changed": changed}


def _written(tx: Transaction) -> Iterator[Head | Form | Rows | End]:
    schema = copies.revision(tx) or ""
    yield Head(
        version=__version__,
        schema=schema,
        made_at=tx.now,
        database="",
        state="",
        node="",
        simulated=True,
        secrets=False,
        images="",
    )
    yield from copies.pieces(tx)
    yield End(tables={}, files=0, images=0)


def _opened(file: IO[bytes]) -> tuple[Head, Iterator[Form | Rows]]:
    """The head of what `_written` wrote, and its rows. Raises ValueError for a file that is not whole."""
    records = _records(file)
    head = next(records, None)
    if not isinstance(head, Head):
        raise ValueError("its file is not whole")
    return head, _pieces(records)


def _records(file: IO[bytes]) -> Iterator[Any]:
    reader = Reader()
    while data := file.read(_PIECE):
        yield from reader.feed(data)


def _pieces(records: Iterator[Any]) -> Iterator[Form | Rows]:
    for record in records:
        if isinstance(record, End):
            return
        yield record
    raise ValueError("its file is not whole")
