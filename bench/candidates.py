"""Measures allocation candidates out of many providers: p50 and p99 of one client and of eight.

    PYTHONPATH=src:. .venv/bin/python bench/candidates.py [--providers 10000] [--database URL | --postgresql]

It fills a new database (SQLite in a temporary folder; `--postgresql` starts a server of Debian's package, `--database`
takes an empty one of yours), serves placement alone in a process of its own, and asks it for room: a plain request
with limit=1000, one with a small limit, one that asks for a trait, and a plain one where one provider has a child.
The Python must have aiohttp (requirements-test.lock has it).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import text

from cumulet.auth import Caller, Policy
from cumulet.db import Database, Transaction, metadata
from cumulet.http.app import App
from cumulet.http.mount import Mount
from cumulet.http.server import listen
from cumulet.services.placement.api import load
from cumulet.services.placement.tables import inventories, provider_traits, providers

PLAIN = "resources=VCPU:1,MEMORY_MB:512,DISK_GB:1"
ROWS = {
    "plain, limit=1000": f"{PLAIN}&limit=1000",
    "plain, limit=10": f"{PLAIN}&limit=10",
    "a trait of one in ten, limit=1000": f"{PLAIN}&limit=1000&required=HW_CPU_X86_VMX",
}
TOTALS = {"VCPU": 64, "MEMORY_MB": 131_072, "DISK_GB": 2048}


def fill(db: Database, count: int) -> None:
    """That many compute hosts, used to different degrees."""
    metadata.create_all(db.engine)
    now = time.time_ns() // 1000
    stamps = {"created_at": now, "updated_at": now}
    hosts = [str(uuid.UUID(int=(n * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)) for n in range(1, count + 1)]
    with db.transaction() as tx:
        rows = [{"uuid": host, "name": f"host-{n}", "root_uuid": host, **stamps} for n, host in enumerate(hosts)]
        tx.insert(providers, rows)
        tx.insert(inventories, [_stock(host, name, n, now) for n, host in enumerate(hosts) for name in TOTALS])
        marked = [{"provider_uuid": host, "trait": "HW_CPU_X86_VMX"} for host in hosts[::10]]
        tx.insert(provider_traits, marked)


def _stock(host: str, name: str, n: int, now: int) -> dict[str, Any]:
    total = TOTALS[name]
    used = total * (n % 97) // 100
    units = {"reserved": 0, "min_unit": 1, "max_unit": total, "step_size": 1, "allocation_ratio": 1.0}
    sums = {"total": total, "capacity": total, "used": used, "free": total - used}
    return {"provider_uuid": host, "resource_class": name, "updated_at": now, **units, **sums}


def one_nested(db: Database) -> None:
    """Give one host a child."""
    with db.transaction() as tx:
        root = tx.rows(text("SELECT uuid FROM placement_providers WHERE name = 'host-0'"))[0].uuid
        row = {"uuid": str(uuid.uuid4()), "name": "numa", "parent_uuid": root, "root_uuid": root}
        tx.insert(providers, {**row, "created_at": 0, "updated_at": 0})


def _admin(_tx: Transaction, _token: str) -> Caller:
    return Caller("u" * 32, "admin", "default", roles=("admin",), project_id="p" * 32)


def serve(where: Path | str, sock: socket.socket) -> None:
    """Placement alone, until the process is ended."""
    service = load()
    gc.freeze()  # as the controller does
    gc.set_threshold(20_000, 50, 50)
    sys.setswitchinterval(0.001)
    app = App(Database(where), {int(sock.getsockname()[1]): Mount(service, None, Policy(service.rules))}, _admin)
    config = uvicorn.Config(app, http="httptools", loop="uvloop", lifespan="off", access_log=False, log_config=None)
    asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))


async def measured(url: str, clients: int, seconds: float) -> tuple[list[float], int, int]:
    """Milliseconds of each answer, how many there were to warm up, and the size of one."""
    import aiohttp

    took: list[float] = []
    size = 0
    headers = {"X-Auth-Token": "t", "OpenStack-API-Version": "placement 1.39", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def ask(until: float, keep: list[float]) -> None:
            nonlocal size
            while time.perf_counter() < until:
                start = time.perf_counter()
                async with session.get(url) as answer:
                    size = len(await answer.read())
                    answer.raise_for_status()
                keep.append((time.perf_counter() - start) * 1000)

        warm: list[float] = []
        await ask(time.perf_counter() + 1, warm)
        await asyncio.gather(*[ask(time.perf_counter() + seconds, took) for _ in range(clients)])
    return sorted(took), len(warm), size


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def report(base: str, names: dict[str, str], seconds: float, pid: int) -> None:
    """Print one line for each request and number of clients. CPU is the server's alone, without the database's."""
    for name, query in names.items():
        for clients in (1, 8):
            before = cpu(pid)
            took, warm, size = asyncio.run(measured(f"{base}/allocation_candidates?{query}", clients, seconds))
            spent = (cpu(pid) - before) * 1000 / (len(took) + warm)
            p99 = took[min(len(took) - 1, len(took) * 99 // 100)]
            figures = (
                f"{statistics.median(took):8.2f} {p99:8.2f} {len(took) / seconds:8.0f} {spent:8.2f} {size / 1024:8.0f}"
            )
            print(f"{name:44s} {clients:7d} {figures}", flush=True)


def main() -> None:
    """Fill, serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--providers", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--database", help="the URL of an empty database of PostgreSQL")
    which.add_argument("--postgresql", action="store_true", help="start a server for the measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where: Path | str = options.database or Path(folder) / "candidates.sqlite"
        if options.postgresql:
            from tests.databases import url

            where = url()
        db = Database(where)
        fill(db, options.providers)
        if not db.alone:
            with db.engine.connect() as connection:  # what its own housekeeping does within a minute
                connection.execute(text("ANALYZE"))
        print(f"{options.providers} providers on {db.engine.dialect.name}")
        print(f"{'request':44s} {'clients':>7s} {'p50 ms':>8s} {'p99 ms':>8s} {'per s':>8s} {'CPU ms':>8s} {'KiB':>8s}")
        sock = listen("127.0.0.1", 0)
        served = multiprocessing.get_context("fork").Process(target=serve, args=(where, sock))
        served.start()
        try:
            base = f"http://127.0.0.1:{sock.getsockname()[1]}"
            report(base, ROWS, options.seconds, served.pid or 0)
            one_nested(db)
            nested = {"plain, limit=1000, one provider has a child": ROWS["plain, limit=1000"]}
            report(base, nested, options.seconds, served.pid or 0)
        finally:
            served.terminate()
            served.join()
            db.close()


if __name__ == "__main__":
    main()
