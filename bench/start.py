"""How long a simulated cloud takes to its first token, and what that costs.

    python bench/start.py                       this checkout
    python bench/start.py --against DIR         and another one, turn by turn in the same run

For each start a client asks for a token every 5 ms from the moment that `up` is typed; when it has one, the processor
time of all processes of the cloud and of `up` itself is read. `first` makes a cloud, `again` starts one that was down.
The environment is taken as it is (CUMULET_ENV), and the first round only warms the caches.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print a row for each checkout and kind of start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port-base", type=int, default=24900)
    args = parser.parse_args()
    roots = {"this": ROOT} | ({"other": args.against.resolve()} if args.against else {})
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for number in range(args.rounds + 1):
        for name, root in roots.items():
            with tempfile.TemporaryDirectory(prefix="cumulet-start-", dir="/var/tmp") as folder:
                Path(folder).chmod(0o755)  # as root, the APIs run as a user of their own
                for kind in ("first", "again"):
                    measured = start(root, Path(folder) / "state", args.port_base)
                    if number:
                        found.setdefault((name, kind), []).append(measured)
                cumulet(root, "down", Path(folder) / "state")
                shutil.rmtree(folder, ignore_errors=True)
                Path(folder).mkdir()
    print(f"load average {os.getloadavg()[0]:.1f}; medians of {args.rounds} (least)")
    for (name, kind), rows in sorted(found.items()):
        columns = [f"{statistics.median(each):5.2f} s ({min(each):.2f})" for each in zip(*rows, strict=True)]
        print(f"{name:<6} {kind:<6} token {columns[0]}  CPU {columns[1]}  up returns {columns[2]}")


def cumulet(root: Path, verb: str, state: Path, *words: str) -> subprocess.Popen[bytes]:
    """Type a command; it has ended unless it is `up`."""
    env = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(root / "cumulet"), verb, "--state", str(state), *words]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if verb != "up" and process.wait() != 0:
        raise SystemExit(f"{command} failed")
    return process


def start(root: Path, state: Path, base: int) -> tuple[float, float, float]:
    """Start the cloud once, after ending it if it runs: seconds to the first token, CPU until then, seconds of `up`."""
    if state.exists():
        cumulet(root, "down", state)
    begun = time.monotonic()
    up = cumulet(root, "up", state, "--simulated", "2", "--port-base", str(base))
    while not token(state, base):
        if up.poll() not in (None, 0):
            raise SystemExit("up failed")
        time.sleep(0.005)
    took = time.monotonic() - begun
    cpu = cpu_seconds(state, up.pid)
    if up.wait() != 0:
        raise SystemExit("up failed")
    return took, cpu, time.monotonic() - begun


def token(state: Path, base: int) -> bool:
    """Whether identity gives demo a token."""
    try:
        password = (state / "secrets" / "demo_password").read_text().strip()
        user = {"name": "demo", "domain": {"id": "default"}, "password": password}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        connection = http.client.HTTPConnection("127.0.0.1", base, timeout=5)
        connection.request("POST", "/v3/auth/tokens", json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse().status == 201
    except (OSError, http.client.HTTPException):
        return False


def cpu_seconds(state: Path, up: int) -> float:
    """Processor time of `up` and of the cloud's processes, with those that they have waited for."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name == str(up) or os.fsencode(state) in (entry / "cmdline").read_bytes()
            if entry.name.isdigit() and ours:
                total += sum(map(int, (entry / "stat").read_text().rpartition(")")[2].split()[11:15])) / TICKS
        except OSError:
            continue
    return total


if __name__ == "__main__":
    main()
