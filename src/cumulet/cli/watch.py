"""Runs the operator's command when what is wrong with the cloud changes: the option ``on_problem``.

A process of its own beside the controller and the node, so that it sees them die; it looks as `status` does. A change
counts when two looks agree on it. The command gets JSON on standard input and nothing else of what we know; started by
root it is run as ``nobody``, because what it is told repeats texts of nodes and requests, and sending them on takes no
rights.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import re
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from cumulet.cli import status, supervise
from cumulet.cli.errors import CliError
from cumulet.config import ConfigError, Settings

log = logging.getLogger("cumulet.watch")

LOOK_S = 15.0
FIRST_LOOK_S = 30.0
"""After the start: a cloud that comes up is not broken."""
LIMIT_S = 30.0
"""What the command may take."""
RETRY_S = 300.0
"""After a command that failed, until the same change is told again."""
NOBODY = 65534
_NUMBER = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|(?<![\w.-])\d[\d.,:]*(?![\w-])")
"""Numbers that are words of their own, and moments, such as when a host was last seen."""

Row = dict[str, Any]


class Changes:
    """What has been told, and what is to be told next."""

    def __init__(self) -> None:
        self._told: dict[str, Row] = {}
        self._last: set[str] = set()
        self._next: dict[str, Row] = {}

    def look(self, found: list[Row]) -> tuple[list[Row], list[Row]]:
        """(new, gone) of what this look and the last one agree on."""
        rows = {_key(row): row for row in found}
        new = [row for key, row in rows.items() if key in self._last and key not in self._told]
        gone = [row for key, row in self._told.items() if key not in rows and key not in self._last]
        self._next = {key: row for key, row in self._told.items() if key in rows or key in self._last}
        self._next |= {_key(row): row for row in new}
        self._last = set(rows)
        return new, gone

    def told(self) -> None:
        """The last answer has been told."""
        self._told = self._next


def _key(row: Row) -> str:
    """One problem, whatever its numbers are at the moment."""
    return f"{row['code']} {_NUMBER.sub('#', row['sentence'])}"


def run(settings: Settings) -> int:
    """Look until SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    command, changes, not_before = shlex.split(settings.on_problem), Changes(), 0.0
    time.sleep(FIRST_LOOK_S)
    while True:
        try:
            found = status.gather(settings)["details"]
        except (CliError, ConfigError, OSError) as error:
            found = [{"code": "check-failed", "sentence": f"the cloud cannot be looked at: {error}", "advice": ""}]
        new, gone = changes.look(found)
        if (new or gone) and time.monotonic() >= not_before:
            if tell(command, {"state": str(settings.state), "new": new, "gone": gone, "problems": found}):
                changes.told()
            else:
                not_before = time.monotonic() + RETRY_S
        time.sleep(LOOK_S)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def tell(command: list[str], message: dict[str, Any], limit_s: float = LIMIT_S) -> bool:
    """Run the command with `message` on its standard input; whether it ended with 0 in time."""
    started = None
    try:
        started = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/"},
            start_new_session=True,
            preexec_fn=partial(supervise.confine, [], *_user()),  # noqa: PLW1509 - this process has one thread
        )
        started.communicate(json.dumps(message).encode() + b"\n", timeout=limit_s)
    except subprocess.TimeoutExpired:
        log.error("on_problem: %s has not ended after %.0f s", command[0], limit_s)
        return False
    except (OSError, subprocess.SubprocessError) as error:
        log.error("on_problem: cannot run %s: %s", command[0], error)
        return False
    finally:
        if started is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(started.pid, signal.SIGKILL)  # and whatever it left behind
            started.wait()
    if started.returncode:
        log.error("on_problem: %s ended with %d", command[0], started.returncode)
    else:
        log.info("on_problem: %s was told of %d new and %d gone", command[0], len(message["new"]), len(message["gone"]))
    return started.returncode == 0


def _user() -> tuple[int | None, int | None]:
    """Whom the command runs as: nobody instead of root, else ourselves."""
    if os.geteuid() != 0:
        return None, None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return NOBODY, NOBODY
    return nobody.pw_uid, nobody.pw_gid
