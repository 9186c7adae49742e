"""The lab of the manuals as steps: a cloud on a machine of our own, driven by the official client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machine import Machine

ROOT = Path(__file__).parents[2]
CUMULET = str(ROOT / "cumulet")
STATE = Path("/var/lib/cumulet")


def real(seconds: int) -> list[pytest.MarkDecorator]:
    """The marks of a file whose cloud boots guests; none of its tests may take longer than `seconds`."""
    return [
        pytest.mark.root,
        pytest.mark.guest,
        pytest.mark.slow,
        pytest.mark.timeout(seconds),
        pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    ]


@cache
def image_cache() -> Path:
    """Where tests keep the image that they boot, built once per machine."""
    from cumulet.node.imagebuild import cached_tiny

    folder = Path(os.environ.get("CUMULET_TEST_CACHE", Path.home() / ".cache" / "cumulet-test"))
    return cached_tiny(folder, print)


class Lab:
    """A cloud on `machine`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.image = image_cache()
        self.secrets: dict[str, str] = {}
        """What was handed out meanwhile and must be in no log, by what it is."""
        # The client's environment is made out here: the machine reaches no package index.
        subprocess.run([CUMULET, "openstack", "--version"], check=True, stdin=subprocess.DEVNULL)

    # ---- the launcher -----------------------------------------------------------------------------------------

    def cumulet(self, *words: str, check: bool = True, timeout: float = 300) -> str:
        done = self.machine.run(CUMULET, *words, check=check, timeout=timeout)
        return done.stdout + done.stderr

    def up(self) -> str:
        """Start the cloud; the machine has no package mirror, so the image is given."""
        return self.cumulet("up", "--first-image", str(self.image))

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.machine.run(CUMULET, "status", "--json", check=False).stdout))

    def leaks(self) -> list[str]:
        """Secrets in logs, arguments and environments: those of the state folder, and `secrets`."""
        done = self.machine.run(
            sys.executable,
            str(Path(__file__).with_name("leaks.py")),
            str(STATE),
            input=json.dumps(self.secrets),
            check=False,
        )
        assert done.stdout, done.stderr
        return list(json.loads(done.stdout))

    # ---- the client -------------------------------------------------------------------------------------------

    def admin(self, *words: str, check: bool = True) -> Any:
        return self._client("cumulet-admin", words, check)

    def demo(self, *words: str, check: bool = True) -> Any:
        return self._client("cumulet", words, check)

    def _client(self, cloud: str, words: tuple[str, ...], check: bool) -> Any:
        """JSON of the official client's answer; its text where it has no JSON; (status, text) when not checked."""
        plain = words[-1] in ("--plain",) or words[1:2] == ("delete",) or words[:3] in (("console", "log", "show"),)
        words = tuple(word for word in words if word != "--plain")
        form = () if plain else ("-f", "json")
        done = self.machine.run(CUMULET, "openstack", *words, *form, check=check, env={"OS_CLOUD": cloud})
        if not check:
            return done.returncode, done.stdout + done.stderr
        return json.loads(done.stdout) if form and done.stdout.strip() else done.stdout

    def quiet(self, cloud: str, *words: str) -> str:
        """A command that prints nothing when it works."""
        done = self.machine.run(CUMULET, "openstack", *words, env={"OS_CLOUD": cloud})
        return done.stdout

    # ---- the host ---------------------------------------------------------------------------------------------

    def host(self, *words: str, check: bool = True) -> str:
        return self.machine.run(*words, check=check).stdout

    def pings(self, address: str) -> bool:
        return self.machine.run("ping", "-c1", "-W1", address, check=False).returncode == 0

    def ssh(self, key: Path, address: str, command: str, *, check: bool = True) -> str:
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"]
        options += ["-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-i", str(key)]
        done = self.machine.run("ssh", *options, f"cirros@{address}", command, check=check, timeout=60)
        return done.stdout


def until(what: str, condition: Callable[[], Any], seconds: float = 60, pause: float = 0.5) -> Any:
    """Wait for `condition` to be true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause)
