"""The one place of the network parts that runs commands: argument lists, a time-out, one kind of error.

Never a shell, never an inherited environment, never input that could become another argument: whatever made an
argument or an input, one with a control character is refused before anything runs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from msgspec import Struct

from cumulet import files
from cumulet.desired import texts

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
RUNTIME = Path("/run/cumulet")


class NodeError(Exception):
    """A part of the network could not be brought into the wanted state."""


class NodeCommandError(NodeError):
    """A command failed or took too long. `stderr` is what it said; the message is for operators, not
    tenants."""

    def __init__(self, arguments: Sequence[str], returncode: int | None, stderr: str) -> None:
        self.arguments = list(arguments)
        self.returncode = returncode
        self.stderr = stderr.strip()
        outcome = "timed out" if returncode is None else f"exit {returncode}"
        super().__init__(f"{' '.join(arguments)}: {outcome}: {self.stderr[:2000]}")


class Done(Struct, frozen=True):
    """What a finished command left."""

    returncode: int
    stdout: str
    stderr: str


def run(
    *arguments: str,
    stdin: str | None = None,
    netns: str | None = None,
    check: bool = True,
    timeout_s: float = 15,
) -> Done:
    """Run a command, in the named namespace when given. NodeCommandError on time-out, or on failure if
    `check`; ValueError for an argument that is not printable, or an input with control characters."""
    command = (["ip", "netns", "exec", netns] if netns else []) + list(arguments)
    for argument in command:
        if not argument.isprintable():
            raise ValueError(f"an argument with a control character: {texts.shown(argument)}")
    if stdin is not None and not texts.plain(stdin):
        raise ValueError(f"an input of {arguments[0]} with a control character")
    try:
        done = subprocess.run(
            command,
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=_ENVIRONMENT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NodeCommandError(command, None, f"after {timeout_s} s") from error
    except OSError as error:
        raise NodeCommandError(command, 127, str(error)) from error
    if check and done.returncode != 0:
        raise NodeCommandError(command, done.returncode, done.stderr or done.stdout)
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def machine_lock(name: str) -> Iterator[None]:
    """Hold a lock that all clouds of this machine share, for reading and rewriting what they share."""
    readable_folder(RUNTIME)
    descriptor = os.open(RUNTIME / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def drop_locks() -> None:
    """Remove the lock files and their folder when no cloud has anything left beside them."""
    try:
        left = list(RUNTIME.iterdir())
        if all(each.suffix == ".lock" for each in left):
            for each in left:
                each.unlink(missing_ok=True)
            RUNTIME.rmdir()
    except OSError:
        # Another cloud has just come or gone; what is left is its to remove.
        return


def readable_folder(place: Path) -> None:
    """Make a folder below `RUNTIME` that programs without root can enter, whatever this process's umask is."""
    place.mkdir(parents=True, exist_ok=True)
    for folder in (place, *place.parents):
        if folder == RUNTIME or RUNTIME in folder.parents:
            folder.chmod(0o755)


def write_whole(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write a file so that readers see the old or the new text, never a part. False when it already said
    so."""
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        pass
    files.put(path, text, mode=mode)
    return True
