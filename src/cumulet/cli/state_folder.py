"""The state folder: everything one cloud remembers, who owns which part of it, and how it goes away.

The folder itself, ``run`` and ``log`` belong to whoever starts the cloud (root, with a real hypervisor);
``db``, ``images…`` and ``secrets`` belong to the controller's user, who must never be able to make root
follow a link of his. It must never touch a folder that is not marked as a Cumulet state folder.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import secrets
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cumulet.cli import machine
from cumulet.cli.errors import CliError
from cumulet.config import DATABASE_URL, OF_SIMULATED, SECRETS, SIMULATION_FILE, check_database_url
from cumulet.node import trees

MARKER = ".cumulet"
MARKER_TEXT = "This folder is a Cumulet state folder (format 1).\n"
LOCK = ".lock"
OF_THE_FILE_SYSTEM = "lost+found"
RESTORING = ".restoring"
"""Lies in a folder for as long as a restore has not come to its end there."""
_OWN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
# Mode, and whether the controller's user owns it.
FOLDERS = {
    "run": (0o750, False),
    "log": (0o750, False),
    "node": (0o711, False),
    "cache": (0o711, False),
    "db": (0o700, True),
    "images": (0o700, True),
    "images-staging": (0o700, True),
    "images-cache": (0o700, True),
    "secrets": (0o700, True),
    "audit": (0o700, True),
    "snapshots": (0o700, True),
}


def is_state_folder(state: Path) -> bool:
    """Whether Cumulet made this folder (and not a link to one)."""
    try:
        return not state.is_symlink() and (state / MARKER).read_text(encoding="utf-8") == MARKER_TEXT
    except (OSError, UnicodeDecodeError):
        return False


def create(state: Path) -> None:
    """Make the folder and its mark.

    Raises CliError when something else lives there, when it is a link or another user's, or when it cannot be written.
    """
    if state.is_symlink():
        raise CliError(f"{state} is a symbolic link; give the folder that it leads to: --state {state.resolve()}")
    try:
        state.mkdir(mode=0o711, parents=True, exist_ok=True)
        check_owner(state)
        if (state / RESTORING).exists():
            raise CliError(f"a restore into {state} is at work, or was cut off: run the same cumulet restore again")
        if not is_state_folder(state):
            # Another `up` may be at work on it: its mark comes first, so whoever sees anything else sees that, too.
            foreign = any(not _may_come_first(entry.name) for entry in state.iterdir())
            if foreign and not is_state_folder(state):
                raise CliError(f"{state} is not empty and not a Cumulet state folder; choose another with --state")
            state.chmod(0o711)
            write_mark(state)
    except (FileExistsError, NotADirectoryError):
        raise CliError(f"{state} is a file; --state wants a folder") from None
    except OSError as error:
        raise CliError(_not_ours(state) or f"cannot make the state folder {state}: {error.strerror}") from error


def _not_ours(state: Path) -> str | None:
    """The sentence for a user other than root who came upon root's folder, or into one of root's."""
    if os.geteuid() == 0:
        return None
    place = next(each for each in (state, *state.parents) if each.exists())
    if place.stat().st_uid != 0:
        return None
    own = "For one of your own: --state ~/cumulet"
    return f"{state} is root's cloud. {own}" if place == state else f"only root can make {state}. {own}"


def check_may_end(state: Path) -> None:
    """Raise CliError when the cloud in `state` is another user's to end, or when it is a file."""
    if state.is_file():
        raise CliError(f"{state} is a file; --state wants a folder")
    owner = state.stat().st_uid
    if os.geteuid() not in (0, owner):
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"the user {owner}"
        only = "only root" if owner == 0 else f"only {name}, or root,"
        raise CliError(f"{state} belongs to {name}; {only} may end it")


def write_mark(state: Path) -> None:
    """From now on the folder is a Cumulet state folder."""
    made = state / f"{MARKER}.{os.getpid()}"
    made.write_text(MARKER_TEXT, encoding="utf-8")
    made.replace(state / MARKER)


def check_owner(state: Path) -> None:
    """Root does what the files in here say: who has the folder, or may put another one in its place, would be root."""
    if os.geteuid() != 0:
        return
    place = state.absolute()
    if place.lstat().st_uid != 0:
        raise CliError(f"{state} is another user's: start its cloud as that user, or choose another with --state")
    for folder in place.parents:
        found = folder.stat()
        if found.st_mode & 0o002 and not found.st_mode & stat.S_ISVTX:
            raise CliError(f"everybody may replace {state}, as {folder} is open to all; choose another with --state")


def _may_come_first(name: str) -> bool:
    """What may lie in a state folder before its mark: the lock, a mark that is being written, how simulated hosts shall
    be, and what a file system has at its root."""
    return name in (LOCK, SIMULATION_FILE, OF_THE_FILE_SYSTEM) or name.startswith(f"{MARKER}.")


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the folder's lock: one `up` or `down` at a time. Waits for the other one."""
    while True:
        try:
            lock = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            text = _not_ours(state) or f"{state} is another user's cloud; only that user, or root, may change it"
            raise CliError(text) from error
        except OSError as error:
            raise CliError(f"cannot open {state / LOCK}: {error.strerror}") from error
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(state / LOCK)):
                break
        # A purge took the folder away while we waited.
        os.close(lock)
        create(state)
    try:
        yield
    finally:
        os.close(lock)


