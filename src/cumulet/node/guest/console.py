"""The guest's serial log as a file that stays small, and the socket of its screen.

Must never read or return more than its bounds: what is in the log is the guest's to choose.
"""

from __future__ import annotations

import ctypes
import os
import stat
from contextlib import suppress
from pathlib import Path

from cumulet.node import trees
from cumulet.node.users import User

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


def prepare_folder(folder: Path, group: int | None) -> None:
    """The folder of the sockets: passed by everybody, listed by the group, written by root only."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, 0, 0 if group is None else group)
    folder.chmod(0o711)


def expect_screen(socket: Path, user: User) -> Path:
    """Where QEMU, as `user`, is to make the socket that will be `socket`: in a folder that it alone may enter."""
    screen_absent(socket)
    folder = socket.with_suffix("")
    folder.mkdir(mode=0o700)
    os.chown(folder, user.uid, user.uid)
    return screen_nest(socket)


def screen_nest(socket: Path) -> Path:
    """The path under which QEMU makes the socket."""
    return socket.with_suffix("") / "s"


def screen_absent(socket: Path) -> None:
    """Remove the screen's socket, wherever it is."""
    socket.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        trees.remove(socket.with_suffix(""))


def adopt_screen(socket: Path, user: User, group: int | None) -> None:
    """Take the socket that QEMU has made out of its reach, and let the console proxy's group connect to it.

    What is there but is no socket of `user` is removed. Safe when it has been done, and when the guest has just ended.
    """
    folder = socket.with_suffix("")
    with suppress(FileNotFoundError):
        os.rename(screen_nest(socket), socket)
        facts = socket.lstat()
        if not stat.S_ISSOCK(facts.st_mode) or facts.st_uid != user.uid:
            trees.remove(socket) if stat.S_ISDIR(facts.st_mode) else socket.unlink()
    with suppress(FileNotFoundError):
        trees.remove(folder)
    with suppress(FileNotFoundError):
        facts = socket.lstat()
        if facts.st_uid != 0 or facts.st_gid != (group or 0):
            os.chown(socket, 0, group or 0, follow_symlinks=False)
        mode = 0o600 if group is None else 0o660
        if facts.st_mode & 0o777 != mode:
            os.chmod(socket, mode)
