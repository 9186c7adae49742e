"""The guest's serial log as a file that stays small, and the socket of its screen.

Must never read or return more than its bounds: what is in the log is the guest's to choose.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

LOG_NAME = "console.log"
SHOWN_BYTES = 100 * 1024  # what Nova shows at most
KEPT_BYTES = 1 << 20
_BLOCK = 1 << 16
_COLLAPSE_RANGE = 8
_libc = ctypes.CDLL(None, use_errno=True)


def read(folder: Path, lines: int | None) -> bytes:
    """The last `lines` lines of the serial log (None: all that is shown), 100 KiB at most; empty without a log."""
    try:
        with open(folder / LOG_NAME, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - SHOWN_BYTES))
            text = log.read(SHOWN_BYTES)
    except FileNotFoundError:
        return b""
    if lines is None:
        return text
    if lines <= 0:
        return b""
    kept = text.splitlines(keepends=True)[-lines:]
    return b"".join(kept)


def start_anew(folder: Path) -> None:
    """Empty the log before a start; QEMU appends to it."""
    with open(folder / LOG_NAME, "wb"):
        pass
    os.chmod(folder / LOG_NAME, 0o600)


def trim(folder: Path, keep: int = KEPT_BYTES) -> None:
    """Drop the head of a log longer than twice `keep` bytes, while the guest goes on writing."""
    try:
        log = os.open(folder / LOG_NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        size = os.fstat(log).st_size
        if size <= 2 * keep:
            return
        head = (size - keep) // _BLOCK * _BLOCK
        if not _allocate(log, _COLLAPSE_RANGE, head):
            # A file system without this: what is written between these two calls is lost, never the bound.
            tail = os.pread(log, keep, size - keep)
            os.ftruncate(log, 0)
            os.pwrite(log, tail, 0)
    finally:
        os.close(log)


def _allocate(file: int, mode: int, length: int) -> bool:
    return int(_libc.fallocate(file, mode, ctypes.c_int64(0), ctypes.c_int64(length))) == 0


def open_to_group(socket: Path, group: int | None) -> None:
    """Let the console proxy's group connect to the screen; only root without a group."""
    try:
        facts = socket.stat()
        if group is not None and facts.st_gid != group:
            os.chown(socket, -1, group)
        mode = 0o600 if group is None else 0o660
        if facts.st_mode & 0o777 != mode:
            os.chmod(socket, mode)
    except FileNotFoundError:
        pass  # the guest has just ended


def prepare_folder(folder: Path, group: int | None) -> None:
    """The folder of the sockets: entered by the group, listed and written by root only."""
    folder.mkdir(parents=True, exist_ok=True)
    if group is not None:
        os.chown(folder, -1, group)
    os.chmod(folder, 0o700 if group is None else 0o710)
