"""Starting, stopping and looking at the processes of one cloud, from the command line's side.

Whether a cloud runs is asked of the supervisor's lock, never of a process number alone, which may have a
new owner. It must never signal a process other than the supervisor.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cumulet.cli import supervise
from cumulet.cli.errors import CliError
from cumulet.config import Settings

CHILDREN = ("controller", "node")
STOP_SECONDS = 45.0
SOURCE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ChildSpec:
    """What to run under the supervisor: `user` None means "as the supervisor".

    `source` is where the child finds the package, and `binds` are the folders that it sees elsewhere.
    """

    name: str
    argv: Sequence[str]
    user: pwd.struct_passwd | None = None
    binds: Sequence[tuple[str, str]] = ()
    source: Path = SOURCE
    stop_seconds: float = 15.0


@dataclass(frozen=True)
class ProcessRow:
    """One process as `status` shows it. `pss_kb` is None when it may not be read."""

    name: str
    pid: int | None
    started: float
    restarts: int
    last_exit: str | None
    pss_kb: int | None

    @property
    def given_up(self) -> bool:
        """Whether it has ended, and the supervisor waits to be told to start it again."""
        return self.pid is None and self.last_exit == f"exit {supervise.FINAL}"


def supervisor_pid(settings: Settings) -> int | None:
    """The running supervisor, or None. Raises CliError when the state folder may not be read."""
    try:
        lock = os.open(settings.run_dir / "supervisor.lock", os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _without_its_lock(settings)
    except PermissionError:
        raise CliError(f"{settings.run_dir} is not yours to read; run this as the user who started the cloud") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(lock)
    finally:
        os.close(lock)
    return None


def _without_its_lock(settings: Settings) -> int | None:
    """A supervisor of this folder whose lock somebody deleted: found by its words, ours or root's."""
    words = f"-m cumulet.cli.supervise {settings.run_dir}/supervise.json"
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid in (0, os.geteuid()):
                pid = int(entry.name)
                if _command(pid, 4).endswith(words):
                    return pid
    return None


def _read_pid(lock: int) -> int:
    """The supervisor empties its lock file when it takes it, and writes its number a moment later."""
    for _ in range(250):
        text = os.pread(lock, 32, 0)
        if text:
            return int(text)
        time.sleep(0.02)
    raise CliError("a supervisor holds its lock but does not come up")


