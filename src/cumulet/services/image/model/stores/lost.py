"""Files of images that no row names: set aside under the day on which that was found, taken back, and removed when
nobody asked for them for long enough.

They lie in the folder ``lost`` of their store, on the same file system, as ``<day>.<image>``. A clock that was wrong
must not end one early. When one was set aside: a day before the file was written is no day, and is written anew. When
they are looked at: ``.days`` says which days were seen without a gap; after a leap all days are counted from there.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from msgspec import Struct

NAME = "lost"
DAYS = ".days"
GAP = timedelta(days=2)
"""Days are seen without a gap when no two of them are farther apart."""
_KEPT = re.compile(r"(\d{4}-\d\d-\d\d)\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.\d+)?")


class Kept(Struct, frozen=True):
    """A lost file of the image `id`: since when (UTC), its size in bytes, and the day on which it was written."""

    path: Path
    id: str
    since: date
    size: int
    written: date


def today() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


class LostFolder:
    """Where a store keeps lost files. The folder is made with the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[Kept]:
        """Lost files, those of longest ago first. Whatever has another name is nobody's business here."""
        if not self._is_there():
            return iter(())
        with os.scandir(self.folder) as entries:
            found = [kept for entry in entries if (kept := _kept(entry)) is not None]
        return iter(sorted(found, key=lambda one: (one.since, one.path.name)))

    def _is_there(self) -> bool:
        """Whether the folder is one, and no link to another."""
        try:
            return stat.S_ISDIR(self.folder.lstat().st_mode)
        except FileNotFoundError:
            return False

    def keep(self, path: Path) -> Path:
        """Set a file aside; where it is now. Raises OSError, and never takes another's place."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not self._is_there():
            raise NotADirectoryError(f"{self.folder} must be a folder of the store's own file system, not a link")
        with suppress(OSError):
            self._seen_since()
        place = self._free(path.name)
        path.rename(place)
        return place

    def _free(self, name: str) -> Path:
        """A name of today that nothing bears."""
        place, count = self.folder / f"{today()}.{name}", 1
        while os.path.lexists(place):
            place, count = self.folder / f"{today()}.{name}.{count}", count + 1
        return place

    def give_back(self, path: Path, size: int | None) -> bool:
        """Move the newest lost file of the image that `path` is named by to `path`, unless something is there; `size`:
        only one of so many bytes. Raises OSError."""
        if os.path.lexists(path):
            return False
        for kept in reversed(list(self)):
            if kept.id == path.name and size in (None, kept.size):
                kept.path.rename(path)
                return True
        return False

    def expire(self, days: int, most: int = 10) -> list[str]:
        """Remove at most `most` files that are lost for longer than `days`; their names. Raises OSError."""
        gone: list[str] = []
        if not self._is_there():
            return gone
        counted = self._seen_since() + timedelta(days=days)
        for kept in self:
            if kept.since < kept.written <= today():  # the clock was wrong when it was set aside
                kept.path.rename(self._free(kept.id))
            elif max(kept.since + timedelta(days=days), counted) < today():
                kept.path.unlink(missing_ok=True)
                gone.append(kept.path.name)
            if len(gone) >= most:
                break
        return gone

    def _seen_since(self) -> date:
        """The first of the days that were seen without a gap until today, which is noted. A file that is not there or
        is damaged says that there never was one. Raises OSError."""
        now, place = today(), self.folder / DAYS
        since, last = _days(place)
        if last is None or not timedelta(0) <= now - last <= GAP:
            since = date(1970, 1, 1) if last is None else now
        if now != last:
            draft = place.with_name(f"{DAYS}.new")
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
                json.dump({"since": str(since), "last": str(now)}, file)
            draft.replace(place)
        return since


def _days(place: Path) -> tuple[date, date | None]:
    try:
        said = json.loads(place.read_bytes()[:4096])
        return date.fromisoformat(said["since"]), date.fromisoformat(said["last"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return date(1970, 1, 1), None


def _kept(entry: os.DirEntry[str]) -> Kept | None:
    match = _KEPT.fullmatch(entry.name)
    if match is None or not entry.is_file(follow_symlinks=False):
        return None
    facts = entry.stat(follow_symlinks=False)
    try:
        since, written = date.fromisoformat(match[1]), datetime.fromtimestamp(facts.st_mtime, UTC).date()
    except (ValueError, OverflowError):
        return None
    return Kept(Path(entry.path), match[2], since, facts.st_size, written)
