"""A machine of our own to install a cloud on: own network, processes, mounts and /etc, made of namespaces.

Whatever is done in it is gone when it ends; the real machine's network and files are never touched. It needs no
free port outside and any number of them live side by side. An "outside" namespace plays the internet: it has
198.51.100.1 and a web server, and the machine's default route leads there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

OUTSIDE = "198.51.100.1"
INSIDE = "198.51.100.2"


class Machine:
    """Use as a context manager."""

    def __init__(self, name: str = "stack") -> None:
        self.name = name
        self.tag = uuid.uuid4().hex[:8]
        self.folder = Path(tempfile.mkdtemp(prefix="cumulet-machine-", dir="/var/tmp"))
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Machine:
        try:
            self.init = self._start("machine_init.py", str(self.folder), self.name)
            self.pid = self._inner(self.init)
            end = time.monotonic() + 20
            while not (self.folder / "ready").exists():
                if self.init.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("the test machine did not start")
                time.sleep(0.02)
            self._connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        for _try in range(20):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.1)

    def _start(self, script: str, *words: str) -> subprocess.Popen[bytes]:
        flags = ["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
        # With its parent's death the machine ends too, however the tests were stopped.
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            *flags,
            "--",
            sys.executable,
            str(Path(__file__).with_name(script)),
            *words,
        ]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    @staticmethod
    def _inner(process: subprocess.Popen[bytes]) -> int:
        """The PID (outside) of what `unshare` forked."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            words = children.read_text().split()
            if words:
                return int(words[0])
            time.sleep(0.01)
        raise RuntimeError("unshare made no process")

    def _connect(self) -> None:
        """A second network namespace as the internet, with a veth into the machine."""
        outside = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--", "sleep", "infinity"], stdin=subprocess.DEVNULL
        )
        self._processes.append(outside)
        time.sleep(0.1)
        inside_if, outside_if = f"ci{self.tag}", f"co{self.tag}"
        at = ["nsenter", "-t", str(outside.pid), "-n"]
        make = ["ip", "link", "add", outside_if, "type", "veth", "peer", "name", inside_if, "netns", str(self.pid)]
        for words in (
            make,
            ["ip", "link", "set", "lo", "up"],
            ["ip", "addr", "add", f"{OUTSIDE}/24", "dev", outside_if],
            ["ip", "link", "set", outside_if, "up"],
        ):
            subprocess.run([*at, *words], check=True)
        here = ["nsenter", "-t", str(self.pid), "-n"]
        for words in (
            ["ip", "link", "set", inside_if, "name", "uplink"],
            ["ip", "addr", "add", f"{INSIDE}/24", "dev", "uplink"],
            ["ip", "link", "set", "uplink", "up"],
            ["ip", "route", "add", "default", "via", OUTSIDE],
        ):
            subprocess.run([*here, *words], check=True)
        web = [*at, sys.executable, "-m", "http.server", "80", "--bind", OUTSIDE, "--directory", str(self._page())]
        self._processes.append(subprocess.Popen(web, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.outside_pid = outside.pid
        end = time.monotonic() + 20
        while self.run("curl", "-sf", "-m", "2", f"http://{OUTSIDE}/", check=False).returncode:
            if time.monotonic() > end:
                raise RuntimeError("the outside does not answer")
            time.sleep(0.05)

    def _page(self) -> Path:
        page = self.folder / "web"
        page.mkdir()
        (page / "index.html").write_text("hello from outside\n")
        return page

    def command(self, words: Sequence[str]) -> list[str]:
        """The command that runs `words` in the machine."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--", *words]

    def run(
        self,
        *words: str,
        check: bool = True,
        timeout: float = 120,
        env: dict[str, str] | None = None,
        input: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine; its output as text. Raises AssertionError with the output on failure."""
        done = subprocess.run(
            self.command(words),
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: str, log: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a command in the machine; it is ended with the machine."""
        out = log.open("ab") if log else subprocess.DEVNULL
        process = subprocess.Popen(self.command(words), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self._processes.append(process)
        return process
