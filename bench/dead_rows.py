"""Measures what a million deleted servers cost: two clouds with the same living servers, one of them with dead rows.

    PYTHONPATH=src .venv/bin/python bench/dead_rows.py [--kind sqlite|postgresql] [--living 1000] [--dead 1000000]

Both clouds run side by side, and each call goes to one and then to the other, so that whatever else the machine does
hits both. The least and the median of each call in milliseconds, over one kept connection. PostgreSQL is one of its
own, started as the tests start theirs; its rows are counted (ANALYZE) after they are written, as autovacuum would.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backups import AT_ONCE, body, network, session, settle
from run import ROOT, environment, launch, lift_quotas

from cumulet.config import Settings

sys.path.insert(0, str(ROOT))

LATELY_S = 3600
_TABLES = ("compute_servers", "compute_actions", "engine_timeline")
_OWN = {"compute_servers": "id", "compute_actions": "server_id", "engine_timeline": "subject"}
"""The column that names the server; the first column of each table is a number that the database gives."""
_TIMES = ("created_at", "updated_at", "launched_at", "terminated_at", "deleted_at", "started_at", "finished_at", "at")


class Cloud:
    """One cloud, and a connection to its compute service."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.settings = Settings.load(state)
        self.admin = session(state)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.settings.ports.of("compute"))

    def ask(self, method: str, path: str, wanted: Any = None) -> tuple[float, Any]:
        """Milliseconds to the answer's end, and the answer."""
        data = None if wanted is None else json.dumps(wanted)
        headers = {"X-Auth-Token": self.admin.token, "Content-Type": "application/json"}
        begun = time.perf_counter()
        self.connection.request(method, f"/v2.1{path}", data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return took, json.loads(text) if text else None


def made(state: Path, living: int) -> None:
    """Servers that live, and one that has lived."""
    lift_quotas(environment(state))
    admin = session(state)
    wide, rest = network(admin), living
    while rest > 0:
        admin.request("POST", "compute", "/servers", body(admin, wide, min(AT_ONCE, rest)))
        rest -= AT_ONCE
    settle(state, living)
    last = admin.request("POST", "compute", "/servers", body(admin, wide, 1))["server"]["id"]
    settle(state, living + 1)
    admin.request("DELETE", "compute", f"/servers/{last}")
    settle(state, living)


def _dead(columns: list[str], table: str, *, sqlite: bool) -> tuple[str, str]:
    """Columns to write, and what to select for each out of a row `r` and a number `i`: another server, each a second
    older than the one before."""
    uuid = "printf('%08x-0000-4000-9000-%012x', i, i)"
    if not sqlite:
        uuid = "lpad(to_hex(i), 8, '0') || '-0000-4000-9000-' || lpad(to_hex(i), 12, '0')"
    written = columns[1:]
    values = [
        uuid if name == _OWN[table] else f"r.{name} - ({2 * LATELY_S} + i) * 1000000" if name in _TIMES else f"r.{name}"
        for name in written
    ]
    return ", ".join(written), ", ".join(values)


def bury(place: Path | str, count: int) -> None:
    """Write `count` more servers like the one that was deleted last, with their actions and timelines."""
    if isinstance(place, Path):
        connection: Any = sqlite3.connect(place)
        numbers = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)"  # noqa: S608
        mark = "?"
    else:
        import psycopg

        connection = psycopg.connect(place)
        numbers, mark = f"generate_series(1::bigint, {count}) AS n(i)", "%s"
    newest = "SELECT id FROM compute_servers WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC LIMIT 1"
    (template,) = connection.execute(newest).fetchone()
    for table in _TABLES:
        one = connection.execute(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608
        columns = [column[0] for column in one.description]
        written, values = _dead(columns, table, sqlite=isinstance(place, Path))
        begun = time.monotonic()
        chosen = f"{numbers}, {table} AS r WHERE r.{_OWN[table]} = {mark}"
        copy = f"INSERT INTO {table} ({written}) SELECT {values} FROM {chosen}"  # noqa: S608
        connection.execute(copy, (template,))
        connection.commit()
        print(f"  {table}: written in {time.monotonic() - begun:.0f} s", flush=True)
    if not isinstance(place, Path):
        connection.autocommit = True
        connection.execute("ANALYZE")
    connection.close()


def reads(cloud: Cloud) -> dict[str, str]:
    """Calls that change nothing."""
    newest = cloud.ask("GET", "/servers/detail?limit=1")[1]["servers"][0]
    lately = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - LATELY_S))
    return {
        "GET servers/detail, 100": "/servers/detail?limit=100",
        "the same, all tenants": "/servers/detail?limit=100&all_tenants=1",
        "GET servers by name, 100": "/servers?limit=100&name=many",
        "GET servers in ERROR": "/servers?status=ERROR",
        "GET servers changed within the hour, 100": f"/servers?limit=100&changes-since={lately}",
        "GET one server": f"/servers/{newest['id']}",
        "GET limits": "/limits",
    }


