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

_FIRST = b"SQLite format 3\0"
_ADVICE = "Put it back from a backup (docs/backup.md). Nothing was changed"


def _head(file: Path) -> bytes:
    """Its first bytes. It lies in a folder of the controller's user, and root looks: what never ends is not read."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, len(_FIRST)) if stat.S_ISREG(os.fstat(fd).st_mode) else b"not a file"
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
        head = _head(file)
    except FileNotFoundError:
        yield Problem("database-missing", f"the database {file} is not there", _ADVICE)
    except PermissionError:  # another user's: whoever may start the cloud sees it
        return
    else:
        if head not in (_FIRST, b""):
            yield Problem("database-damaged", f"{file} is damaged: it is not a database", _ADVICE)
