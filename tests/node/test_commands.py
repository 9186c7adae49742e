"""Every command that the network parts run comes with a package that `cumulet up` installs, or is in any Debian."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cumulet.cli.packages import needed

NET = Path(__file__).parents[2] / "src" / "cumulet" / "node" / "net"
IN_EVERY_DEBIAN = ("mount", "coreutils", "util-linux")


def commands() -> list[str]:
    """First words of what is run."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(NET.glob("*.py")))
    return sorted(set(re.findall(r'\brun\(\s*"([a-z0-9-]+)"', text)))


def packages_of(path: Path) -> set[str]:
    """The packages that a file belongs to, whichever of /bin and /usr/bin it was packed for."""
    places = [str(path), str(path).removeprefix("/usr"), f"/usr{path}"]
    told = subprocess.run(["dpkg-query", "-S", *places], capture_output=True, text=True, check=False).stdout
    return {name for line in told.splitlines() for name in line.partition(":")[0].split(", ")}


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs Debian")
@pytest.mark.parametrize("command", commands())
def test_comes_with_a_listed_package(command: str) -> None:
    found = shutil.which(command, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{command} is not installed here")
    assert packages_of(Path(found).resolve()) & {*needed(), *IN_EVERY_DEBIAN}


def test_there_are_such_commands() -> None:
    assert {"ip", "iptables"} & set(commands())
