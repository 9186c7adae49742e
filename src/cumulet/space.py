"""How much room a file system has. Below `LOW_SHARE` what makes the cloud grow is refused; when it is `scarce`, all
that clients write but deletes, and the audit log stops: so what frees room still finds some."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOW_SHARE = 0.05
SCARCE_BYTES = 16 << 20
FULL_BYTES = 1 << 20
"""With less than this, SQLite can no longer be sure to write a page and its log."""


@dataclass(frozen=True)
class Space:
    """Of one file system, in bytes for users other than root; `flags` as ``statvfs`` gives them."""

    free_bytes: int
    total_bytes: int
    flags: int = 0

    @property
    def low(self) -> bool:
        """Whether less than 5 % is free."""
        return self.free_bytes < self.total_bytes * LOW_SHARE

    @property
    def scarce(self) -> bool:
        """Whether the rest is for what frees room, and for what nodes and logins must note."""
        return self.free_bytes < min(SCARCE_BYTES, self.total_bytes * LOW_SHARE / 2)

    @property
    def full(self) -> bool:
        """Whether hardly anything can be written any more."""
        return self.free_bytes < min(FULL_BYTES, self.total_bytes * LOW_SHARE)


def of(folder: Path) -> Space:
    """The space of the file system that `folder` is on. Raises OSError when it is not there."""
    found = os.statvfs(folder)
    return Space(
        found.f_bavail * found.f_frsize,
        (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize,
        found.f_flag,
    )


SHORT = (
    "The cloud's disk is nearly full, less than 5 % is free: nothing that needs room is taken until there is more. "
    "Deleting makes room; try again later."
)


SCARCE = (
    "The cloud's disk is full but for a rest that is kept for deleting: nothing else is written until there is more "
    "room. Delete something, or try again later."
)


class Room:
    """The disks below some folders, looked at once a second at most, and each time while one is nearly full. `rows`:
    the folder of the database, when that is here."""

    def __init__(self, folders: Sequence[Path], rows: Path | None = None) -> None:
        self._folders = list(folders)
        self._rows = rows
        self._looked = 0.0
        self._short = False
        self._rows_looked = 0.0
        self._scarce = False

    def short(self) -> str | None:
        """The sentence for clients when one of the disks is nearly full, else None."""
        now = time.monotonic()
        if self._short or self._looked == 0.0 or now - self._looked >= 1.0:
            self._looked, self._short = now, any(map(_low, self._folders))
        return SHORT if self._short else None

    def scarce(self) -> str | None:
        """The same when the database's disk has only room for what deletes."""
        if self._rows is None:
            return None
        now = time.monotonic()
        if self._scarce or self._rows_looked == 0.0 or now - self._rows_looked >= 1.0:
            self._rows_looked, self._scarce = now, is_scarce(self._rows)
        return SCARCE if self._scarce else None


def is_scarce(folder: Path) -> bool:
    """Whether the disk of the folder is `Space.scarce`; one that cannot be looked at is not."""
    try:
        return of(folder).scarce
    except OSError:
        return False


def _low(folder: Path) -> bool:
    try:
        return of(folder).low
    except OSError:  # not there: a store of images that is elsewhere
        return False
