"""Reading a backup from its first byte to its last, and believing nothing of it before: the only way in.

`Reading` goes through all records and checks what one of them cannot tell: that rows have a table and bytes a file,
that hashes and counts are right. What it found is there when it is through.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cumulet.cli.backups import sealing
from cumulet.cli.backups.contents import is_image, may_be
from cumulet.cli.backups.records import Bytes, Elsewhere, End, FileEnd, FileStart, Head, Record, damaged, records
from cumulet.cli.backups.sealing import Secret
from cumulet.cli.errors import CliError
from cumulet.db.copies import Form, Rows

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass
class Found:
    """What a backup holds. `expanded`: bytes of all rows as they are written down. `cloud`: id and epoch, None in rows
    from before clouds had one; `revision`: the last that nodes may have been told."""

    head: Head
    tables: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    expanded: int = 0
    cloud: tuple[str, int] | None = None
    revision: int = 0

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


class Reading:
    """The records of the backup in `path`. Going through raises CliError for what is damaged, changed or sealed with
    another secret; `found` is right when it is through."""

    def __init__(self, path: Path, secret: Secret | None) -> None:
        self._path, self._secret = path, secret
        self._found: Found | None = None
        self._table: Form | None = None
        self._file: str | None = None
        self._sum = hashlib.sha256()

    @property
    def found(self) -> Found:
        """What was found. Raises CliError before the first record."""
        if self._found is None:
            raise damaged(str(self._path), "it is empty")
        return self._found

    def __iter__(self) -> Iterator[Record]:
        name = str(self._path)
        try:
            with self._path.open("rb") as file:
                for record in records(sealing.opened(file, name, self._secret), name):
                    if why := self._wrong(record):
                        raise damaged(name, why)
                    yield record
        except OSError as error:
            raise CliError(f"cannot read {name}: {error.strerror}") from None

    def look(self) -> Found:
        """Read all of it."""
        for _ in self:
            pass
        return self.found

    def _wrong(self, record: Record) -> str | None:
        """Take a record into account; a word on what is wrong with it."""
        if isinstance(record, Head):
            self._found = Found(record)
            return None
        if self._file is not None and not isinstance(record, Bytes | FileEnd):
            return f"the file {self._file} does not end"
        if isinstance(record, Form):
            self._table = record
            twice = record.name in self.found.tables
            self.found.tables[record.name] = 0
            return f"the table {record.name} is there twice" if twice else None
        if isinstance(record, Rows):
            return self._rows(record)
        if isinstance(record, End):
            return self._end(record)
        return self._of_file(record)

    def _rows(self, record: Rows) -> str | None:
        form = self._table
        if form is None or any(len(row) != len(form.columns) for row in record.rows):
            return "there are rows of no table"
        self.found.tables[form.name] += len(record.rows)
        self.found.expanded += sum(sum(len(v) if isinstance(v, str) else 8 for v in row) for row in record.rows)
        for row in record.rows if form.name in ("fleet_cloud", "fleet_revision") else ():
            values = dict(zip(form.columns, row, strict=True))
            epoch, revision = values.get("epoch", 0), values.get("value", 0)
            if not (isinstance(epoch, int) and isinstance(revision, int)):
                return f"there are rows of {form.name} that cannot be"
            if form.name == "fleet_revision":
                self.found.revision = revision
            else:
                self.found.cloud = (str(values.get("id")), epoch)
        return None

    def _of_file(self, record: FileStart | Bytes | FileEnd | Elsewhere) -> str | None:
        if isinstance(record, Elsewhere):
            self.found.elsewhere.append(record)
            right = may_be(record.path) and is_image(record.path) and record.size >= 0
            return None if right and _SHA256.fullmatch(record.sha256) else "it names an image that no cloud has"
        if isinstance(record, FileStart):
            self._file, self._sum = record.path, hashlib.sha256()
            known = record.path in self.found.files or not may_be(record.path)
            self.found.files[record.path] = 0
            return "it names a file that no cloud has" if known else None
        if self._file is None:
            return "there are bytes of no file"
        if isinstance(record, Bytes):
            self._sum.update(record.data)
            self.found.files[self._file] += len(record.data)
            return None
        path, self._file = self._file, None
        return None if self._sum.hexdigest() == record.sha256 else f"the file {path} has another hash"

    def _end(self, record: End) -> str | None:
        images = len(self.found.elsewhere) + sum(map(is_image, self.found.files))
        files = sum(not is_image(path) for path in self.found.files)
        self.found.left_out = record.left_out
        same = record.tables == self.found.tables and (record.files, record.images) == (files, images)
        return None if same else "not all is there that it counts"
