"""Why a database, or a disk, does not take what it is given: a word for programs and a sentence for clients.

None of it is a fault of the request, and all of it may be over the next time.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import Literal

Why = Literal["full", "read-only", "damaged", "away"]

SENTENCES: dict[Why, str] = {
    "full": "The cloud's disk is full, and nothing can be written: delete something, or try again in a while.",
    "read-only": "The cloud's disk or database can only be read at the moment: try again in a while.",
    "damaged": "The cloud's database is damaged: its operator has to restore it.",
    "away": "The database does not answer at the moment: try again in a while.",
}

RETRY_AFTER_S: dict[Why, int] = {"full": 30, "read-only": 60, "damaged": 600, "away": 5}

_SQLITE: dict[int, Why] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_IOERR: "away",
    sqlite3.SQLITE_CANTOPEN: "away",
    sqlite3.SQLITE_BUSY: "away",
    sqlite3.SQLITE_LOCKED: "away",
}
"""By the low byte of SQLite's code; the rest says which call it was."""

_POSTGRESQL: dict[str, Why] = {"53100": "full", "25006": "read-only", "XX001": "damaged", "XX002": "damaged"}
"""By SQLSTATE."""

_SYSTEM: dict[int, Why] = {errno.ENOSPC: "full", errno.EDQUOT: "full", errno.EROFS: "read-only"}


def of_sqlite(error: BaseException) -> Why | None:
    """What an error of ``sqlite3`` says, None when it is about the statement."""
    if not isinstance(error, sqlite3.Error):
        return None
    return _SQLITE.get((getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF)


def of_postgresql(error: BaseException, operational: type[Exception]) -> Why | None:
    """What an error of psycopg says, whose class of lost connections is `operational`."""
    known = _POSTGRESQL.get(getattr(error, "sqlstate", None) or "")
    return known or ("away" if isinstance(error, operational) else None)


def of_system(error: BaseException) -> Why | None:
    """What an error of a file says, None when it is not about the disk."""
    return _SYSTEM.get(error.errno or 0) if isinstance(error, OSError) else None
