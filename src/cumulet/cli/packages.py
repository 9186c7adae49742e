"""Debian packages that a real hypervisor needs: which are missing, and installing them.

The list is ``cumulet/node/packages.txt``. On a machine that has them all this asks only dpkg, so it needs
no network. It must never start a service: what runs is the node's decision.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Made by Cumulet while it installs packages: nothing is started.\nexit 101\n"
DEFAULT_NETWORK = Path("/etc/libvirt/qemu/networks/autostart/default.xml")
BINDINGS = Path("/usr/lib/python3/dist-packages")


def needed() -> list[str]:
    """The packages in the list."""
    from importlib import resources  # imported here, as tempfile: simulated hosts need no package

    return listed(resources.files("cumulet.node").joinpath("packages.txt").read_text(encoding="utf-8"))


def listed(text: str) -> list[str]:
    """The names in a list of packages, without comments."""
    return [name for line in text.splitlines() for name in line.partition("#")[0].split()]


def missing(names: list[str]) -> list[str]:
    """Those that dpkg does not report as installed."""
    command = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    installed = {line.split()[0] for line in found.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def ensure(progress: Progress, names: list[str] | None = None) -> None:
    """Install what is missing of `names` (of the whole list). Raises CliError with the end of apt's own words."""
    try:
        wanted = missing(needed() if names is None else names)
    except FileNotFoundError:
        raise CliError(
            "a real hypervisor is set up on Debian only (no dpkg here); `cumulet up --simulated` runs anywhere"
        ) from None
    if wanted and os.geteuid() != 0:
        raise CliError(f"these Debian packages are missing: as root, apt-get install {' '.join(wanted)}")
    if wanted:
        with progress.step(f"install {len(wanted)} Debian packages"):
            _install(wanted, progress)
    link_bindings()


def _install(names: list[str], progress: Progress) -> None:
    had_network = DEFAULT_NETWORK.is_symlink()
    with _no_services():
        progress.detail("apt-get update")
        updated = _apt("update")
        progress.detail(" ".join(names))
        status, text = _apt("install", "--no-install-recommends", *names)
    if status != 0:
        why = text if updated[0] == 0 else updated[1] + text
        raise CliError(
            f"apt-get could not install {' '.join(names)}:\n{_tail(why)}\n"
            "Mend that (or install them yourself), then run this again"
        )
    if DEFAULT_NETWORK.is_symlink() and not had_network:
        # Debian's default network would put a second bridge and dnsmasq on the machine.
        DEFAULT_NETWORK.unlink()


def _apt(*words: str) -> tuple[int, str]:
    """Run apt-get without a question; its exit status and output. Waits up to two minutes for another apt."""
    import tempfile

    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "NEEDRESTART_SUSPEND": "1"}
    command = [
        "apt-get",
        "-y",
        "-q",
        "-o",
        "DPkg::Lock::Timeout=120",
        "-o",
        "Dpkg::Options::=--force-confold",
        *words,
    ]
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        )
        output.seek(0)
        return done.returncode, output.read().decode("utf-8", "replace")


def _tail(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-12:])


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian's own way to keep packages from starting services; a policy that somebody else made stays."""
    ours = not POLICY.exists() or POLICY.read_text(encoding="utf-8", errors="replace") == POLICY_TEXT
    if ours:
        POLICY.write_text(POLICY_TEXT, encoding="utf-8")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def link_bindings() -> None:
    """Show Debian's libvirt bindings to our environment: they are built for the system's Python, and so
    is it.
    """
    if sys.prefix == sys.base_prefix or not BINDINGS.is_dir():
        return
    here = Path(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    for name in sorted(file.name for kind in ("libvirt*.py", "libvirtmod*.so") for file in BINDINGS.glob(kind)):
        link = here / name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(BINDINGS / name)
