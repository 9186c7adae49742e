"""Runs a command on untrusted input with bounds: memory, processor time, file size, wall clock, rights.

Must never run a command through a shell, and never without a time limit.
"""

from __future__ import annotations

import subprocess

from msgspec import Struct

from cumulet.node import users

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class Bounds(Struct, frozen=True):
    """Limits of one command: bytes of address space and of any file written, seconds of CPU and of wall clock.

    `strange`: what it reads may be made to break it, so that it has no network either, and leaves no process behind
    that could write into its file after that was checked."""

    memory_bytes: int = 1 << 30
    cpu_s: int = 60
    wall_s: float = 120
    file_bytes: int | None = None
    strange: bool = True


class CommandFailed(Exception):
    """The command ended badly or hit a bound; `text` is what it said (for operators)."""

    def __init__(self, command: str, code: int | None, text: str) -> None:
        super().__init__(f"{command}: {'timed out' if code is None else f'exit {code}'}: {text[:500]}")
        self.code = code
        self.text = text


def run(arguments: list[str], bounds: Bounds, user: users.User | None = None) -> bytes:
    """Standard output of the command, run as `user` without any right (None: as we are). Raises CommandFailed.

    prlimit sets the limits in the child itself: a `preexec_fn` is not safe in a process with threads.
    """
    limits = [f"--as={bounds.memory_bytes}", f"--cpu={bounds.cpu_s}", "--core=0"]
    if bounds.file_bytes is not None:
        limits.append(f"--fsize={bounds.file_bytes}")
    rights = [] if user is None else users.dropped(user, alone=bounds.strange)
    command = [*rights, "prlimit", *limits, "--", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=bounds.wall_s, stdin=subprocess.DEVNULL, check=False, cwd="/",
            env=_ENVIRONMENT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(arguments[0], None, f"after {bounds.wall_s} s") from late
    except OSError as error:
        raise CommandFailed(arguments[0], 127, str(error)) from error
    if done.returncode != 0:
        raise CommandFailed(arguments[0], done.returncode, done.stderr.decode(errors="replace").strip())
    return done.stdout
