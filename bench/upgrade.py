"""Measures how long a cloud with many servers is away while it is upgraded by `down` and `up`.

    PYTHONPATH=src .venv/bin/python bench/upgrade.py --before CHECKOUT [--servers 10000] [--hosts 100]

The other checkout (such as a worktree of commit 193ee7e) makes the cloud and its servers with the Python that runs
this; then this one takes it over, while a client asks for one server every 20 ms. The time between its last answer
before and its first one after is what is printed, with how long each command took.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from backups import AT_ONCE, body, network, session, states
from run import ROOT, environment, lift_quotas

from cumulet.cli.api_client import ApiError, call
from cumulet.config import Settings

PAUSE_S = 0.02


def verb(checkout: Path, state: Path, *words: str) -> float:
    """Run a verb of a checkout with this Python, without its launcher; its seconds."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("CUMULET_")}
    env["PYTHONPATH"] = str(checkout / "src")
    begun = time.monotonic()
    command: list[str | Path] = [sys.executable, "-m", "cumulet.cli.main", words[0], "--state", state, *words[1:]]
    subprocess.run(command, check=True, env=env, cwd="/")
    return time.monotonic() - begun


class Client(threading.Thread):
    """Asks for one server, again and again; `longest`: the seconds without an answer that were most."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__()
        self.url, self.headers = url, {"X-Auth-Token": token}
        self.ended = threading.Event()
        self.longest, self.answers, self.refused, self.errors = 0.0, 0, 0, 0

    def run(self) -> None:
        """Until `ended`."""
        last = time.monotonic()
        while not self.ended.wait(PAUSE_S):
            try:
                status, _, _ = call("GET", self.url, self.headers, None, timeout=30)
            except OSError:
                self.refused += 1
                continue
            if status == 200:
                now = time.monotonic()
                self.longest, last = max(self.longest, now - last), now
                self.answers += 1
            else:
                self.errors += 1


def measure(state: Path, args: argparse.Namespace) -> None:
    """Make it, upgrade it, print."""
    verb(args.before, state, "up", "--simulated", str(args.hosts), "--port-base", str(args.port_base))
    lift_quotas(environment(state))
    admin = session(state)
    wide, rest = network(admin), args.servers
    while rest > 0:
        admin.request("POST", "compute", "/servers", body(admin, wide, min(AT_ONCE, rest)))
        rest -= AT_ONCE
    while admin.request("GET", "compute", "/servers?status=BUILD&limit=1")["servers"]:
        time.sleep(0.5)
    settings = Settings.load(state)
    server = admin.request("GET", "compute", "/servers?limit=1")["servers"][0]["id"]
    client = Client(f"{settings.local_url('compute')}/v2.1/servers/{server}", admin.token)
    client.start()
    time.sleep(2)
    load = os.getloadavg()[0]
    down = verb(args.before, state, "down")
    up = verb(ROOT, state, "up", "--simulated")
    time.sleep(2)
    client.ended.set()
    client.join()
    size = Path(str(settings.database)).stat().st_size / 1e6
    print(f"{args.servers} servers, {size:.0f} MB, load average {load:.1f}")
    print(f"without an answer {client.longest:.1f} s; down {down:.1f} s, up {up:.1f} s")
    print(
        f"{client.refused} connections refused, {client.errors} answers of another status, {client.answers} right ones"
    )
    print(f"guests by state: {states(state)}")


def main() -> int:
    """Make a cloud, upgrade it, remove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--port-base", type=int, default=27500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cumulet-bench-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)  # the controller is not root and passes through it
        try:
            measure(Path(name) / "cloud", args)
        except ApiError as error:
            raise SystemExit(str(error)) from None
        finally:
            subprocess.run([ROOT / "cumulet", "down", "--purge", "--state", Path(name) / "cloud"], check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
