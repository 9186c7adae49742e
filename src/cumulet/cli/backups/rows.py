"""The rows of a backup, into a database of either kind, brought to this program's schema, and made the truth.

On PostgreSQL all rows come in one transaction, which labels the database; SQLite's file is made anew. Whoever was cut
off begins again and finds nothing, or all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cumulet.cli.backups.reading import Found
from cumulet.cli.backups.records import Record
from cumulet.cli.errors import CliError
from cumulet.cli.terminal import plain
from cumulet.db import Database, copies, now_us, schema, targets
from cumulet.db.copies import CopyError, Form, Rows
from cumulet.db.schema import SchemaError
from cumulet.engine import put_forward
from cumulet.fleet import door as fleet


def require_known(found: Found) -> None:
    """Raise CliError for rows of a schema that this program does not know."""
    name = found.head.schema
    if not re.fullmatch(r"[0-9]{1,9}", name) or int(name) > int(schema.HEAD):
        raise CliError(
            f"the backup was made by a newer Cumulet ({plain(found.head.version[:64])}, schema {plain(name[:32])}; "
            f"this one knows {schema.HEAD}): install that one"
        )


_AHEAD = 1 << 16
"""Servers that may have been made after the backup. They run on with names on their hosts that come from these numbers,
so none is given out again."""


class Target:
    """The database at `where`. `number`: of the restore, for its label. Raises CliError for one that is not empty."""

    def __init__(self, where: Path | str, number: str) -> None:
        from cumulet.cli import controller

        controller.assemblies()  # all services, and so all tables
        self.db = Database(where)
        self._label = None if isinstance(where, Path) else f"cumulet restore {number}"
        self.loaded = False

    def check(self) -> None:
        """Whether the database takes the rows. Raises CliError."""
        if self._label is None:
            return
        try:
            with self.db.read() as tx:
                self.loaded = targets.labelled(tx) == self._label
                if not self.loaded and not targets.vacant(tx):
                    raise CliError("the database is not empty: name an empty one in CUMULET_DATABASE_URL")
        except CliError:
            raise
        except Exception as error:
            raise CliError(f"the database cannot be used: {getattr(error, 'orig', error)}") from None

    def load(self, records: Iterator[Record], found: Found) -> None:
        """Make the tables as the backup knew them, and put its rows in."""
        if self.loaded:
            return
        if isinstance(self.db.where, Path):
            self.db.where.parent.mkdir(mode=0o700, exist_ok=True)
        else:
            with self.db.transaction() as tx:
                targets.clear(tx)
        if found.head.schema == schema.HEAD:
            schema.prepare(self.db)
        else:
            schema.migrate(self.db, to=found.head.schema)
        with self.db.transaction() as tx:
            counts = copies.load(tx, _pieces(records), emptied=True)
            if counts != found.tables:
                raise CliError("not all rows of the backup came into the database")
            put_forward(tx, max(0, now_us() - found.head.made_at))
            if self._label is not None:
                targets.label(tx, self._label)
        if self._label is None:
            with self.db.read() as tx:
                if wrong := targets.integrity(tx):
                    raise CliError(f"what was restored is damaged: {wrong}. Is the disk well?")

    def finish(self, above: int) -> tuple[int, int]:
        """Bring the tables to this program's schema, and begin a new epoch above `above`: it and its first revision."""
        schema.prepare(self.db)
        epoch = revision = 0
        with self.db.transaction() as tx:
            try:
                epoch = fleet.raise_epoch(tx, above=above).epoch
                revision = int(tx.local["revision"])
            except LookupError:  # rows from before clouds had an id: the first controller makes one
                pass
        if self._label is None:
            targets.checkpoint(self.db)
        return epoch, revision

    def close(self) -> None:
        """The cloud is whole: no label is needed any more."""
        if self._label is not None:
            with self.db.transaction() as tx:
                targets.label(tx, None)
        self.db.close()


def _pieces(records: Iterator[Record]) -> Iterator[Form | Rows]:
    for record in records:
        if isinstance(record, Form) and record.name == "compute_servers":
            yield Form(record.name, record.columns, record.counted + _AHEAD)
        elif isinstance(record, Form | Rows):
            yield record


def told(error: BaseException) -> CliError:
    """The sentence for what a database or a disk said. Anything else is raised as it is."""
    if isinstance(error, CopyError | SchemaError):
        return CliError(f"{error}. Nothing of this cloud will start; mend it and run the same restore again")
    if isinstance(error, OSError):
        return CliError(f"the disk does not take it: {error.strerror}. Make room and run the same restore again")
    if (orig := getattr(error, "orig", None)) is not None:  # what the driver says has no password in it
        return CliError(f"the database does not take it: {orig}. Mend it and run the same restore again")
    raise error
