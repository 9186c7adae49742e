"""Measures a simulated cloud of its own and prints the table beside the figures of OpenStack.

    PYTHONPATH=src .venv/bin/python bench/run.py --bench PATH/bench.py [--hosts 20] [--json out.json] [-- OPTIONS]

The Python must have aiohttp (requirements-test.lock has it; `./cumulet test` installs that).
It starts a cloud in a temporary folder on ports of its own, measures the floor (an operation that does nothing, on
the same server, with the same client), runs the benchmark that any OpenStack cloud can run (--bench), reads memory and
idle CPU of the processes, and takes the cloud away. Quotas are lifted first, as they were for the figures of OpenStack.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = json.loads(Path(__file__).with_name("openstack.json").read_text())


def launch(state: Path, *words: str, checkout: Path = ROOT) -> None:
    """Run a verb of the cloud's launcher. Another checkout makes an environment of its own."""
    env = {name: text for name, text in os.environ.items() if checkout == ROOT or not name.startswith("CUMULET_")}
    command: list[str | Path] = [checkout / "cumulet", words[0], "--state", state, *words[1:]]
    subprocess.run(command, check=True, stdout=sys.stderr, env=env)


def environment(state: Path) -> dict[str, str]:
    """The admin's openrc as variables."""
    found = dict(os.environ)
    for line in (state / "admin-openrc").read_text().splitlines():
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            found[name] = value.strip("'\"")
    return found


async def floor(url: str, seconds: float = 3.0) -> dict[str, float]:
    """Round trip of an empty operation, one client and eight, with the benchmark's own client."""
    import aiohttp

    found = {}
    async with aiohttp.ClientSession() as session:
        for clients in (1, 8):
            took: list[float] = []
            end = time.perf_counter() + seconds

            async def one(took: list[float] = took, end: float = end) -> None:
                while time.perf_counter() < end:
                    start = time.perf_counter()
                    async with session.get(url) as answer:
                        await answer.read()
                    took.append((time.perf_counter() - start) * 1000)

            await asyncio.gather(*[one() for _ in range(clients)])
            found[f"p50_c{clients}_ms"] = round(statistics.median(took), 3)
            found[f"rps_c{clients}"] = round(len(took) / seconds)
    return found


def status(state: Path) -> dict[str, Any]:
    """``cumulet status --json``."""
    words: list[str | Path] = [ROOT / "cumulet", "status", "--state", state, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout))


def table(result: dict[str, Any]) -> list[str]:
    """Rows: workload, ours, OpenStack's, ratio. One client is compared by its median, several by their rate."""
    lines = [f"{'workload':44s} {'p50 ms':>9s} {'per s':>9s} {'CPU ms':>9s} {'OpenStack':>12s} {'ratio':>6s}"]
    for name, row in result["summary"].items():
        theirs = next((figures for key, figures in FIGURES["rows"].items() if name.startswith(key)), {})
        measure = "p50" if name.endswith(" c1") else "rps"
        ours, peer, shown, ratio = row[measure], theirs.get(measure), "", ""
        if peer and ours:
            shown = f"{peer} ms" if measure == "p50" else f"{peer} /s"
            ratio = f"{peer / ours if measure == 'p50' else ours / peer:.1f}"
        errors = f"  {row['errors']} errors: {row['messages'][:1]}" if row["errors"] else ""
        ours_shown = " ".join(f"{_number(row.get(key)):>9s}" for key in ("p50", "rps", "srv_cpu_ms"))
        lines.append(f"{name:44s} {ours_shown} {shown:>12s} {ratio:>6s}{errors}")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def lift_quotas(variables: dict[str, str]) -> None:
    """No limits on servers and ports of the admin's project."""

    def ask(method: str, url: str, body: dict[str, Any], token: str = "") -> Any:
        headers = {"Content-Type": "application/json", "X-Auth-Token": token}
        asked = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(asked) as answer:
            return answer.headers.get("X-Subject-Token"), json.load(answer)

    domain = {"name": "Default"}
    user = {"name": variables["OS_USERNAME"], "password": variables["OS_PASSWORD"], "domain": domain}
    scope = {"project": {"name": variables["OS_PROJECT_NAME"], "domain": domain}}
    identity = {"methods": ["password"], "password": {"user": user}}
    token, answer = ask(
        "POST", f"{variables['OS_AUTH_URL']}/auth/tokens", {"auth": {"identity": identity, "scope": scope}}
    )
    project = answer["token"]["project"]["id"]
    urls = {e["type"]: e["endpoints"][0]["url"] for e in answer["token"]["catalog"] if e["endpoints"]}
    servers = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
    ask("PUT", f"{urls['compute']}/os-quota-sets/{project}", servers, token)
    ask("PUT", f"{urls['network']}/v2.0/quotas/{project}", {"quota": {"port": -1, "network": -1, "router": -1}}, token)


def main() -> int:
    """Start, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared" / "bench" / "bench.py")
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--port-base", type=int, default=27000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="options of the benchmark, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cumulet-bench-", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)  # the controller is not root and passes through it
        state = Path(folder) / "cloud"
        begun = time.monotonic()
        launch(state, "up", "--simulated", str(args.hosts), "--port-base", str(args.port_base))
        first_start = time.monotonic() - begun
        try:
            result = measure(args, state, Path(folder))
        finally:
            launch(state, "down", "--purge")
    result["first_start_s"] = first_start
    print("\n".join(table(result)))
    print(f"floor (an empty operation): {result['floor']}")
    for row in result["idle"]:
        print(f"idle {row['name']}: PSS {row['pss_mib']:.0f} MiB, {row['cpu_pct']:.2f} % of a core")
    print(f"first start {first_start:.1f} s, later start {result['later_start_s']:.1f} s")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))
    return 0


def measure(args: argparse.Namespace, state: Path, folder: Path) -> dict[str, Any]:
    """Everything between `up` and `down`."""
    launch(state, "down")
    begun = time.monotonic()
    launch(state, "up")
    later = time.monotonic() - begun
    out = folder / "bench.json"
    floors = asyncio.run(floor(f"http://127.0.0.1:{args.port_base}/healthcheck"))
    idle_rows = idle(state)
    lift_quotas(environment(state))
    words = [sys.executable, str(args.bench), "--json", str(out), "--tmp", str(folder)]
    words += ["--pidfiles", str(state / "run" / "supervisor.pid"), *[word for word in args.rest if word != "--"]]
    subprocess.run(words, env=environment(state), stdout=sys.stderr, check=False)
    return {**json.loads(out.read_text()), "floor": floors, "idle": idle_rows, "later_start_s": later}


def idle(state: Path, seconds: float = 20.0) -> list[dict[str, Any]]:
    """Memory and CPU of each process while nobody asks for anything."""

    def ticks(pid: int) -> int:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(words[11]) + int(words[12])

    rows = [row for row in status(state)["processes"] if row["pid"]]
    time.sleep(3)
    before = {row["pid"]: ticks(row["pid"]) for row in rows}
    time.sleep(seconds)
    hertz = os.sysconf("SC_CLK_TCK")
    return [
        {
            "name": row["name"],
            "pss_mib": row["pss_kb"] / 1024,
            "cpu_pct": (ticks(row["pid"]) - before[row["pid"]]) / hertz / seconds * 100,
        }
        for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
