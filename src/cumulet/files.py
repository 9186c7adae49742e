"""Puts small files in place whole: a reader sees the old text or the new one, never half of either.

For files in folders that belong to whoever writes. Where another user may lay links (the controller's folders, when
root writes), `cli/state_folder.py: write_secret` walks by descriptors.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

DRAFT = ".draft"
"""How the names of files end that are not in place yet."""


def put(path: Path, text: str | bytes, *, mode: int = 0o600, sync: bool = False) -> None:
    """Replace `path` by a file with this text and these permissions, whatever the umask.

    `sync`: it is on the disk when this returns, for what must outlive the machine's fall. Raises OSError; what was
    there before is still there then, and no draft is left.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{DRAFT}")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            if mode != 0o600:
                os.fchmod(descriptor, mode)
            if sync:
                file.flush()
                os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def put_unless_so(path: Path, text: str, *, mode: int = 0o600) -> None:
    """The same, but a file of ours that is so already stays: a disk that is full is then no reason not to go on."""
    with suppress(OSError):
        found = path.lstat()
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if ours and stat.S_IMODE(found.st_mode) == mode and path.read_bytes() == text.encode():
            return
    put(path, text, mode=mode)


def remove_drafts(folder: Path) -> None:
    """Take away what killed processes had not put in place; only while nobody writes there."""
    for draft in folder.glob(f".*{DRAFT}"):
        draft.unlink(missing_ok=True)