def furnish(state: Path, owner: pwd.struct_passwd | None, *, node_too: bool = False) -> None:
    """Make the folders and the secrets that are missing. `owner`: the controller's user, None for ourselves.

    `node_too`: the node runs as that user as well (simulated hosts, whose clouds have secrets of their own, too).
    """
    for name, (mode, controllers) in FOLDERS.items():
        theirs = controllers or (node_too and name == "node")
        folder = state / name
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise CliError(f"{folder} is a symbolic link; a state folder has none")
        folder.chmod(mode)
        if owner is None:
            continue
        is_theirs = folder.lstat().st_uid == owner.pw_uid
        if theirs and not is_theirs:
            _hand_over(folder, owner)
        elif is_theirs and not theirs and owner.pw_uid != os.geteuid():
            # As a node of simulated hosts leaves its own; what he put there, root would work on.
            raise CliError(f"{folder} belongs to the user {owner.pw_name}; give it back to root, or start afresh")
    for name in (*SECRETS, *(OF_SIMULATED if node_too else ())):
        _make_secret(state / "secrets", name, owner)


def make_store_folders(state: Path, owner: pwd.struct_passwd | None) -> None:
    """Make the folders that image stores have in the state folder, where only its owner may. What is wrong with the
    declaration the controller says."""
    try:
        declared = tomllib.loads((state / "image.toml").read_text(encoding="utf-8")).get("stores")
    except (OSError, ValueError):
        return
    for db in declared.values() if isinstance(declared, dict) else ():
        name = db.get("folder") if isinstance(db, dict) and db.get("type") == "file" else None
        if isinstance(name, str) and _OWN_NAME.fullmatch(name) and not os.path.lexists(state / name):
            (state / name).mkdir(mode=0o700)
            if owner is not None:
                os.chown(state / name, owner.pw_uid, owner.pw_gid)


def _hand_over(folder: Path, owner: pwd.struct_passwd) -> None:
    """Give a folder and all in it to `owner`, without following links."""
    for _, _, files, handle in os.fwalk(folder, follow_symlinks=False):
        for name in files:
            os.chown(name, owner.pw_uid, owner.pw_gid, dir_fd=handle, follow_symlinks=False)
        os.fchown(handle, owner.pw_uid, owner.pw_gid)


def keep_database_url(state: Path, owner: pwd.struct_passwd | None, url: str) -> None:
    """Keep the URL of the database, instead of the one before. Raises ConfigError for what is none."""
    check_database_url(url)
    write_secret(state / "secrets", DATABASE_URL, owner, url)


def replace_secret(state: Path, name: str, text: str) -> None:
    """Put a secret in the place of the one before, in one step, as its owner's: whoever reads sees either, whole."""
    folder = state / "secrets"
    user = pwd.getpwuid(folder.lstat().st_uid) if os.geteuid() == 0 and folder.lstat().st_uid != 0 else None
    write_secret(folder, name, user, text)


def _make_secret(folder: Path, name: str, owner: pwd.struct_passwd | None) -> None:
    """A random secret, unless it is there."""
    with suppress(FileNotFoundError):
        if stat.S_ISREG((folder / name).lstat().st_mode):
            return
    write_secret(folder, name, owner, secrets.token_urlsafe(24 if name.endswith("password") else 32))


def write_secret(folder: Path, name: str, owner: pwd.struct_passwd | None, text: str) -> None:
    """A file of mode 0600: written aside and put in place, so that half of one is never read."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        draft = f".{name}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=handle), "w") as file:
            file.write(text + "\n")
            if owner is not None:
                os.fchown(file.fileno(), owner.pw_uid, owner.pw_gid)
        os.replace(draft, name, src_dir_fd=handle, dst_dir_fd=handle)
    finally:
        os.close(handle)


def delete(state: Path) -> bool:
    """Delete a state folder, its mark last, so that an interrupted purge can be done again. False: it is a mount point,
    is empty now and stays."""
    if not is_state_folder(state):
        raise CliError(f"{state} is not a Cumulet state folder; nothing was deleted")
    place = state.resolve()
    points = {point for point in machine.mount_points() if point.is_relative_to(place)}
    mounted = sorted(str(point) for point in points - {place})
    if mounted:
        # What is mounted there may be anything, and deleting would go into it.
        raise CliError(f"unmount {', '.join(mounted)} first; nothing was deleted")
    for entry in sorted(state.iterdir()):
        if entry.name in (MARKER, LOCK) or (entry.name == OF_THE_FILE_SYSTEM and place in points):
            continue
        if entry.is_dir() and not entry.is_symlink():
            trees.remove(entry)
        else:
            entry.unlink()
    (state / LOCK).unlink(missing_ok=True)
    (state / MARKER).unlink()
    if place in points:
        return False
    state.rmdir()
    return True