def compare(clouds: list[Cloud], rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds by call, a list for each cloud."""
    took: dict[str, list[list[float]]] = {}

    def note(name: str, number: int, ms: float) -> None:
        took.setdefault(name, [[] for _ in clouds])[number].append(ms)

    paths = [reads(cloud) for cloud in clouds]
    for name in paths[0]:
        for _ in range(rounds):
            for number, cloud in enumerate(clouds):
                note(name, number, cloud.ask("GET", paths[number][name])[0])
    wanted = []
    for cloud in clouds:
        wide = cloud.admin.request("GET", "network", "/networks?name=wide")["networks"][0]["id"]
        wanted.append(body(cloud.admin, wide, 1))
    for _ in range(rounds):
        for number, cloud in enumerate(clouds):
            ms, answer = cloud.ask("POST", "/servers", wanted[number])
            note("POST server", number, ms)
            path = f"/servers/{answer['server']['id']}"
            while cloud.ask("GET", path)[1]["server"]["status"] == "BUILD":
                time.sleep(0.01)
            note("DELETE server", number, cloud.ask("DELETE", path)[0])
    return took


def table(took: dict[str, list[list[float]]]) -> str:
    """Least and median of both, and the ratio of the least."""
    lines = [f"{'call':44s}{'none, least':>12s}{'median':>9s}{'dead, least':>13s}{'median':>9s}{'ratio':>8s}"]
    for name, (without, dead) in took.items():
        least = min(without), min(dead)
        shown = f"{least[0]:12.2f}{statistics.median(without):9.2f}{least[1]:13.2f}{statistics.median(dead):9.2f}"
        lines.append(f"{name:44s}{shown}{least[1] / least[0]:8.2f}")
    return "\n".join(lines)


def measure(folder: Path, args: argparse.Namespace) -> None:
    """Make both, measure, print."""
    plain, dead = folder / "plain", folder / "dead"
    postgresql: Callable[[str], str] | None = _postgresql() if args.kind == "postgresql" else None

    def up(state: Path, number: int) -> None:
        if postgresql is not None:
            os.environ["CUMULET_DATABASE_URL"] = postgresql(state.name)
        launch(state, "up", "--simulated", "20", "--port-base", str(args.port_base + 10 * number))

    up(plain, 0)
    made(plain, args.living)
    launch(plain, "down")
    subprocess.run(["cp", "-a", plain, dead], check=True)
    if postgresql is not None:
        postgresql("dead < plain")
    bury(postgresql("dead") if postgresql is not None else dead / "db" / "cumulet.sqlite", args.dead)
    up(plain, 0)
    up(dead, 1)
    try:
        took = compare([Cloud(plain), Cloud(dead)], args.rounds)
    finally:
        for state in (plain, dead):
            launch(state, "down")
    print(f"{args.kind}, {args.living} living, {args.dead} dead, load average {os.getloadavg()[0]:.1f}")
    print(table(took))


def _postgresql() -> Callable[[str], str]:
    """Makes and names databases of a server of our own; ``b < a`` makes b as a copy of a."""
    import psycopg
    from tests import databases

    folder = databases.server()
    known: set[str] = set()

    def url(name: str) -> str:
        name, _, template = name.partition(" < ")
        if name not in known:
            known.add(name)
            with psycopg.connect(host=str(folder), user="cumulet", dbname="postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return f"postgresql://cumulet@/{name}?host={folder}"

    return url


def main() -> int:
    """Make two clouds, measure, remove them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--living", type=int, default=1000)
    parser.add_argument("--dead", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--port-base", type=int, default=27200)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cumulet-bench-", dir="/var/tmp"))
    folder.chmod(0o755)  # the controller is not root and passes through it
    try:
        measure(folder, args)
    finally:
        for state in ("plain", "dead"):
            subprocess.run([ROOT / "cumulet", "down", "--purge", "--state", folder / state], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
