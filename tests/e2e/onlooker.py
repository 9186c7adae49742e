"""What a machine shows of a cloud, read from outside without starting processes, and blows at a chosen moment."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from tests.e2e.lab import STATE, Lab, until
from tests.e2e.machine import Machine


class Onlooker:
    """Looks at `machine`, where a cloud has its state in `state`."""

    def __init__(self, machine: Machine, state: Path = STATE) -> None:
        self.machine = machine
        self.root = Path(f"/proc/{machine.pid}/root")
        self.state = self.root / str(state).lstrip("/")

    # ---- moments ------------------------------------------------------------------------------------------------

    def link(self, name: str) -> bool:
        return (self.root / "sys/class/net" / name).exists()

    def disk(self, server: str) -> bool:
        return (self.state / "node/instances" / server / "disk").exists()

    def defined(self, name: str) -> bool:
        return (self.root / f"etc/libvirt/qemu/{name}.xml").exists()

    def running(self, name: str) -> bool:
        return (self.root / f"run/libvirt/qemu/{name}.pid").exists()

    def starts(self, name: str) -> int:
        """How often libvirt has started the guest."""
        log = self.root / f"var/log/libvirt/qemu/{name}.log"
        return log.read_text(errors="replace").count("starting up libvirt") if log.exists() else 0

    def qemu(self, name: str) -> str:
        """The process of the guest, "" without one."""
        try:
            return (self.root / f"run/libvirt/qemu/{name}.pid").read_text().strip()
        except FileNotFoundError:
            return ""

    def instances(self) -> set[str]:
        return {path.name for path in (self.state / "node/instances").iterdir()}

    def console(self, server: str) -> str:
        return (self.state / "node/instances" / server / "console.log").read_text(errors="replace")

    # ---- blows --------------------------------------------------------------------------------------------------

    def pid(self, child: str) -> int:
        """The machine's number of a child of the supervisor, 0 while it is not running."""
        try:
            return int((self.state / f"run/{child}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def strike(self, child: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process: by its number here, found by its number there."""
        inner = self.pid(child)
        assert inner, f"the {child} is not running"
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._is(entry, inner):
                os.kill(int(entry.name), number)
                return
        raise AssertionError(f"process {inner} of the machine is not there")

    def _is(self, entry: Path, inner: int) -> bool:
        try:
            numbers = re.search(r"^NSpid:\s+(.*)$", (entry / "status").read_text(), re.M)
            if numbers is None or numbers[1].split()[-1] != str(inner) or len(numbers[1].split()) < 2:
                return False
            return os.readlink(entry / "ns/pid") == os.readlink(f"/proc/{self.machine.pid}/ns/pid")
        except (FileNotFoundError, ProcessLookupError):
            return False

    def strike_when(self, child: str, moment: Callable[[], bool], seconds: float = 30) -> Blow:
        """Kill the child as soon as `moment`, in the background; join what it returns."""
        until(f"the {child} runs", lambda: self.pid(child), 30, 0.02)
        return Blow(self, child, moment, seconds)


class Blow(threading.Thread):
    """A process is killed at a moment."""

    def __init__(self, look: Onlooker, child: str, moment: Callable[[], bool], seconds: float) -> None:
        super().__init__(daemon=True)
        self._look, self._child, self._moment, self._seconds = look, child, moment, seconds
        self._failed: Exception | None = None
        self.start()

    def run(self) -> None:
        """Wait and strike."""
        try:
            until("the moment to strike has come", self._moment, self._seconds, 0.001)
            self._look.strike(self._child)
        except Exception as error:
            self._failed = error

    def join(self, timeout: float | None = None) -> None:
        """Wait for it. Raises what went wrong."""
        super().join(timeout)
        if self._failed is not None:
            raise self._failed


def snapshot(lab: Lab) -> dict[str, str]:
    """What a cloud could leave on a machine."""
    rules = "iptables-save; ip6tables-save; iptables-save -t nat; nft list tables"
    saved = lab.host("sh", "-c", rules)
    plain = re.sub(r"\[\d+:\d+\]|^#.*$", "", saved, flags=re.M)
    ours = ("-A", ":neutron", "table bridge")
    mine = [line for line in plain.splitlines() if line.startswith(ours)]
    shells = {
        "links": "ip -br link | awk '{print $1}' | sort",
        "namespaces": "ip netns | sort",
        "processes": "ps -eo comm= | grep -E 'qemu|dnsmasq|libvirtd|cumulet|python' | sort || true",
        "mounts": "awk '{print $2}' /proc/mounts | sort",
        "user": "getent passwd cumulet || true",
        "state": "ls -A /var/lib/cumulet* 2>/dev/null || true",
        "run": "ls -A /run/cumulet 2>/dev/null || true",
        "domains": "ls /etc/libvirt/qemu/*.xml /run/libvirt/qemu/*.pid /run/libvirt/libvirt-sock 2>/dev/null || true",
        "forwarding": "cat /proc/sys/net/ipv4/ip_forward",
    }
    return {"rules": "\n".join(mine), **{name: lab.host("sh", "-c", shell) for name, shell in shells.items()}}