def start(settings: Settings, children: Sequence[ChildSpec], *, foreground: bool = False) -> subprocess.Popen[bytes]:
    """Start the supervisor; returns when it holds its lock. In the foreground it is the process that is returned, and
    ends with ours."""
    rows = []
    for child in children:
        row: dict[str, Any] = {
            "name": child.name,
            "argv": list(child.argv),
            "log": str(settings.log_dir / f"{child.name}.log"),
            "env": _environment(settings, child.user, child.source),
            "binds": list(child.binds),
            "stop_seconds": child.stop_seconds,
        }
        if child.user is not None:
            row |= {"uid": child.user.pw_uid, "gid": child.user.pw_gid}
        rows.append(row)
    spec = {
        "run_dir": str(settings.run_dir),
        "children": rows,
        "keeping": {
            "file_bytes": settings.log_max_mb * 1_000_000,
            "all_bytes": settings.log_keep_mb * 1_000_000,
            "days": settings.log_days,
        },
        "log_format": settings.log_format,
        "log_from": {child.name: _size(settings.log_dir / f"{child.name}.log") for child in children},
        "foreground": foreground,
    }
    spec_file = settings.run_dir / "supervise.json"
    spec_file.write_text(json.dumps(spec, indent=1))
    log = supervise.open_log(str(settings.log_dir / "supervisor.log"))
    try:
        started = subprocess.Popen(
            [sys.executable, "-m", "cumulet.cli.supervise", str(spec_file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(settings, None, SOURCE),
            start_new_session=True,
        )
    finally:
        os.close(log)
    while foreground and started.poll() is None and supervisor_pid(settings) != started.pid:
        time.sleep(0.005)
    done = None if foreground and started.poll() is None else started.wait()
    if done not in (None, 0, supervise.ALREADY_RUNNING):
        raise CliError(f"the supervisor did not start:\n{log_tail(settings, 'supervisor')}")
    return started


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def begin(settings: Settings, child: ChildSpec) -> subprocess.Popen[str]:
    """Start a process that ends by itself, as the child's user and where it sees the child's folders. Its standard
    output is a pipe, and so is its standard error."""
    user = child.user
    return subprocess.Popen(
        list(child.argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env=_environment(settings, user, child.source),
        # `up` has threads by then, but what runs in the fork takes no lock of Python's own.
        preexec_fn=partial(  # noqa: PLW1509
            supervise.confine, list(child.binds), user and user.pw_uid, user and user.pw_gid
        ),
    )


def _environment(settings: Settings, user: pwd.struct_passwd | None, source: Path) -> dict[str, str]:
    """What the processes see of our environment: little, and no credentials of whoever types `up`."""
    env = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    env |= {"PYTHONPATH": str(source), "PYTHONSAFEPATH": "1"}
    env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env["HOME"] = str(settings.state) if user is not None else os.environ.get("HOME", "/")
    return env


def stop(settings: Settings) -> bool:
    """Stop the supervisor and wait for it; False when none ran. Raises CliError when it does not end."""
    pid = supervisor_pid(settings)
    if pid is None:
        return False
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if supervisor_pid(settings) == pid:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
    except PermissionError:
        raise CliError(f"process {pid} is another user's; run this as the user who started the cloud") from None
    finally:
        os.close(handle)
    deadline = time.monotonic() + STOP_SECONDS
    while supervisor_pid(settings) is not None:
        if time.monotonic() > deadline:
            raise CliError(f"the supervisor (process {pid}) has not ended after {STOP_SECONDS:.0f} s")
        time.sleep(0.03)
    return True


def start_again(settings: Settings) -> bool:
    """Have the supervisor start what it had given up, as its options or files were wrong; whether there was any."""
    given_up = {row.name: row.restarts for row in rows(settings, memory=False) if row.given_up}
    pid = supervisor_pid(settings)
    if not given_up or pid is None:
        return False
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + 5
    while any(row.restarts == given_up.get(row.name) for row in rows(settings, memory=False)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return True


def rows(settings: Settings, *, memory: bool = True) -> list[ProcessRow]:
    """The supervisor and its children; empty when the cloud is down. `memory`: with theirs, which takes the kernel a
    while to count.

    The lock says whether the supervisor runs and the kernel which children it has. Its file only adds how often each
    was started again: it may be old when the disk is full, or gone.
    """
    pid = supervisor_pid(settings)
    if pid is None:
        return []
    try:
        state = json.loads((settings.run_dir / "supervisor.json").read_text())
    except (OSError, ValueError):
        state = {}
    noted = {row["name"]: row for row in state["children"]} if state.get("pid") == pid else {}
    started = [child for task in _tasks(pid) for child in task]
    living = _living(started)
    found = [ProcessRow("supervisor", pid, _began(pid), 0, None, pss_kb(pid) if memory else None)]
    for name in CHILDREN:
        row = noted.get(name, {})
        child = living.get(name) or (row.get("pid") if row.get("pid") in started else None)
        began = _began(child) if child else row.get("started", 0.0)
        pss = pss_kb(child) if child and memory else None
        found.append(ProcessRow(name, child, began, row.get("restarts", 0), row.get("last_exit"), pss))
    return found


def _living(started: Sequence[int]) -> dict[str, int]:
    """Those of a supervisor's children whose words say which they are, by name."""
    named = {child: f"{_command(child, 6)} " for child in started}
    return {name: child for name in CHILDREN for child, words in named.items() if f" {name} " in words}


def _tasks(pid: int) -> list[list[int]]:
    """For each thread of a process, the processes that it started."""
    try:
        return [
            [int(child) for child in (task / "children").read_text().split()]
            for task in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return []


def _began(pid: int) -> float:
    """When a process was started, in seconds since 1970 by the clock as it is now; 0 when it has ended."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def pss_kb(pid: int) -> int | None:
    """Memory of a process and of those it started, shared pages counted in parts (kB); None when not
    readable.
    """
    total = None
    for each in [pid, *_descendants(pid)]:
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        values = [int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")]
        total = (total or 0) + sum(values)
    return total


def _descendants(pid: int) -> list[int]:
    """Workers only: the supervisor's own children are listed by themselves, and guests are not ours to
    count.
    """
    if _command(pid).endswith("cumulet.cli.supervise"):
        return []
    found: list[int] = []
    for task in _tasks(pid):
        for child in task:
            found += [child, *_descendants(child)]
    return found


def _command(pid: int, words_wanted: int = 3) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(os.fsdecode(word) for word in words[:words_wanted])


def guests(settings: Settings) -> int:
    """Running guests of this cloud: QEMU processes whose command names our state folder."""
    count = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        count += b"qemu-system-" in command[:200] and os.fsencode(settings.state) + b"/" in command
    return count


def log_tail(settings: Settings, name: str, lines: int = 15) -> str:
    """The end of what a process logged since the cloud was started, indented, each line once."""
    path = settings.log_dir / f"{name}.log"
    try:
        begun = int(json.loads((settings.run_dir / "supervise.json").read_text())["log_from"].get(name, 0))
    except (OSError, ValueError, KeyError):
        begun = 0
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(0, begun if begun <= size else 0, size - 20_000))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"    ({path}: {error.strerror})"
    once = {_untimed(line): line for line in text.splitlines() if line.strip()}
    return "\n".join(f"    {line}" for line in [*once.values()][-lines:]) or f"    ({path} says nothing)"


def ended(settings: Settings) -> str:
    """How a cloud that is down came to its end, as the supervisor's log has it; empty when it has nothing."""
    try:
        lines = (settings.log_dir / "supervisor.log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    at = lines[-1].partition(" ")[0] if lines else ""
    if not at.endswith("Z"):
        return ""
    if lines[-1].endswith(" stopped"):
        return f"it was stopped at {at}"
    return f"its supervisor was killed, or the machine went down, after {at}"


def last_words(settings: Settings, name: str) -> str:
    """Why a process ended, in one line: its own sentence, or the end of a traceback. Empty when it said nothing."""
    said = [line.strip() for line in log_tail(settings, name, 40).splitlines()]
    own = [line.removeprefix(f"{name}: ") for line in said if line.startswith(f"{name}: ")]
    return own[-1] if own else next((line for line in reversed(said) if not line.startswith("(")), "")


def _untimed(line: str) -> str:
    """A line without the time and process number at its beginning, to know it again."""
    return re.sub(r"^[\d-]{10}[ T][\d:.,]{8,}Z? \d+ ", "", line)
