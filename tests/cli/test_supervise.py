"""The supervisor: real processes in a state folder of the test's own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cumulet.cli import processes, readiness, supervise
from cumulet.cli.errors import CliError
from cumulet.cli.problems import Seen, running
from cumulet.cli.processes import ChildSpec
from cumulet.cli.progress import Progress
from cumulet.config import Settings

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    found = Settings.resolve(tmp_path / "state", {}, {})
    found.run_dir.mkdir(parents=True)
    found.log_dir.mkdir()
    yield found
    processes.stop(found)


def child(name: str, code: str, stop_seconds: float = 5.0) -> ChildSpec:
    return ChildSpec(name, [sys.executable, "-c", code], stop_seconds=stop_seconds)


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def row(settings: Settings, name: str) -> processes.ProcessRow:
    return next(row for row in processes.rows(settings) if row.name == name)


def is_up(settings: Settings, name: str) -> bool:
    return any(row.name == name and row.pid for row in processes.rows(settings))


def gone(pid: int | None) -> bool:
    assert pid
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_killed_child_is_started_again(settings: Settings) -> None:
    processes.start(settings, [child("controller", SLEEP), child("node", SLEEP)])
    until(lambda: is_up(settings, "node"))
    before, other = row(settings, "controller"), row(settings, "node")
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: row(settings, "controller").pid not in (None, before.pid))
    after = row(settings, "controller")
    assert (after.restarts, after.last_exit) == (1, "SIGKILL")
    assert row(settings, "node").pid == other.pid
    file = settings.run_dir / "controller.pid"  # written a moment after the row
    until(lambda: file.exists() and file.read_text().strip() == str(after.pid))


def test_a_child_that_keeps_ending_is_retried_ever_more_slowly(settings: Settings) -> None:
    processes.start(settings, [child("controller", "import sys; sys.exit(7)")])
    until(lambda: row(settings, "controller").restarts >= 2 if processes.rows(settings) else False)
    log = (settings.log_dir / "supervisor.log").read_text()
    assert "(exit 7)" in log
    assert "again in 0.25 s" in log
    assert "again in 0.50 s" in log


def test_a_child_that_says_what_is_wrong_is_not_started_until_it_is_asked_for(settings: Settings) -> None:
    mended = settings.run_dir / "mended"
    told = (
        f"import pathlib, sys, time\nif pathlib.Path({str(mended)!r}).exists(): time.sleep(600)\n"
        "print('controller: no such card', flush=True)\nsys.exit(2)"
    )
    processes.start(settings, [child("controller", told), child("node", SLEEP)])
    until(lambda: processes.rows(settings) and row(settings, "controller").given_up)
    seen = Seen(settings, processes.rows(settings))
    found = next(problem for problem in running.check(seen) if problem.code == "process-down")
    assert found.sentence == "the controller is not running: no such card" and " up" in found.advice
    assert "again in" not in (settings.log_dir / "supervisor.log").read_text()
    with pytest.raises(CliError, match=r"the controller does not start: no such card$"):
        readiness.wait_for_apis(settings, Progress())
    assert processes.start_again(settings)
    until(lambda: row(settings, "controller").restarts == 1 and row(settings, "controller").given_up)
    assert (settings.log_dir / "controller.log").read_text().count("no such card") == 2
    mended.touch()
    assert processes.start_again(settings) and not processes.start_again(settings)
    assert row(settings, "controller").pid
    readiness._still_alive(settings, {})  # why it ended before is no reason any more
    assert row(settings, "node").restarts == 0


def test_stop_ends_children_in_the_opposite_order(settings: Settings) -> None:
    tell = (
        "import signal, sys, time\n"
        "def end(*_): print(sys.argv[1], time.monotonic_ns(), flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"
    )
    specs = [ChildSpec(name, [sys.executable, "-c", tell, name]) for name in ("controller", "node")]
    processes.start(settings, specs)
    logs = {name: settings.log_dir / f"{name}.log" for name in ("controller", "node")}
    until(lambda: all(log.exists() and "ready" in log.read_text() for log in logs.values()))
    pids = [row.pid for row in processes.rows(settings)]
    assert processes.stop(settings)
    assert all(gone(pid) for pid in pids)
    ended = {name: int(log.read_text().split()[-1]) for name, log in logs.items()}
    assert ended["node"] < ended["controller"]
    assert processes.supervisor_pid(settings) is None
    assert not list(settings.run_dir.glob("*.pid"))
    assert processes.stop(settings) is False


def test_a_child_that_will_not_stop_is_killed(settings: Settings) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
    processes.start(settings, [child("node", deaf, stop_seconds=0.3)])
    log = settings.log_dir / "node.log"
    until(lambda: log.exists() and "deaf" in log.read_text() and row(settings, "node").pid)
    pid = row(settings, "node").pid
    start = time.monotonic()
    processes.stop(settings)
    assert gone(pid)
    assert time.monotonic() - start < 5


def test_orphans_are_reaped(settings: Settings) -> None:
    """A grandchild whose parent has gone becomes the supervisor's, and must not stay a zombie."""
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        print('orphan', os.getpid(), flush=True); time.sleep(0.3); os._exit(0)\n"
        "    os._exit(0)\n"
        "os.wait(); time.sleep(600)"
    )
    processes.start(settings, [child("node", code)])
    log = settings.log_dir / "node.log"
    until(lambda: log.exists() and "orphan" in log.read_text())
    pid = int(log.read_text().split()[1])
    status = Path(f"/proc/{pid}/status")
    assert f"PPid:\t{processes.supervisor_pid(settings)}\n" in status.read_text()
    until(lambda: not status.exists())


