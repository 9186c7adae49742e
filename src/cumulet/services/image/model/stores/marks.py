"""Whose a folder of images is: a mark in it, which names each cloud that uses it and what that one calls the store.

What no row of a cloud names may be another cloud's image. So a cloud moves such a file only in a folder that bore its
mark, and nobody else's, before it started, while no other controller has the folder open. A second cloud is refused,
unless the operator says that the folder is shared; then both are in the mark, and neither moves what it does not know.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

NAME = ".cumulet-store"
LOCK = ".cumulet-store.lock"
_MOST = 1 << 16


class MarkError(ValueError):
    """The folder is not this cloud's to use. The text names it and says what to do."""


@dataclass
class Claim:
    """A cloud's hold on a folder. `settled`: the mark was there before and names nobody else, and no other controller
    has the folder open. `problem`: why there is no mark, though the folder can be used. `lock` is held as long as the
    claim lives."""

    settled: bool
    problem: str = ""
    lock: int | None = field(default=None, repr=False)

    def __del__(self) -> None:
        if self.lock is not None:
            os.close(self.lock)


def claim(folder: Path, cloud: str, store: str, shared: bool = False) -> Claim:
    """Take the folder for the store of that name of the cloud. Raises MarkError."""
    found = read(folder)
    try:
        before = found if found is not None else _first(folder, {cloud: store})
        if before is not None:
            _require_ours(folder, before, cloud, store, shared=shared)
            if cloud not in before:
                _write(folder, {**before, cloud: store})
        lock, alone = _opened(folder)
    except OSError as error:
        reason = f"{folder} cannot be marked as this cloud's ({error.strerror}); nothing that it does not know is moved"
        return Claim(False, reason)
    return Claim(alone and not shared and found is not None and list(found) == [cloud], "", lock)


def settle(folder: Path, cloud: str, store: str) -> None:
    """The folder is this cloud's alone from now on, whoever was in its mark. Raises OSError."""
    _write(folder, {cloud: store})


def read(folder: Path) -> dict[str, str] | None:
    """Cloud → what it calls the store; None in a folder without a mark. Raises MarkError for a damaged one."""
    path = folder / NAME
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MarkError(f"{path} cannot be read: {error.strerror}. It says which cloud's images these are") from None
    try:
        text = os.read(fd, _MOST) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
    try:
        clouds = {str(one["cloud"]): str(one["store"]) for one in json.loads(text)["clouds"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        clouds = {}
    if not clouds:
        raise MarkError(
            f"{path} is damaged: it should say which cloud's images these are. Put it back, or delete it when no other "
            "cloud uses the folder"
        )
    return clouds


def _require_ours(folder: Path, before: Mapping[str, str], cloud: str, store: str, *, shared: bool) -> None:
    named = before.get(cloud)
    if named not in (None, store):
        raise MarkError(
            f"{folder} holds the images of this cloud's store {named}, not {store}: its rows know them by that name. "
            f"Call the store {named} again, or delete {folder / NAME} when no image lies there"
        )
    if named is None and not shared:
        others = ", ".join(before)
        raise MarkError(
            f"{folder} holds the images of another cloud ({others}). To use it beside that one: cumulet up --shared, "
            f"or shared = true for the store in image.toml. When that cloud is gone for good, delete {folder / NAME}"
        )


def _first(folder: Path, clouds: Mapping[str, str]) -> dict[str, str] | None:
    """Mark a folder that bears no mark; the mark of whoever was faster, if somebody was. Raises OSError."""
    draft = _draft(folder, clouds)
    try:
        os.link(draft, folder / NAME)
    except FileExistsError:
        return read(folder)
    except PermissionError:  # a file system without links
        os.rename(draft, folder / NAME)
    finally:
        draft.unlink(missing_ok=True)
    return None


def _write(folder: Path, clouds: Mapping[str, str]) -> None:
    _draft(folder, clouds).rename(folder / NAME)


def _draft(folder: Path, clouds: Mapping[str, str]) -> Path:
    draft = folder / f"{NAME}.{os.getpid()}.{os.urandom(4).hex()}"
    text = json.dumps({"clouds": [{"cloud": cloud, "store": store} for cloud, store in clouds.items()]}, indent=1)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(fd)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _opened(folder: Path) -> tuple[int, bool]:
    """The lock of who has the folder open, held with the others that have; and whether there are none. Raises
    OSError."""
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    except OSError:  # a file system without locks: nobody knows
        return fd, False
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd, alone
