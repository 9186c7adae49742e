"""A simulated cloud of its own for one module of tests: real processes, commands typed as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cumulet.cli.api_client import Session
from cumulet.config import Settings

SOURCE = str(Path(__file__).resolve().parents[2] / "src")


class SimulatedCloud:
    """A state folder and nine ports from `base` on."""

    def __init__(self, state: Path, base: int) -> None:
        self.state, self.base = state, base

    def __call__(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CUMULET_"))}
        return subprocess.run(
            [sys.executable, "-m", "cumulet.cli.main", *words, "--state", str(self.state)],
            env=environ | {"PYTHONPATH": SOURCE},
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, *words: str, text: str = "") -> str:
        done = self(*words, text=text)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def up(self, *words: str, hosts: int = 1) -> str:
        return self.ok("up", "--simulated", str(hosts), "--port-base", str(self.base), *words)

    @property
    def settings(self) -> Settings:
        return Settings.load(self.state)

    def session(self, user: str = "admin", password: str = "") -> Session:
        shown = password or self.settings.secret(f"{user}_password")
        return Session(self.settings.local_url("identity"), user, shown, self.settings.region)
