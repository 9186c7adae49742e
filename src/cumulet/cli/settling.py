"""A database that nobody has open is one file: what lies in its log beside it is moved into it.

The controller does so when it ends well; this is for when it did not, and for the two files that SQLite leaves as long
as a process that was killed had them open. Whoever saves ``db/cumulet.sqlite`` of a cloud that is down saves all rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from cumulet.cli.backups.owners import as_owner
from cumulet.cli.errors import CliError

BUSY_S = 2.0


def settle(state: Path) -> bool:
    """Move the log into the file, as the file's owner, once the cloud is down; whether nothing is left of it.

    True, too, where there is no such file. It changes no row, and a file that cannot be opened stays as it is.
    """
    file = state / "db" / "cumulet.sqlite"
    log = file.with_name(f"{file.name}-wal")
    try:
        if not log.exists():
            return True
        for _ in as_owner(file.parent, lambda: _settled(file)):
            pass
        return not log.exists()
    except (CliError, OSError):
        return False


def _settled(file: Path) -> Iterator[bytes]:
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()  # the last one to close takes the log away
    except sqlite3.Error as error:
        raise CliError(f"{file}: {error}") from None
    yield b""
