"""`cumulet up --foreground`: what `up` does when it stays, as the first process of a container does.

The logs of the cloud's processes go to standard output, each line with the process's name. SIGTERM or SIGINT ends the
cloud, and the cloud's end ends us. Whatever is left to us as process 1 is reaped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from cumulet.cli import processes
from cumulet.cli.errors import CliError
from cumulet.config import Settings

LOOK_S = 0.2
"""Between two looks at the logs."""


class Log:
    """A log that is read as it grows, from `offset` on; one that was rotated is read from its beginning."""

    def __init__(self, path: Path, offset: int) -> None:
        self.path = path
        self._offset = offset
        self._rest = b""

    def lines(self) -> list[str]:
        """Whole lines that have come since the last look."""
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]


def logs(settings: Settings, *, from_end: bool) -> dict[str, Log]:
    """The logs of the cloud's processes by their names."""
    found = {}
    for name in ("supervisor", *processes.CHILDREN):
        path = settings.log_dir / f"{name}.log"
        found[name] = Log(path, path.stat().st_size if from_end and path.exists() else 0)
    return found


def stay(settings: Settings, supervisor: subprocess.Popen[bytes], following: dict[str, Log]) -> int:
    """Until the cloud ends: 0 when we were told to end it. Raises CliError when it ended by itself."""
    told: list[int] = []

    def tell(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    while not told and not _ended(supervisor):
        _show(following)
        signal.sigtimedwait({signal.SIGCHLD}, LOOK_S)
    if told:
        processes.stop(settings)
    _ended(supervisor)
    _show(following)
    if not told:
        raise CliError(f"the supervisor ended:\n{processes.log_tail(settings, 'supervisor')}")
    return 0


def _ended(supervisor: subprocess.Popen[bytes]) -> bool:
    """Whether the supervisor has; reaps it, and whatever else has become ours."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False
        if pid == supervisor.pid:
            supervisor.returncode = os.waitstatus_to_exitcode(status)
            return True


def _show(following: dict[str, Log]) -> None:
    for name, log in following.items():
        for line in log.lines():
            print(f"{name}: {line}")
    sys.stdout.flush()
