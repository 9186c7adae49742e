"""Boots guests with plain QEMU and user networking, so that these tests need neither libvirt nor root."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cumulet.node.imagebuild import cached_tiny


class Guest:
    """A running guest with an ssh port on this machine."""

    def __init__(self, folder: Path, image: Path, extra: list[str], net: str = "user") -> None:
        self.folder = folder
        self.started = time.monotonic()
        disk = folder / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image), str(disk), "1G"],
            check=True,
        )
        self.port = _free_port()
        self.process = subprocess.Popen(
            [
                *["qemu-system-x86_64", "-nodefaults", "-accel", "tcg,tb-size=32", "-cpu", "max", "-m", "96"],
                *["-display", "none", "-vga", "std", "-serial", f"file:{folder / 'serial'}"],
                *["-drive", f"file={disk},if=virtio", "-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"],
                *["-nic", f"{net},model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-:22", *extra],
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def log(self) -> str:
        """What the guest wrote on its serial line."""
        path = self.folder / "serial"
        return path.read_text(errors="replace").replace("\r", "") if path.exists() else ""

    def wait_for(self, text: str, seconds: float = 240, times: int = 1) -> None:
        """Wait until the serial line shows `text`, `times` times."""
        end = time.monotonic() + seconds
        while self.log().count(text) < times:
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{text!r} did not appear; qemu {self.process.poll()}; log ends: {self.log()[-1500:]}")
            time.sleep(0.2)

    def ssh(self, command: str, user: str = "cirros", key: str = "key") -> subprocess.CompletedProcess[str]:
        """Run a command in the guest."""
        options = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]
        options += ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(self.folder / key)]
        return subprocess.run(
            ["ssh", "-F", "none", *options, "-p", str(self.port), f"{user}@127.0.0.1", command],
            check=False,
            text=True,
            capture_output=True,
            timeout=60,
        )

    def press_power(self) -> None:
        """Press the ACPI power button."""
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.connect(str(self.folder / "qmp"))
            for order in ("qmp_capabilities", "system_powerdown"):
                qmp.recv(4096)
                qmp.sendall(json.dumps({"execute": order}).encode())
            qmp.recv(4096)

    def kill(self) -> None:
        """End the guest's process, this one only."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)


@pytest.fixture(scope="session")
def tiny_image() -> Path:
    """The tiny image, built once for all test runs on this machine."""
    for program in ("qemu-system-x86_64", "syslinux", "mcopy", "apt-get"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    cache = Path(os.environ.get("CUMULET_TEST_CACHE", Path.home() / ".cache/cumulet-test"))
    return cached_tiny(cache, lambda text: None)


@pytest.fixture
def boot(tiny_image: Path, tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    """Boots guests (extra QEMU arguments, kind of network) that end with the test."""
    for name in ("key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    guests: list[Guest] = []

    def start(extra: list[str], net: str = "user") -> Guest:
        guests.append(Guest(tmp_path, tiny_image, extra, net))
        return guests[-1]

    yield start
    for guest in guests:
        guest.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
