"""Fernet keys in a folder, in Keystone's scheme: file 0 is staged, the highest number signs, all of them verify.

Files are 0600 in a folder of 0700. Rotation may die at any moment: what is there can always be read, and the next
rotation puts it right. Never logs a key, never keeps one that is no longer in the folder.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

ACTIVE = 3
ROTATION_S = 7 * 86400
"""With three keys a token can be read for at least one rotation after it was issued: far longer than it lives, the
window for expired ones included."""

_SETTLED_NS = 2_000_000_000  # a folder's time has ticks: within the same one it may change again unseen
_TRIES = 5


class FernetKeys:
    """The keys of `folder`, read again when the folder has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._stamp: int | None = None
        self._keys: list[bytes] = []
        self._box: MultiFernet | None = None

    def box(self) -> MultiFernet:
        """Signs with the primary key and verifies with all; the same object as long as the keys are the same. One
        `stat` per call. Raises FileNotFoundError."""
        stamp = self.folder.stat().st_mtime_ns
        box = self._box
        if box is None or stamp != self._stamp:
            with self._lock:
                keys = _read(self.folder)
                box = self._box
                if box is None or keys != self._keys:
                    self._keys = keys
                    box = self._box = MultiFernet([Fernet(key) for key in keys])
                self._stamp = stamp if time.time_ns() - stamp > _SETTLED_NS else None
        return box


def setup(folder: Path) -> None:
    """Make the staged and the primary key, unless there are keys."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder):
        if not numbers(folder):
            _write(folder, 1)
        if 0 not in numbers(folder):
            _write(folder, 0)


def rotate(folder: Path) -> None:
    """The staged key becomes the primary one, a new one is staged, the oldest goes when there are too many."""
    with _locked(folder):
        _rotate(folder)


def rotate_when_due(folder: Path, interval_s: float = ROTATION_S) -> bool:
    """Rotate when the staged key has waited for `interval_s`; whether it did. Any number of processes may ask."""
    with _locked(folder):
        staged = folder / "0"
        if staged.exists() and time.time() - staged.stat().st_mtime < interval_s:
            return False
        _rotate(folder)
        return True


def numbers(folder: Path) -> list[int]:
    """The keys that are there: the staged one is 0, the highest signs."""
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _rotate(folder: Path) -> None:
    if (folder / "0").exists():
        (folder / "0").replace(folder / str(numbers(folder)[-1] + 1))
    _write(folder, 0)
    secondary = [number for number in numbers(folder) if number]
    for number in secondary[: max(0, len(secondary) - ACTIVE + 1)]:
        (folder / str(number)).unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time, of all processes; clears what a rotation that died has left."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left in folder.glob(".*.new"):
            left.unlink()
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(folder: Path) -> list[bytes]:
    for _ in range(_TRIES):
        try:
            keys = [(folder / str(number)).read_bytes().strip() for number in reversed(numbers(folder))]
        except FileNotFoundError:  # renamed between the look and the reading
            continue
        if keys:
            return keys
    raise FileNotFoundError(f"no Fernet keys in {folder}")


def _write(folder: Path, number: int) -> None:
    staged = folder / f".{number}.new"
    owner = folder.stat()
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if os.geteuid() == 0:  # root may rotate for the controller, which is not root
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    staged.replace(folder / str(number))
