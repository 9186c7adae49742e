"""A copy of a SQLite database beside it, made before it is upgraded: the way back, and nothing else reads it.

A copy has its name only when it is whole and SQLite has looked at all of its pages.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PAGES, SAY_S = 4096, 2.0
ROOM = 64 << 20
"""Bytes that stay free on the disk beside the copy, for what the upgrade itself writes."""


class NoCopy(Exception):
    """The copy cannot be made; the sentence says why and what to do."""


def keep(database: Path, name: str, say: Callable[[str], None]) -> Path:
    """Copy the database to ``name.sqlite`` in its folder, in place of an older copy of that name; where it is.

    Others may read and write it meanwhile; the copy is of one moment. Raises NoCopy.
    """
    target, draft = database.with_name(f"{name}.sqlite"), database.with_name(f".{name}.part")
    size = sum(path.stat().st_size for path in (database, database.with_name(f"{database.name}-wal")) if path.exists())
    draft.unlink(missing_ok=True)
    free = shutil.disk_usage(database.parent).free
    if free < 2 * size + ROOM:  # the copy, and at worst every page once more in the journal of the upgrade
        raise NoCopy(
            f"there is no room for a copy of the database before it is upgraded: {_mb(2 * size + ROOM)} are needed in "
            f"{database.parent}, {_mb(free)} are free"
        )
    try:
        draft.touch(mode=0o600)
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy, pages=PAGES, progress=_progress(say))
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except (sqlite3.Error, OSError) as error:
        draft.unlink(missing_ok=True)
        raise NoCopy(f"the database cannot be copied before it is upgraded: {error}") from error
    if found != "ok":
        draft.unlink()
        raise NoCopy(f"the database is damaged, and is not upgraded as it is: {found}. Restore it from a backup first")
    draft.replace(target)
    return target


def _progress(say: Callable[[str], None]) -> Callable[[int, int, int], None]:
    """Says how far the copy is, every two seconds."""
    said = time.monotonic()

    def progress(_status: int, left: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said > SAY_S:
            said = time.monotonic()
            say(f"copying the database: {100 * (total - left) // max(1, total)} %")

    return progress


def _mb(size: int) -> str:
    return f"{-(-size // 1_000_000)} MB"
