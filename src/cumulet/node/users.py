"""Users without accounts, for processes that must not be root: numbers that follow from what a process serves.

Each guest's QEMU, each network's dnsmasq and each run of a tool that opens a stranger's file has a user and a group of
its own, both of the same number. The numbers lie where neither accounts nor containers nor service managers have any
(systemd's UIDS-GIDS.md: nothing between 0x70000000 and 0x7ffdffff). Nobody registers them, so nothing of them is left
behind. Must never give the number of an account, and never one with a right that root has, unless it is named.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

FIRST, COUNT = 0x7000_0000, 1 << 27
_WITHIN_A_CONTAINER = (40_000, 20_000)  # where a user namespace maps only the first 65536

_turns = itertools.count()
_guard = threading.Lock()


class User(Struct, frozen=True):
    """Whom a process runs as. `gid` is the number of `uid` unless it needs somebody else's group."""

    uid: int
    gid: int


def numbers(uid_map: Path = Path("/proc/self/uid_map")) -> tuple[int, int]:
    """The first number and how many there are, as far as this process's user namespace has them."""
    try:
        rows = [tuple(map(int, line.split())) for line in uid_map.read_text().splitlines()]
    except (OSError, ValueError):
        return FIRST, COUNT
    whole = any(inside <= FIRST and inside + count >= FIRST + COUNT for inside, _outside, count in rows)
    return (FIRST, COUNT) if whole else _WITHIN_A_CONTAINER


def derived(*words: str, turn: int = 0) -> User:
    """The user that these words name, always the same; another one for each `turn`."""
    first, count = numbers()
    digest = hashlib.sha256("\0".join((*words, str(turn))).encode()).digest()
    uid = first + int.from_bytes(digest[:8]) % count
    return User(uid, uid)


def for_once() -> User:
    """A user for one run of a tool, so that two runs cannot touch each other."""
    return derived("tool", str(os.getpid()), turn=next(_turns))


def of_folder(folder: Path, *words: str, mode: int = 0o710) -> User:
    """The user for whom `folder` is there; the first time one that no folder beside it has.

    The folder's group is the record, and lets its user in: it stays root's, who alone adds and removes files.
    """
    first, count = numbers()
    with _guard:
        group = folder.stat().st_gid
        if not first <= group < first + count:
            taken = set(_groups_in(folder.parent))
            turns = (derived(*words, turn=turn).gid for turn in itertools.count())
            group = next(each for each in turns if each not in taken)
            os.chown(folder, 0, group, follow_symlinks=False)
    if folder.stat().st_mode & 0o7777 != mode:
        folder.chmod(mode)
    return User(group, group)


def _groups_in(folder: Path) -> Iterator[int]:
    with os.scandir(folder) as entries:
        for each in entries:
            with suppress(FileNotFoundError):  # another guest is on its way out
                yield each.stat(follow_symlinks=False).st_gid


def give(path: Path, user: User, mode: int = 0o600) -> None:
    """Make a file that exists the user's own. Only in a folder of root's: there nobody puts a link in its place."""
    os.chown(path, user.uid, user.uid, follow_symlinks=False)
    path.chmod(mode)


def dropped(user: User, *, keep: Sequence[str] = (), alone: bool = False) -> list[str]:
    """What to put before a command so that it runs as `user`, and nothing that it starts ever becomes more.

    `keep` names capabilities as setpriv does (net_raw). `alone`: it has no network at all, and whatever it starts ends
    with it, however it hides. For root only.
    """
    kept = ",".join(["-all", *(f"+{each}" for each in keep)])
    words = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "--no-new-privs"]
    if alone:  # a namespace's first process takes all others with it; a change of user forgets whose end is its own
        words = ["unshare", "--net", "--ipc", "--pid", "--kill-child", "--", *words, "--pdeathsig=KILL"]
    return [*words, f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}", "--"]


def closed(path: Path) -> Path | None:
    """The first folder on the way to `path` that such a user cannot pass; None when there is none."""
    for folder in reversed(path.absolute().parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None
