"""The state folder that a backup is restored into: what it may be, and the mark that says that a restore is at work.

As long as the mark is there, `up` refuses the folder; a restore that was cut off is done again from its beginning.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cumulet.cli import hints, machine, processes, state_folder
from cumulet.cli.errors import CliError
from cumulet.config import Settings
from cumulet.node import trees

IGNORED = frozenset((state_folder.LOCK, "lost+found"))
WHOLE, ROWS = "whole", "rows"


class Mark(msgspec.Struct):
    """`kind`: ``whole`` into an empty folder, or ``rows`` below what a cloud's node and images have. `number` is drawn
    anew for each restore."""

    kind: str
    number: str


@dataclass(frozen=True)
class Place:
    """A folder to restore into. `again`: a restore was cut off in it."""

    state: Path
    mark: Mark
    again: bool = False

    @property
    def whole(self) -> bool:
        return self.mark.kind == WHOLE

    def open_up(self, fd: int, *, readable: bool, reader: str) -> None:
        """Let who read a file before read it again, and pass a folder on the way to it."""
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if readable:
            mode |= 0o011 if is_folder else 0o044
        if reader and os.geteuid() == 0 and machine.may({"chown"}):
            user = machine.ensure_user(self.state)
            os.fchown(fd, user.pw_uid if reader == "owner" else -1, user.pw_gid)
            mode |= 0o010 if is_folder else 0o040 if reader == "group" else 0
        os.fchmod(fd, mode)


def look(state: Path) -> Place:
    """What may be done in the folder, which need not exist. Raises CliError when nothing may."""
    if state.is_symlink():
        raise CliError(f"{state} is a symbolic link; give the folder that it leads to: --state {state.resolve()}")
    try:
        names = {entry.name for entry in state.iterdir()} - IGNORED if state.exists() else set()
    except OSError as error:
        raise CliError(f"cannot look into {state}: {error.strerror}") from None
    if state_folder.RESTORING in names:
        return Place(state, _read(state / state_folder.RESTORING), again=True)
    number = secrets.token_hex(8)
    if not names:
        return Place(state, Mark(WHOLE, number))
    if not state_folder.is_state_folder(state):
        raise CliError(f"{state} is not empty and holds no cloud; choose another with --state")
    if processes.supervisor_pid(Settings(state=state)) is not None:
        raise CliError(f"the cloud in {state} runs; stop it first: {hints.command('down', state)}")
    if (state / "db").exists() and any((state / "db").iterdir()):
        raise CliError(
            f"{state} holds a cloud. To restore only its rows, below the guests and images that are there: "
            f"mv {state}/db {state}/db.before, and run this again. To restore all of it, without the "
            f"guests that are there (their disks stay behind): mv {state} {state}.before"
        )
    return Place(state, Mark(ROWS, number))


def _read(file: Path) -> Mark:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        raise CliError(f"a restore into {file.parent} was cut off before it began: remove {file}") from None


def begin(place: Place) -> int:
    """Make the folder and the mark; what an earlier restore left goes. A descriptor of the mark, which is locked as
    long as it is open. Raises CliError."""
    state = place.state
    try:
        state.mkdir(mode=0o711, parents=True, exist_ok=True)
        state_folder.check_owner(state)
        lock = _locked(place)
        if place.again and place.whole:
            _empty(state)
        elif (state / "db").exists():
            trees.remove(state / "db")
    except OSError as error:
        raise CliError(f"cannot restore into {state}: {error.strerror}") from None
    return lock


def _locked(place: Place) -> int:
    file = place.state / state_folder.RESTORING
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lock = os.open(file, flags if place.again else flags | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileExistsError, FileNotFoundError, BlockingIOError):
        raise CliError(f"another restore into {place.state} is at work") from None
    if not place.again:
        os.write(lock, msgspec.json.encode(place.mark))
        os.fsync(lock)
    return lock


def _empty(state: Path) -> None:
    for entry in state.iterdir():
        if entry.name in IGNORED or entry.name == state_folder.RESTORING:
            continue
        if entry.is_dir() and not entry.is_symlink():
            trees.remove(entry)
        else:
            entry.unlink()


def end(place: Place) -> None:
    """The cloud is whole: its mark, then no more a restore's."""
    place.state.chmod(0o711)
    os.sync()  # one for all: a node's journal has thousands of small files
    state_folder.write_mark(place.state)
    (place.state / state_folder.RESTORING).unlink()


def require_room(state: Path, needed: int) -> None:
    """Raise CliError when the disk of the folder has less room than that."""
    near = next(folder for folder in (state, *state.parents) if folder.exists())
    free = shutil.disk_usage(near).free
    if free < needed:
        raise CliError(
            f"{state} needs {needed / 1e9:.2f} GB, and its disk has {free / 1e9:.2f} GB free. Nothing was restored"
        )


class Writing:
    """A file of the folder that is being written: it gets its name when all of it is there.

    Folders on the way are made. No link is followed, and what is made belongs to the owner of the folder around it; but
    the controller's user is the owner, or of the group, when `reader` says so, and all may read what is `readable`.
    `skipped`: it is there already, and stays as it is.
    """

    def __init__(self, place: Place, path: str, *, readable: bool = False, reader: str = "") -> None:
        *folders, self._name = path.split("/")
        self._draft = f".{self._name}.restoring"
        self._folder = os.open(place.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._fd = -1
        for folder in folders:
            inner, is_new = _entered(self._folder, folder)
            if place.whole or is_new:
                place.open_up(inner, readable=readable, reader=reader if is_new else reader and "group")
            os.close(self._folder)
            self._folder = inner
        self.skipped = _there(self._folder, self._name)
        if self.skipped:
            return
        if _there(self._folder, self._draft):
            os.unlink(self._draft, dir_fd=self._folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._draft, flags, 0o600, dir_fd=self._folder)
        _give(self._fd, self._folder)
        place.open_up(self._fd, readable=readable, reader=reader)

    def write(self, data: bytes) -> None:
        """Add to the file, unless it is skipped."""
        rest = memoryview(b"" if self.skipped else data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def close(self) -> None:
        """All is written, and has its name. It is on the disk when `end` returns."""
        if not self.skipped:
            os.close(self._fd)
            os.rename(self._draft, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.close(self._folder)


def _entered(handle: int, name: str) -> tuple[int, bool]:
    """A folder, and whether it was made now."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=handle), False
    except FileNotFoundError:
        os.mkdir(name, 0o700, dir_fd=handle)
        inner = os.open(name, flags, dir_fd=handle)
        _give(inner, handle)
        return inner, True


def _there(handle: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=handle, follow_symlinks=False)
        return True
    except FileNotFoundError:
        return False


def _give(fd: int, folder: int) -> None:
    """To the owner of the folder that it is in."""
    owner = os.fstat(folder)
    if owner.st_uid != os.geteuid() and os.geteuid() == 0:
        os.fchown(fd, owner.st_uid, owner.st_gid)
