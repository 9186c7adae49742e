"""Reading and writing what belongs to another user: as that user, or in a way that no link of his leads astray.

The database is opened by a process that has become its owner, so that whatever its driver leaves beside the file is
the owner's, and root follows nothing that the controller's user put there.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NoReturn

from cumulet.cli.errors import CliError

PIECE = 1 << 20


def as_owner(folder: Path, produce: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    """What `produce` yields, run as the user whose `folder` it is (in this process when that is ourselves).

    Raises CliError: what it raised, or that we may not become that user.
    """
    try:
        found = folder.lstat()
    except OSError as error:
        raise CliError(f"cannot look at {folder}: {error.strerror}") from None
    if found.st_uid == os.geteuid():
        yield from produce()
        return
    if os.geteuid() != 0:
        raise CliError(f"{folder} is another user's: run this as root, or as the user who started the cloud")
    yield from _in_child(found.st_uid, found.st_gid, produce)


def _in_child(uid: int, gid: int, produce: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    reading, writing = os.pipe()
    failed, fails = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.close(failed)
        _child(uid, gid, produce, (writing, fails))
    os.close(writing)
    os.close(fails)
    try:
        while data := os.read(reading, PIECE):
            yield data
        message = os.read(failed, PIECE).decode("utf-8", "replace")
    finally:
        os.close(reading)  # one that still writes ends now
        os.close(failed)
        _, status = os.waitpid(pid, 0)
    if status or message:
        raise CliError(message or "the process that read for this one ended too early")


def _child(uid: int, gid: int, produce: Callable[[], Iterator[bytes]], pipes: tuple[int, int]) -> NoReturn:
    """In the forked process: be that user, and write. Never returns."""
    code = 1
    try:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        for data in produce():
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(pipes[0], rest) :]
        code = 0
    except CliError as error:
        os.write(pipes[1], str(error).encode())
    except BrokenPipeError:
        pass
    except BaseException as error:
        os.write(pipes[1], f"{type(error).__name__}: {error}".encode()[:4000])
    finally:
        sys.stderr.flush()
        os._exit(code)


def files(folder: Path, uids: Collection[int] = (), others: list[str] | None = None) -> Iterator[tuple[str, int]]:
    """Names and descriptors of the regular files of a folder's owner below it, names in relation to it, in order.

    No link is followed. In a folder of ourselves files of `uids` count, too. Anybody else's are not opened; their names
    are added to `others`. A descriptor is closed when the next is asked for. A folder that is not there has none.
    """
    if not folder.is_dir() or folder.is_symlink():
        return
    try:
        for place, folders, names, handle in os.fwalk(folder, follow_symlinks=False, onerror=_raise):
            folders.sort()
            within = Path(place).relative_to(folder)
            more: list[str] = []
            for name, fd in _within(handle, sorted(names), uids, more):
                yield str(within / name), fd
            if others is not None:
                others += [str(within / name) for name in more]
    except PermissionError as error:
        raise CliError(f"cannot read {error.filename or folder}: {error.strerror}; run this as root") from None


def top(folder: Path, uids: Collection[int] = (), others: list[str] | None = None) -> Iterator[tuple[str, int]]:
    """The same of the files of the folder itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield from _within(handle, sorted(os.listdir(handle)), uids, [] if others is None else others)
    finally:
        os.close(handle)


def _within(handle: int, names: list[str], uids: Collection[int], others: list[str]) -> Iterator[tuple[str, int]]:
    uid = os.fstat(handle).st_uid
    allowed = {uid, *uids} if uid == os.geteuid() else {uid}
    for name in names:
        fd = opened(name, handle, allowed)
        if fd is None:
            continue
        if fd < 0:
            others.append(name)
            continue
        try:
            yield name, fd
        finally:
            os.close(fd)


def _raise(error: OSError) -> NoReturn:
    raise error


def opened(name: str, handle: int, uids: Collection[int]) -> int | None:
    """A descriptor of a regular file of one of these users; -1 when it is another's, None for what is no file and for
    what has gone meanwhile."""
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            return None
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
    except FileNotFoundError:
        return None
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_uid in uids:
        return fd
    os.close(fd)
    return -1 if stat.S_ISREG(found.st_mode) else None
