"""A machine with systemd as its first process: a Debian tree of its own, in namespaces of its own, on this kernel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TREE = Path("/var/tmp/cumulet-test-debian")
"""Made once, by mmdebstrap; each test copies it."""
SHOWN = (REPO, Path(sys.prefix), Path("/usr/share/novnc"))
"""What is seen in the machine at its own place, and cannot be written there."""
PACKAGES = "systemd,systemd-sysv,dbus,python3,iproute2,passwd,procps,util-linux"


def tree() -> Path:
    """The Debian tree; built when it is missing, which needs a Debian mirror and a minute or two."""
    if not TREE.exists():
        draft = TREE.with_name(f"{TREE.name}.{os.getpid()}")
        command = ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(draft)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=900)
            draft.rename(TREE)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return TREE


def until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait for it. Raises AssertionError."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.2)


class Booted:
    """A machine: `boot`, `__call__` to run a command in it, `end` (orderly, or as when the power fails)."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "machine"
        subprocess.run(["cp", "-a", str(tree()), str(self.root)], check=True)
        (self.root / "var/log/journal").mkdir(exist_ok=True)  # so that what was said outlives the boot
        self._outer: subprocess.Popen[bytes] | None = None
        self.first = 0

    def boot(self) -> None:
        """Until systemd says that it has come up."""
        script = [str(REPO / "tests/service/boot.sh"), str(self.root), *map(str, SHOWN)]
        namespaces = ["--pid", "--fork", "--mount", "--uts", "--ipc", "--net", "--cgroup"]
        self._outer = subprocess.Popen(["unshare", "--kill-child", *namespaces, *script], start_new_session=True)
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        until(lambda: children.read_text().strip(), "the first process")
        self.first = int(children.read_text())
        until(lambda: b"systemd" in Path(f"/proc/{self.first}/cmdline").read_bytes()[:40], "systemd")
        until(lambda: self("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), "the boot")

    def __call__(self, *words: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine, as its root."""
        inside = ["nsenter", "--target", str(self.first), "--all", "--root", "--wd"]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CUMULET_ENV": sys.prefix, "LANG": "C.UTF-8"}
        return subprocess.run([*inside, *words], env=env, capture_output=True, text=True, timeout=timeout, check=False)

    def end(self, *, cut: bool = False) -> None:
        """Power it off; `cut`: as when the power fails."""
        if self._outer is None:
            return
        if cut:
            os.kill(self.first, signal.SIGKILL)
        else:
            self("systemctl", "poweroff")
        try:
            self._outer.wait(100)
        finally:
            self._outer.kill()
            self._outer = None
