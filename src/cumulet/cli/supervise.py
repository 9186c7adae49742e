"""The supervisor: the one background process that starts, restarts and stops the controller and the node.

It is run as ``python -m cumulet.cli.supervise SPEC``, where SPEC is a JSON file that names the children. It
imports little, as every start waits for it, holds ``run/supervisor.lock`` for as long as it lives (that is how
others know that a cloud runs), and reaps whatever its children leave behind (PR_SET_CHILD_SUBREAPER), such
as guests' processes. It must never talk to a child in any way but signals, and must never signal a process
that it did not start.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from cumulet import files
from cumulet.cli.moments import stamp

ALREADY_RUNNING = 3
FINAL = 2
"""Exit status of a child that has said what is wrong with its options or files: trying again would not change that. It
is started again when somebody asks for it (SIGHUP)."""
PASSING = 75
"""What a child ends with, sysexits' EX_TEMPFAIL, when it has said what is wrong and that may pass."""
FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 15.0
STEADY_SECONDS = 30.0
NEVER = float("inf")
LOG_CHECK_SECONDS = 10.0
RESTARTS = "CUMULET_RESTARTS"
"""Tells a child how often it was started again since the supervisor began."""
WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19
_libc = ctypes.CDLL(None, use_errno=True)
_form = "text"  # of our own lines; main() sets it


class Child:
    """One child as the spec names it, and how it is doing.

    `uid` / `gid`: whom it runs as (None: as the supervisor). `binds`: (from, to) folders that it sees
    elsewhere, in a mount namespace of its own. `stop_seconds`: time from SIGTERM to SIGKILL.
    """

    def __init__(self, row: dict[str, Any]) -> None:
        self.name: str = row["name"]
        self.argv: list[str] = row["argv"]
        self.log: str = row["log"]
        self.env: dict[str, str] = row["env"]
        self.uid: int | None = row.get("uid")
        self.gid: int | None = row.get("gid")
        self.binds: list[tuple[str, str]] = row["binds"]
        self.stop_seconds: float = row["stop_seconds"]
        self.pid: int | None = None
        self.started = 0.0
        self.restarts = self.failures = 0
        self.retry_at = 0.0
        self.last_exit: str | None = None


def describe_exit(status: int) -> str:
    """A wait status in words: ``exit 1`` or ``SIGKILL``."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def say(text: str) -> None:
    """One line in the supervisor's log."""
    with suppress(OSError):  # a full disk must not stop the supervisor
        line = f"{stamp(time.time())} {os.getpid()} INFO supervisor {text}"
        if _form == "json":
            found = {"time": stamp(time.time()), "pid": os.getpid(), "level": "INFO", "logger": "supervisor"}
            line = json.dumps(found | {"message": text})
        print(line, file=sys.stderr, flush=True)


