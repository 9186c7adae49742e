"""Fernet keys in a folder, in Keystone's scheme: file 0 is staged, the highest number signs, all of them verify.

Files are 0600 in a folder of 0700. Rotation may die at any moment: what is there can always be read, and the next
rotation puts it right. Root may rotate in a folder of the controller's user, who must never be able to make it follow a
link of his: everything is done relative to the open folder. Never logs a key, never keeps one that is no longer in the
folder.
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
    with _locked(folder) as handle:
        if not _numbers(handle):
            _write(handle, 1)
        if 0 not in _numbers(handle):
            _write(handle, 0)


def rotate(folder: Path) -> None:
    """The staged key becomes the primary one, a new one is staged, the oldest goes when there are too many. Raises
    OSError, also for a folder that is a link."""
    with _locked(folder) as handle:
        _rotate(handle)


def rotate_when_due(folder: Path, interval_s: float = ROTATION_S) -> bool:
    """Rotate when the staged key has waited for `interval_s`; whether it did. Any number of processes may ask."""
    with _locked(folder) as handle:
        if 0 in _numbers(handle):
            staged = os.stat("0", dir_fd=handle, follow_symlinks=False)
            if time.time() - staged.st_mtime < interval_s:
                return False
        _rotate(handle)
        return True


def numbers(folder: Path) -> list[int]:
    """The keys that are there: the staged one is 0, the highest signs."""
    with _opened(folder) as handle:
        return _numbers(handle)


def _numbers(handle: int) -> list[int]:
    return sorted(int(name) for name in os.listdir(handle) if name.isdecimal())


def _rotate(handle: int) -> None:
    found = _numbers(handle)
    if 0 in found:
        os.replace("0", str(found[-1] + 1), src_dir_fd=handle, dst_dir_fd=handle)
    _write(handle, 0)
    secondary = [number for number in _numbers(handle) if number]
    for number in secondary[: max(0, len(secondary) - ACTIVE + 1)]:
        os.unlink(str(number), dir_fd=handle)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The folder, open: one at a time, of all processes. Clears what a rotation that died has left."""
    with _opened(folder) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for name in os.listdir(handle):
            if name.startswith(".") and name.endswith(".new"):
                os.unlink(name, dir_fd=handle)
        yield handle
        os.fsync(handle)


def _read(folder: Path) -> list[bytes]:
    for _ in range(_TRIES):
        try:
            with _opened(folder) as handle:
                keys = [_key(handle, number) for number in reversed(_numbers(handle))]
        except FileNotFoundError:  # renamed between the look and the reading
            continue
        if keys:
            return keys
    raise FileNotFoundError(f"no Fernet keys in {folder}")


def _key(handle: int, number: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(str(number), flags, dir_fd=handle), "rb") as file:
        return file.read().strip()


def _write(handle: int, number: int) -> None:
    draft = f".{number}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, 0o600, dir_fd=handle), "wb") as file:
        if os.geteuid() == 0:  # root may rotate for the controller, which is not root
            owner = os.fstat(handle)
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, str(number), src_dir_fd=handle, dst_dir_fd=handle)
