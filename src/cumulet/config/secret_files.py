"""Secrets are files of one folder, read here and nowhere else; options never hold one."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from pathlib import Path

from cumulet.config.errors import ConfigError

SECRETS = ("admin_password", "demo_password", "service_password", "operator_secret", "metadata_secret", "metrics_token")
OF_SIMULATED = ("alt_demo_password",)
"""Those that only a cloud with simulated hosts has."""
DATABASE_URL = "database_url"
METADATA_BEFORE = "metadata_secret.before"
"""The secret of metadata proxies before the last rotation, good for `BEFORE_S`."""
BEFORE_S = 3600
_SECRET_BYTES = 4096


def read_private(folder: Path, name: str, most: int = _SECRET_BYTES) -> tuple[int, str]:
    """Mode and text (`most` letters of it) of a file in a folder of the controller's user.

    Root reads here too, and hands what it reads to the controller: it must be a file of the folder's owner, and no link
    to one that only root may read. Raises OSError, UnicodeDecodeError.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=handle), encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            owners = (0, os.fstat(handle).st_uid)
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in owners or found.st_nlink != 1:
                raise PermissionError(errno.EPERM, f"it is not a file of the owner of {folder}")
            return found.st_mode, file.read(most).strip()
    finally:
        os.close(handle)


def metadata_secrets(folder: Path) -> list[str]:
    """The secrets that a metadata proxy may sign with: today's, and for an hour the one before. Never empty texts."""
    found = []
    for name, life_s in (("metadata_secret", None), (METADATA_BEFORE, BEFORE_S)):
        try:
            age = time.time() - (folder / name).lstat().st_mtime
            if life_s is None or 0 <= age < life_s:
                found.append(read_private(folder, name)[1])
        except (OSError, UnicodeDecodeError):
            continue
    return [text for text in found if text]


def check_database_url(text: str) -> None:
    """Refuse what is no URL of PostgreSQL. The error never shows it: it may hold a password."""
    if not re.fullmatch(r"postgres(ql)?://\S+", text):
        raise ConfigError(f"the secret {DATABASE_URL} must be like postgresql://user:password@host/database")
