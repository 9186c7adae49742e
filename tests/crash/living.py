"""A simulated cloud of real processes for tests: started with ``cumulet up``, asked over HTTP, looked into, killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cumulet.cli import state_folder
from cumulet.cli.api_client import ApiError, Session
from cumulet.config import Settings
from cumulet.db import Database
from tests.crash.consistency import disagreements, guests_of
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
HOSTS = 100


class LivingCloud:
    """A running cloud and its state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.settings = Settings.load(state)
        self.db = Database(self.settings.database, durable=False)
        self.admin, self.demo = (self._session(name) for name in ("admin", "demo"))
        unlimited = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
        self.admin.request("PUT", "compute", f"/os-quota-sets/{self.demo.project_id}", unlimited)
        self.image = self.demo.request("GET", "image", "/images")["images"][0]["id"]
        named = self.demo.named("network", "networks", "selfservice")
        provider = self.admin.named("network", "networks", "provider")
        assert named is not None and provider is not None
        self.network, self.provider = named["id"], provider["id"]

    def _session(self, user: str) -> Session:
        secret = self.settings.secret(f"{user}_password")
        return Session(self.settings.local_url("identity"), user, secret, self.settings.region)

    # ---- asking --------------------------------------------------------------------------------------------------

    def body(self, name: str, flavor: str = "1", **values: Any) -> dict[str, Any]:
        """A server to ask for."""
        wanted = {"name": name, "flavorRef": flavor, "imageRef": self.image, "networks": [{"uuid": self.network}]}
        return {"server": {**wanted, **values}}

    def create(self, name: str, flavor: str = "1", **values: Any) -> str:
        """POST /servers: the id."""
        answer = self.demo.request("POST", "compute", "/servers", self.body(name, flavor, **values))
        return str(answer["server"]["id"])

    def servers(self) -> list[dict[str, Any]]:
        """The demo user's servers."""
        return list(self.demo.request("GET", "compute", "/servers/detail")["servers"])

    def delete_all(self, bound_s: float = 60) -> None:
        """Delete every server and wait until none is left."""
        for server in self.servers():
            self.gone(lambda s=server: self.demo.request("DELETE", "compute", f"/servers/{s['id']}"))
        self.until(lambda: not self.servers(), "every server is deleted", bound_s)

    @staticmethod
    def gone(request: Any) -> None:
        """Ask; that it is gone already is no error."""
        try:
            request()
        except ApiError as error:
            if error.code != 404:
                raise

    # ---- looking -------------------------------------------------------------------------------------------------

    def disagreements(self) -> list[str]:
        """What does not fit together, at rest."""
        return disagreements(self.db, guests_of(self.settings.node_dir / "world"))

    def at_rest(self, bound_s: float = 60) -> None:
        """Wait until everything agrees."""
        end = time.monotonic() + bound_s
        while found := self.disagreements():
            assert time.monotonic() < end, "\n".join([f"not at rest after {bound_s} s:", *found[:30]])
            time.sleep(0.3)

    def until(self, true: Any, what: str, bound_s: float = 30) -> None:
        """Wait until `true()`."""
        end = time.monotonic() + bound_s
        while not true():
            assert time.monotonic() < end, f"not within {bound_s} s: {what}"
            time.sleep(0.1)

    # ---- killing -------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int | None:
        """A child of this cloud's supervisor; None while it is being restarted."""
        told = json.loads((self.settings.run_dir / "supervisor.json").read_text())
        pid: int | None = next(child["pid"] for child in told["children"] if child["name"] == name)
        return pid

    def signal(self, name: str, number: int) -> bool:
        """Send a signal to the controller or the node; whether it was there."""
        pid = self.pid(name)
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes() if pid else b""
            if pid is None or os.fsencode(self.state) not in command:
                return False
            os.kill(pid, number)
        except (ProcessLookupError, FileNotFoundError):
            return False
        return True

    def up(self) -> bool:
        """Whether both processes run and the API answers."""
        try:
            return all(self.pid(name) for name in ("controller", "node")) and self.servers() is not None
        except ApiError:
            return False


def cumulet(state: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``./cumulet VERB … --state STATE``."""
    command = [str(ROOT / "cumulet"), words[0], "--state", str(state), *words[1:]]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def living(script: dict[str, Any], **env: str) -> Iterator[LivingCloud]:
    """A cloud of `HOSTS` simulated hosts that behave as `script` says; nothing is left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cumulet-crash-", dir="/var/tmp"))
    folder.chmod(0o755)
    state = folder / "state"
    state_folder.create(state)
    (state / "simulated.json").write_text(json.dumps(script))
    (state / "simulated.json").chmod(0o644)
    try:
        done = cumulet(state, "up", "--simulated", str(HOSTS), "--port-base", str(free_ports(9)), **env)
        assert done.returncode == 0, done.stdout + done.stderr
        cloud = LivingCloud(state)
        try:
            yield cloud
        finally:
            cloud.signal("node", signal.SIGCONT)
            cloud.db.close()
    finally:
        cumulet(state, "down", "--purge")
        shutil.rmtree(folder, ignore_errors=True)
