"""The file of the embedded database: whether it is there, and whether it is one. What is inside it is the controller's
to know."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cumulet.cli.problems.seen import Seen
from cumulet.config import ConfigError
from cumulet.problem import Problem

FURNISHED = "furnished"
"""What `up` leaves in the state folder of a cloud that it has filled."""

_FIRST, _HEAD_BYTES = b"SQLite format 3\0", 100
_ADVICE = "Put it back from a backup (docs/backup.md). Nothing was changed"


def _head(file: Path) -> tuple[bytes, int]:
    """Its first bytes, and its size. It lies in a folder of the controller's user, and root looks: what never ends is
    not read."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        return os.read(fd, _HEAD_BYTES) if stat.S_ISREG(found.st_mode) else b"not a file", found.st_size
    finally:
        os.close(fd)


def check(seen: Seen) -> Iterator[Problem]:
    """Nothing for PostgreSQL, which its own tools look after."""
    try:
        file = seen.settings.database
    except ConfigError as error:
        yield Problem("secret-open", str(error))
        return
    if not isinstance(file, Path) or not (seen.state / FURNISHED).exists():
        return
    try:
        head, size = _head(file)
    except FileNotFoundError:
        yield Problem("database-missing", f"the database {file} is not there", _ADVICE)
    except PermissionError:  # another user's: whoever may start the cloud sees it
        return
    else:
        if head and not head.startswith(_FIRST):
            yield Problem("database-damaged", f"{file} is damaged: it is not a database", _ADVICE)
        elif not seen.running and not file.with_name(f"{file.name}-wal").exists() and size < _said_size(head):
            yield Problem("database-damaged", f"{file} is damaged: its end is missing", _ADVICE)


def _said_size(head: bytes) -> int:
    """The bytes that a database with this head has when nothing is in its log; 0 when it does not say."""
    if len(head) < _HEAD_BYTES:
        return 0
    page = int.from_bytes(head[16:18], "big")
    counted = head[24:28] == head[92:96]  # else somebody wrote it who does not count pages
    return (65_536 if page == 1 else page) * int.from_bytes(head[28:32], "big") if counted else 0