def _syscall(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def open_log(path: str) -> int:
    """Open a log for appending, 0600, never through a symbolic link."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


class Keeping(NamedTuple):
    """How logs are kept: the size of a file, of all that one process wrote before it, and days."""

    file_bytes: int
    all_bytes: int
    days: int


def rotate(path: Path, keeping: Keeping, now: float) -> bool:
    """Copy a log that is too large, or of an earlier day (UTC), to a name that ends with the time, and empty it.
    Whether it was. What is then too old or too much goes.

    It is emptied in place because its writers hold it open for appending; a line written between the copy
    and the emptying is lost.
    """
    if not path.exists() or (path.stat().st_size <= keeping.file_bytes and not _of_before(path, now)):
        return False
    when = stamp(now).replace("-", "").replace(":", "")
    target = os.open(f"{path}.{when}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    import shutil  # imported here, where nobody waits

    with path.open("rb") as source, os.fdopen(target, "wb") as copy:
        shutil.copyfileobj(source, copy)
    os.truncate(path, 0)
    oldest = stamp(now - keeping.days * 86_400).replace("-", "").replace(":", "")
    total = 0
    for file in reversed(rotated(path)):
        total += file.stat().st_size
        written = file.name.rpartition(".log.")[2]
        if total > keeping.all_bytes or (len(written) > 1 and written < oldest):
            file.unlink()
    return True


def rotated(path: Path) -> list[Path]:
    """The files that a log was before, the oldest first. Those of earlier versions are called ``.3`` to ``.1``."""
    files = [file for file in path.parent.glob(f"{path.name}.[0-9]*") if not file.is_symlink()]
    return sorted(
        files, key=lambda file: (len(file.suffix) > 2, -int(file.suffix[1:]) if len(file.suffix) == 2 else 0, file.name)
    )


def _of_before(path: Path, now: float) -> bool:
    """Whether the log begins on an earlier day."""
    with path.open("rb") as file:
        day = re.search(r"\d{4}-\d\d-\d\d", file.read(64).decode("utf-8", "replace"))
    return day is not None and day[0] < stamp(now)[:10]


def _become(child: Child) -> NoReturn:
    """In the forked process: turn into the child. Never returns."""
    supervisor = os.getppid()
    os.setsid()
    log, empty = open_log(child.log), os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    confine(child.binds, child.uid, child.gid)
    # After the change of user, which would clear it: when the supervisor is killed, its children end too.
    _syscall(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0), "pdeathsig")
    if os.getppid() != supervisor:
        os._exit(0)
    os.chdir("/")
    os.umask(0o027)
    for number in (signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execve(child.argv[0], child.argv, child.env | {RESTARTS: str(child.restarts)})


def confine(binds: list[tuple[str, str]], uid: int | None, gid: int | None) -> None:
    """Show this process the folders, and let it be that user (None: as before) for good."""
    if binds:
        _bind(binds)
    if uid is not None and gid is not None:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        _syscall(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def _bind(binds: list[tuple[str, str]]) -> None:
    """Show folders at a second place, for this process only; the namespace goes when the process goes."""
    _syscall(_libc.unshare(CLONE_NEWNS), "unshare")
    _syscall(_libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None), "mount --make-rslave /")
    for source, target in binds:
        flags = MS_BIND | MS_REC
        _syscall(_libc.mount(os.fsencode(source), os.fsencode(target), None, flags, None), f"bind {target}")


class Supervisor:
    """Starts the children in the order of the spec and stops them in the opposite order."""

    def __init__(self, run_dir: Path, children: list[Child], keeping: Keeping) -> None:
        self.run_dir = run_dir
        self.children = children
        self.keeping = keeping
        self.started = time.time()
        self.stopping = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        _syscall(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
        with suppress(OSError):  # a full disk: the lock says it, too
            (self.run_dir / "supervisor.pid").write_text(f"{os.getpid()}\n")
        say("started")
        next_log_check = time.monotonic() + LOG_CHECK_SECONDS
        while not self.stopping:
            self._start_due()
            if time.monotonic() >= next_log_check:
                self._rotate_logs()
                next_log_check = time.monotonic() + LOG_CHECK_SECONDS
            self._wait(max(0.0, min(next_log_check, *self._retries()) - time.monotonic()))
        for child in reversed(self.children):
            self._stop(child)
        self._write_state()
        (self.run_dir / "supervisor.pid").unlink(missing_ok=True)
        say("stopped")

    def _retries(self) -> list[float]:
        return [child.retry_at for child in self.children if child.pid is None] or [NEVER]

    def _wait(self, seconds: float) -> None:
        """Sleep until a signal or the time has come; take in what has ended."""
        caught = signal.sigtimedwait(WATCHED, seconds)
        if caught is not None and caught.si_signo in (signal.SIGTERM, signal.SIGINT):
            say(f"{signal.Signals(caught.si_signo).name} from process {caught.si_pid}")
            self.stopping = True
        self._reap()
        if caught is not None and caught.si_signo == signal.SIGHUP:
            self._try_again()

    def _start_due(self) -> None:
        for child in self.children:
            if child.pid is None and time.monotonic() >= child.retry_at:
                self._start(child)

    def _try_again(self) -> None:
        """Start what waits, or was not to be started again."""
        for child in self.children:
            child.restarts += child.retry_at == NEVER
            child.retry_at = min(child.retry_at, time.monotonic())

    def _start(self, child: Child) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                _become(child)
            except BaseException as error:
                os.write(2, f"cannot start {child.name}: {error}\n".encode())
            finally:
                os._exit(127)
        child.pid, child.started = pid, time.time()
        say(f"{child.name} started as process {pid}")
        self._write_state()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children:
                if child.pid == pid:
                    self._ended(child, status)

    def _ended(self, child: Child, status: int) -> None:
        lived = time.time() - child.started
        child.failures = 0 if lived >= STEADY_SECONDS else child.failures + 1
        delay = min(FIRST_RETRY_SECONDS * 2 ** max(0, child.failures - 1), LONGEST_RETRY_SECONDS)
        child.pid, child.last_exit = None, describe_exit(status)
        final = os.waitstatus_to_exitcode(status) == FINAL
        child.retry_at = NEVER if final else time.monotonic() + delay
        if not self.stopping:
            child.restarts += not final
            when = "not again by itself, as its log says why" if final else f"again in {delay:.2f} s"
            say(f"{child.name} ended ({child.last_exit}) after {lived:.1f} s; {when}")
        self._write_state()

    def _stop(self, child: Child) -> None:
        deadline = time.monotonic() + child.stop_seconds
        number = signal.SIGTERM
        while child.pid is not None:
            if number is signal.SIGTERM or time.monotonic() >= deadline:
                os.kill(child.pid, number)
                number = signal.SIGKILL
                deadline = max(deadline, time.monotonic() + 0.1)
            self._wait(max(0.01, deadline - time.monotonic()))

    def _rotate_logs(self) -> None:
        logs = {Path(child.log) for child in self.children} | {self.run_dir.parent / "log" / "supervisor.log"}
        for log in sorted(logs):
            try:
                rotate(log, self.keeping, time.time())
            except OSError as error:
                say(f"cannot rotate {log.name}: {error}")

    def _write_state(self) -> None:
        """``run/supervisor.json`` for `status`, and ``run/<child>.pid``.

        A full disk must not stop the supervisor.
        """
        names = ("name", "pid", "started", "restarts", "last_exit")
        rows = [{name: getattr(child, name) for name in names} for child in self.children]
        state = {"pid": os.getpid(), "started": self.started, "children": rows}
        try:
            for child in self.children:
                pid_file = self.run_dir / f"{child.name}.pid"
                if child.pid is None:
                    pid_file.unlink(missing_ok=True)
                else:
                    pid_file.write_text(f"{child.pid}\n")
            files.put(self.run_dir / "supervisor.json", json.dumps(state), mode=0o644)
        except OSError as error:
            say(f"cannot write my state: {error}")


def hold_lock(run_dir: Path) -> int | None:
    """The descriptor of the lock that says "a supervisor runs here", or None when another one has it."""
    lock = os.open(run_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    for _ in range(50):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            return lock
        except BlockingIOError:
            # Somebody who only asks whether we run holds it for a moment.
            time.sleep(0.02)
    os.close(lock)
    return None


def main(argv: list[str]) -> int:
    """Read the spec, take the lock, go into the background: the caller's process ends with 0 once that is done. In the
    foreground it stays, and ends with who started it.
    """
    global _form
    spec: dict[str, Any] = json.loads(Path(argv[0]).read_text())
    _form = spec.get("log_format", "text")
    run_dir = Path(spec["run_dir"])
    os.umask(0o027)
    lock = hold_lock(run_dir)
    if lock is None:
        return ALREADY_RUNNING
    children = [Child(row) for row in spec["children"]]
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    if spec.get("foreground"):
        _syscall(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0), "pdeathsig")
    elif os.fork() != 0:
        os._exit(0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    Supervisor(run_dir, children, Keeping(**spec["keeping"])).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