def test_a_second_supervisor_does_not_start(settings: Settings) -> None:
    processes.start(settings, [child("node", SLEEP)])
    first = processes.supervisor_pid(settings)
    processes.start(settings, [child("node", SLEEP)])
    assert processes.supervisor_pid(settings) == first
    assert (settings.log_dir / "supervisor.log").read_text().count("node started") == 1


def test_children_end_with_a_supervisor_that_is_killed(settings: Settings) -> None:
    processes.start(settings, [child("node", SLEEP)])
    until(lambda: is_up(settings, "node"))
    pid, supervisor = row(settings, "node").pid, processes.supervisor_pid(settings)
    assert supervisor
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: gone(pid))
    assert processes.rows(settings) == []
    processes.start(settings, [child("node", SLEEP)])
    until(lambda: is_up(settings, "node"))


def test_children_see_little_of_our_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "hidden")
    processes.start(settings, [child("node", f"import os; print(sorted(os.environ), flush=True); {SLEEP}")])
    log = settings.log_dir / "node.log"
    until(lambda: log.exists() and "PATH" in log.read_text())
    assert "OS_PASSWORD" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_user_sees_a_closed_folder_where_it_is_shown(settings: Settings, tmp_path: Path) -> None:
    """An unprivileged child: no capability, no way back to root, a view of a folder that is closed to it."""
    import pwd

    nobody = pwd.getpwnam("nobody")
    closed, shown = tmp_path / "closed", Path(f"/tmp/cumulet-shown-{os.getpid()}")
    closed.mkdir(mode=0o700)
    (closed / "code").mkdir(mode=0o755)
    (closed / "code" / "word").write_text("seen")
    shown.mkdir(mode=0o755)
    code = (
        f"import os; print(os.getresuid(), os.getgroups(), open('{shown}/word').read())\n"
        "print([l.split()[1] for l in open('/proc/self/status') if l[:3] in ('Cap', 'NoN')], flush=True)\n" + SLEEP
    )
    spec = ChildSpec("controller", ["/usr/bin/python3", "-c", code], nobody, [(str(closed / "code"), str(shown))])
    try:
        processes.start(settings, [spec])
        log = settings.log_dir / "controller.log"
        until(lambda: log.exists() and "]\n" in log.read_text().partition("seen")[2])
        text = log.read_text()
        assert f"({nobody.pw_uid}, {nobody.pw_uid}, {nobody.pw_uid}) [] seen" in text
        zero = "'0000000000000000'"
        assert f"[{zero}, {zero}, {zero}, " in text
        assert text.rstrip().endswith("'1']")
        assert not list(shown.iterdir())
    finally:
        processes.stop(settings)
        shown.rmdir()


NOON = 1_796_040_000.0  # 2026-11-30T12:00:00Z
DAY = 86_400.0


def test_a_log_that_has_grown_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    (tmp_path / "node.log.1").write_text("of an earlier version")
    keeping = supervise.Keeping(file_bytes=50, all_bytes=250, days=30)
    writer = supervise.open_log(str(log))
    for number in range(5):
        os.write(writer, b"%d" % number * 100)
        assert supervise.rotate(log, keeping, NOON + number)
        assert not supervise.rotate(log, keeping, NOON + number)
    os.write(writer, b"after")
    os.close(writer)
    assert log.read_text() == "after"
    kept = supervise.rotated(log)
    assert [path.name for path in kept] == ["node.log.20261130T120003.000Z", "node.log.20261130T120004.000Z"]
    assert kept[-1].read_text()[0] == "4" and kept[-1].stat().st_mode & 0o777 == 0o600


def test_a_log_of_yesterday_is_rotated_and_one_of_last_month_goes(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    keeping = supervise.Keeping(file_bytes=1000, all_bytes=1000, days=2)
    for day in range(4):
        moment = NOON + day * DAY
        log.write_text(f'{{"time": "{supervise.stamp(moment)}"}}\n')
        assert not supervise.rotate(log, keeping, moment + 60)
        assert supervise.rotate(log, keeping, moment + DAY)
    assert [path.name[9:17] for path in supervise.rotated(log)] == ["20261202", "20261203", "20261204"]


def test_numbered_logs_of_earlier_versions_come_first(tmp_path: Path) -> None:
    for name in ("node.log.1", "node.log.20261130T120000.000Z", "node.log.3", "node.log"):
        (tmp_path / name).write_text("")
    found = [path.name for path in supervise.rotated(tmp_path / "node.log")]
    assert found == ["node.log.3", "node.log.1", "node.log.20261130T120000.000Z"]


def test_a_child_is_told_how_often_it_was_started(settings: Settings) -> None:
    code = "import os; print('told', os.environ['CUMULET_RESTARTS'], flush=True)"
    processes.start(settings, [child("controller", code)])
    log = settings.log_dir / "controller.log"
    until(lambda: log.exists() and "told 1" in log.read_text())
    assert log.read_text().startswith("told 0")


def test_a_log_is_not_opened_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "node.log").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        supervise.open_log(str(tmp_path / "node.log"))


def test_restarts_of_long_ago_are_no_reason_to_give_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    row = processes.ProcessRow("controller", 4711, time.time(), 7, "exit 75", None)
    monkeypatch.setattr(processes, "rows", lambda _settings, memory=True: [row])
    readiness._still_alive(settings, {"controller": 7})
    with pytest.raises(CliError, match="the controller does not start"):
        readiness._still_alive(settings, {"controller": 4})
