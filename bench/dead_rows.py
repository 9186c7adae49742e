"""Measures what a million deleted servers cost: two clouds with the same living servers, one of them with dead rows.

    PYTHONPATH=src .venv/bin/python bench/dead_rows.py [--kind sqlite|postgresql] [--living 1000] [--dead 1000000]

Both clouds run side by side, and the calls go to one and to the other in short turns, so that whatever else the machine
does hits both. The least and the median of each call in milliseconds, over one kept connection, and the CPU that it
took the controller (and PostgreSQL's processes), which depends least on neighbours. PostgreSQL is one of its
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
from contextlib import suppress
from pathlib import Path
from typing import Any

from backups import AT_ONCE, body, network, session, settle
from run import ROOT, environment, launch, lift_quotas

from cumulet.config import Settings

sys.path.insert(0, str(ROOT))

LATELY_S = 3600
BLOCKS = 4
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

    def cpu_s(self) -> float:
        """CPU seconds so far of the controller and, on PostgreSQL, of the processes that serve it."""
        pids = [int((self.settings.run_dir / "controller.pid").read_text())]
        mine = f"postgres: cumulet {self.state.name} ".encode()
        for entry in [] if isinstance(self.settings.database, Path) else Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    pids += [int(entry.name)] if (entry / "cmdline").read_bytes().startswith(mine) else []
        ticks = 0
        for pid in pids:
            with suppress(OSError):
                ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

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


class Took:
    """Milliseconds of calls of one kind to each cloud, and the CPU seconds that went into them."""

    def __init__(self, clouds: int) -> None:
        self.ms: list[list[float]] = [[] for _ in range(clouds)]
        self.cpu_s = [0.0] * clouds


def compare(clouds: list[Cloud], rounds: int) -> dict[str, Took]:
    """What each call took, in blocks that take turns."""
    took: dict[str, Took] = {}
    paths = [reads(cloud) for cloud in clouds]
    for name in paths[0]:
        found = took[name] = Took(len(clouds))
        for _ in range(BLOCKS):
            for number, cloud in enumerate(clouds):
                before = cloud.cpu_s()
                for _ in range(rounds // BLOCKS):
                    found.ms[number].append(cloud.ask("GET", paths[number][name])[0])
                found.cpu_s[number] += cloud.cpu_s() - before
    wanted = []
    for cloud in clouds:
        wide = cloud.admin.request("GET", "network", "/networks?name=wide")["networks"][0]["id"]
        wanted.append(body(cloud.admin, wide, 1))
    made, gone = took["POST server, until it runs"], took["DELETE server"] = Took(len(clouds)), Took(len(clouds))
    for _ in range(BLOCKS):
        for number, cloud in enumerate(clouds):
            before = cloud.cpu_s()
            paths_made = [_run(cloud, wanted[number], made.ms[number]) for _ in range(rounds // BLOCKS)]
            between = cloud.cpu_s()
            gone.ms[number] += [cloud.ask("DELETE", path)[0] for path in paths_made]
            time.sleep(1)  # what the nodes report belongs to it
            made.cpu_s[number] += between - before
            gone.cpu_s[number] += cloud.cpu_s() - between
    return took


def _run(cloud: Cloud, wanted: Any, ms: list[float]) -> str:
    """A server that runs; its path. The milliseconds of the call are noted."""
    took, answer = cloud.ask("POST", "/servers", wanted)
    ms.append(took)
    path = f"/servers/{answer['server']['id']}"
    while cloud.ask("GET", path)[1]["server"]["status"] == "BUILD":
        time.sleep(0.05)
    return path


def table(took: dict[str, Took]) -> str:
    """Least and median of both in milliseconds, and the CPU of a call."""
    head = "".join(f"{word:>9s}" for word in ("least", "median", "CPU") * 2)
    lines = [f"{'milliseconds':44s}{head}   (none dead, then all)"]
    for name, found in took.items():
        shown = "".join(
            f"{min(ms):9.2f}{statistics.median(ms):9.2f}{cpu * 1000 / len(ms):9.2f}"
            for ms, cpu in zip(found.ms, found.cpu_s, strict=True)
        )
        lines.append(f"{name:44s}{shown}")
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
