"""Fernet keys in a folder, in Keystone's scheme: file 0 is staged, the highest number signs, all of them verify.

Files are 0600 in a folder of 0700. Never logs a key, never keeps one that is no longer in the folder.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

ACTIVE = 3


class FernetKeys:
    """The keys of `folder`, read again when the folder has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._stamp: int | None = None
        self._box: MultiFernet | None = None

    def box(self) -> MultiFernet:
        """Signs with the primary key and verifies with all. One `stat` per call. Raises FileNotFoundError."""
        stamp = self.folder.stat().st_mtime_ns
        box = self._box
        if box is None or stamp != self._stamp:
            with self._lock:
                box = MultiFernet([Fernet(key) for key in _read(self.folder)])
                self._box, self._stamp = box, stamp
        return box


def setup(folder: Path) -> None:
    """Make the staged and the primary key, unless there are keys."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _numbers(folder):
        _write(folder, 1)
        _write(folder, 0)


def rotate(folder: Path) -> None:
    """The staged key becomes the primary one, a new one is staged, the oldest goes when there are too many."""
    numbers = _numbers(folder)
    (folder / "0").replace(folder / str(numbers[-1] + 1))
    _write(folder, 0)
    secondary = [number for number in _numbers(folder) if number]
    for number in secondary[: max(0, len(secondary) - ACTIVE + 1)]:
        (folder / str(number)).unlink()


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def _read(folder: Path) -> list[bytes]:
    keys = [(folder / str(number)).read_bytes().strip() for number in reversed(_numbers(folder))]
    if not keys:
        raise FileNotFoundError(f"no Fernet keys in {folder}")
    return keys


def _write(folder: Path, number: int) -> None:
    staged = folder / f".{number}.{os.getpid()}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    staged.replace(folder / str(number))
