"""Measures backup, restore and reset of a simulated cloud with many servers: seconds and sizes.

    PYTHONPATH=src .venv/bin/python bench/backups.py [--servers 10000] [--hosts 200] [--port-base 27000]

It makes a cloud in a temporary folder, creates the servers through the API (100 for each request), waits until all are
ACTIVE, and times the verbs as an operator types them: a backup while servers come and go, one while the cloud is idle,
a look at the file, a snapshot and a reset, a restore into another folder, and the first `up` of it. Wall-clock seconds,
of one run each; the load average says what else the machine did.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from run import ROOT, environment, launch, lift_quotas

from cumulet.cli import link_client
from cumulet.cli.api_client import Session
from cumulet.config import Settings

AT_ONCE = 100


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Do it and print the seconds."""
    began, cpu = time.monotonic(), os.times()
    found = work()
    spent = sum(os.times()[2:4]) - sum(cpu[2:4])
    print(f"{what:<52} {time.monotonic() - began:7.2f} s   (CPU of the command {spent:6.2f} s)", flush=True)
    return found


def session(state: Path) -> Session:
    """The admin of the cloud."""
    settings = Settings.load(state)
    secret = settings.secret("admin_password")
    return Session(settings.local_url("identity"), "admin", secret, settings.region)


def network(admin: Session) -> str:
    """A network with room for all."""
    made = admin.request("POST", "network", "/networks", {"network": {"name": "wide"}})["network"]
    subnet = {"network_id": made["id"], "ip_version": 4, "cidr": "10.0.0.0/16", "name": "wide"}
    admin.request("POST", "network", "/subnets", {"subnet": subnet})
    return str(made["id"])


def body(admin: Session, wide: str, count: int) -> dict[str, Any]:
    """A request for so many servers."""
    image = admin.request("GET", "image", "/images")["images"][0]["id"]
    wanted = {"name": "many", "flavorRef": "0", "imageRef": image, "networks": [{"uuid": wide}]}
    return {"server": {**wanted, "min_count": count, "max_count": count}}


def states(state: Path) -> dict[str, int]:
    """Guests by the state that their nodes reported."""
    return dict(link_client.get(Settings.load(state), "status")["items"]["counts"].get("guest", {}))


def settle(state: Path, count: int) -> None:
    """Wait until that many guests are ready and nothing else is."""
    end = time.monotonic() + 1200
    while states(state) != {"ready": count}:
        if time.monotonic() > end:
            raise SystemExit(f"not all came: {states(state)}")
        time.sleep(0.5)


class Load:
    """Servers come and go meanwhile, one after the other."""

    def __init__(self, admin: Session, request: dict[str, Any]) -> None:
        self.ended, self.made = threading.Event(), 0
        self.thread = threading.Thread(target=self._run, args=(admin, request))

    def _run(self, admin: Session, request: dict[str, Any]) -> None:
        while not self.ended.is_set():
            server = admin.request("POST", "compute", "/servers", request)["server"]["id"]
            admin.request("DELETE", "compute", f"/servers/{server}")
            self.made += 1

    def __enter__(self) -> Load:
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        self.thread.join()


def megabytes(path: Path) -> str:
    """Size of a file."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


def measure(folder: Path, args: argparse.Namespace) -> None:
    """All of it."""
    state, there, file, key = folder / "cloud", folder / "there", folder / "backup", folder / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    words = ("--key-file", str(key))
    lift_quotas(environment(state))
    admin = session(state)
    wide, rest = network(admin), args.servers
    began = time.monotonic()
    while rest > 0:
        admin.request("POST", "compute", "/servers", body(admin, wide, min(AT_ONCE, rest)))
        rest -= AT_ONCE
    settle(state, args.servers)
    print(
        f"{args.servers} servers ACTIVE after {time.monotonic() - began:.0f} s, load average {os.getloadavg()[0]:.1f}"
    )
    with Load(admin, body(admin, wide, 1)) as load:
        time.sleep(1)
        timed("backup, while servers come and go", lambda: launch(state, "backup", str(file), *words))
    settle(state, args.servers)
    print(f"  {load.made} servers came and went")
    timed("backup, idle", lambda: launch(state, "backup", str(file), *words))
    timed("look at it (restore --check)", lambda: launch(there, "restore", "--check", str(file), *words))
    timed("snapshot", lambda: launch(state, "snapshot", "full"))
    timed("reset, nothing changed", lambda: launch(state, "reset", "full"))
    settle(state, args.servers)
    launch(state, "down")
    print(f"backup {megabytes(file)}, database {megabytes(state / 'db' / 'cumulet.sqlite')}")
    timed("restore", lambda: launch(there, "restore", str(file), *words))
    timed("up after it", lambda: launch(there, "up", "--simulated"))


def main() -> int:
    """Make a cloud, measure, remove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--port-base", type=int, default=27000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cumulet-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the controller is not root and passes through it
        launch(folder / "cloud", "up", "--simulated", str(args.hosts), "--port-base", str(args.port_base))
        try:
            measure(folder, args)
        finally:
            for state in ("cloud", "there"):
                subprocess.run([ROOT / "cumulet", "down", "--purge", "--state", folder / state], check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
