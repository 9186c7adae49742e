"""How long users wait while strangers do their worst, and how long a right login takes.

    PYTHONPATH=src .venv/bin/python bench/under_attack.py [--seconds 10] [--logins 500] [--sources 4] [--json out.json]

Makes a simulated cloud with ten servers and asks, fifty times a second each, for the validation of a token and for
the list of servers, and twice a second for a token by the right password, from an address that is known and from new
ones; first with nothing else going on, then while strangers at other addresses of loopback send wrong logins, hold
half-open connections and let bodies trickle, one byte a second, all at once and each opened again when the server ends
it. Prints median, 99th percentile and worst, what strangers were answered, and what share of the processors they took
themselves: they run on the same machine, at the lowest priority, where real ones bring machines of their own. Loopback
only; about half a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import json
import math
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from run import environment, launch, status

from cumulet.cli.api_client import Session
from services import Connection, Request, cpu_s, request

RATE = 50.0
"""Of validations and of lists, in a second."""


@dataclass
class Attack:
    """What strangers do, per second or at any time, and against which port."""

    port: int
    logins: int
    sources: int
    half_open: int
    slow: int

    def address(self, number: int) -> tuple[str, int]:
        """One of the strangers' addresses."""
        return (f"127.0.0.{2 + number % self.sources}", 0)


def wrong_login(number: int) -> bytes:
    """Half of them try the administrator's account, half somebody who is not there."""
    user = {"name": "admin" if number % 2 else f"nobody{number}", "password": "wrong", "domain": {"id": "default"}}
    auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    return request("POST", "http://127.0.0.1/v3/auth/tokens", 401, json.dumps(auth).encode()).data


HALVES = (b"", b"GET /v3/users HTTP/1.1\r\nHost: a\r\n", wrong_login(1)[:-40])
SLOW = wrong_login(1).split(b"\r\n\r\n")[0].rsplit(b"Content-Length", 1)[0] + b"Content-Length: 5000\r\n\r\n"


class Stranger(Connection):
    """A connection that may end at any time."""

    ended = False

    def data_received(self, data: bytes) -> None:
        if self.waiting is None or not self.waiting.done():  # else the attack is over
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        super().connection_lost(exc)


class Crowd:
    """The strangers, in a process of their own. `seen`: status of an answer (or how else it went) → how often."""

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.seen: collections.Counter[str] = collections.Counter()
        self.free: dict[int, list[Stranger]] = collections.defaultdict(list)
        self.asking = 0

    async def opened(self, number: int) -> Stranger:
        loop, attack = asyncio.get_running_loop(), self.attack
        made = loop.create_connection(Stranger, "127.0.0.1", attack.port, local_addr=attack.address(number))
        return (await made)[1]

    async def login(self, number: int) -> None:
        """One wrong login, over a connection that is free, or a new one."""
        source = number % self.attack.sources
        self.asking += 1
        try:
            free = self.free[source]
            connection = free.pop() if free else await self.opened(source)
            if connection.ended:
                connection = await self.opened(source)
            self.seen[f"login {await connection.ask(wrong_login(number))}"] += 1
            free.append(connection)
        except OSError:
            self.seen["login lost"] += 1
        finally:
            self.asking -= 1

    async def logins(self) -> None:
        """So many a second, however long the answers take."""
        loop, begun, sent = asyncio.get_running_loop(), time.perf_counter(), 0
        tasks: set[asyncio.Task[None]] = set()
        while True:
            due = int((time.perf_counter() - begun) * self.attack.logins)
            for number in range(sent, due):
                task = loop.create_task(self.login(number))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            sent = due
            await asyncio.sleep(0.01)

    async def held(self, number: int, first: bytes, later: bytes) -> None:
        """A connection that is opened again and again; `later`: what it sends each second."""
        await asyncio.sleep(number * 0.001)
        while True:
            with suppress(OSError):
                connection = await self.opened(number)
                connection.transport.write(first)
                while not connection.ended:
                    await asyncio.sleep(1)
                    if later and not connection.ended:
                        connection.transport.write(later)
                self.seen[f"ended: {'body' if later else 'half-open'}"] += 1
            await asyncio.sleep(0.1)

    async def run(self, stop: Any, report: Any) -> None:
        """Until told to stop."""
        attack = self.attack
        works = [self.held(number, HALVES[number % 3], b"") for number in range(attack.half_open)]
        works += [self.held(number, SLOW, b"a") for number in range(attack.slow)]
        tasks = [asyncio.create_task(work) for work in [*works, self.logins()]]
        while not stop.is_set():
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        report.put({"seen": dict(self.seen), "waiting": self.asking, "cpu_s": time.process_time()})


def strangers(attack: Attack, stop: Any, report: Any) -> None:
    """The process of the crowd."""
    os.nice(19)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(Crowd(attack).run(stop, report))


newcomers = itertools.count(1)


async def paced(asked: Request, rate: float, new: bool, seconds: float) -> list[float]:
    """How long each took, in milliseconds, from when it was due: a late one makes the next ones late, too. `new`:
    each from an address that nobody came from before, which may be told to come again: then it took infinitely long."""
    loop, data, code = asyncio.get_running_loop(), asked.data, asked.code
    _, connection = await loop.create_connection(Connection, "127.0.0.1", asked.port)
    took, begun = [], time.perf_counter()
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if new:
            connection.transport.close()
            address = (f"127.0.1.{next(newcomers)}", 0)
            _, connection = await loop.create_connection(Connection, "127.0.0.1", asked.port, local_addr=address)
        found = await connection.ask(data)
        if found != code and not (new and found == 503):
            raise SystemExit(f"{data[:60]!r}: {found}")
        took.append((time.perf_counter() - due) * 1000 if found == code else math.inf)
    connection.transport.close()
    return took


Ask = Callable[[float], Awaitable[list[float]]]


def asks(state: Path) -> tuple[dict[str, Ask], int]:
    """What users do, and identity's port; makes the servers first."""
    variables = environment(state)
    url = variables["OS_AUTH_URL"].removesuffix("/v3")
    admin = Session(url, variables["OS_USERNAME"], variables["OS_PASSWORD"], variables["OS_REGION_NAME"])
    image = admin.request("GET", "image", "/images")["images"][0]["id"]
    flavor = admin.request("GET", "compute", "/flavors")["flavors"][0]["id"]
    for number in range(10):
        server = {"name": f"s{number}", "imageRef": image, "flavorRef": flavor}
        admin.request("POST", "compute", "/servers", {"server": server})
    user = {"name": variables["OS_USERNAME"], "password": variables["OS_PASSWORD"], "domain": {"id": "default"}}
    login = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}).encode()
    token, compute = admin.token, admin.url("compute")
    validation = request("GET", f"{url}/v3/auth/tokens", X_Auth_Token=token, X_Subject_Token=token)
    wanted = {
        "validate a token": (validation, RATE, False),
        "list 10 servers": (request("GET", f"{compute}/servers", X_Auth_Token=token), RATE, False),
        "a right login": (request("POST", f"{url}/v3/auth/tokens", 201, login), 2.0, False),
        "a right login, new address": (request("POST", f"{url}/v3/auth/tokens", 201, login), 2.0, True),
    }

    def ask(name: str) -> Ask:
        return lambda seconds: paced(*wanted[name], seconds)

    return {name: ask(name) for name in wanted}, urlsplit(url).port or 80


async def measured(found: dict[str, Ask], seconds: float) -> dict[str, list[float]]:
    """All of them beside each other."""
    return dict(zip(found, await asyncio.gather(*(ask(seconds) for ask in found.values())), strict=True))


@contextmanager
def attacked(attack: Attack) -> Iterator[Any]:
    """Meanwhile the crowd is at it; what it has to tell is put into what this gives, at the end."""
    context = multiprocessing.get_context("spawn")
    stop, report, told = context.Event(), context.Queue(), {}
    process = context.Process(target=strangers, args=(attack, stop, report))
    process.start()
    try:
        yield told
        stop.set()
        told |= report.get(timeout=20)
    finally:
        stop.set()
        process.join(10)
        if process.is_alive():
            process.kill()


def row(name: str, took: list[float]) -> str:
    """A line of the table."""
    ordered = sorted(one for one in took if one < math.inf)
    later = f", {len(took) - len(ordered)} of {len(took)} told to come again" if len(ordered) < len(took) else ""
    if not ordered:
        return f"{name:42s}{later.removeprefix(',')}"
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"{name:42s} p50 {p50:8.2f} ms, p99 {p99:8.2f} ms, worst {ordered[-1]:8.2f} ms{later}"


def main() -> int:
    """Start, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each of the two measurements")
    parser.add_argument("--before", type=float, default=13.0, help="seconds of attack before: deadlines fall into it")
    parser.add_argument("--logins", type=int, default=500, help="wrong ones in a second")
    parser.add_argument("--sources", type=int, default=4, help="addresses that strangers come from")
    parser.add_argument("--half-open", type=int, default=1200)
    parser.add_argument("--slow", type=int, default=200, help="bodies of which a byte a second comes")
    parser.add_argument("--port-base", type=int, default=27000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    state = Path(f"/var/tmp/cumulet-attack-{os.getpid()}")
    launch(state, "up", "--simulated", "3", "--port-base", str(args.port_base))
    try:
        pid = next(one["pid"] for one in status(state)["processes"] if one["name"] == "controller")
        users, port = asks(state)
        time.sleep(2)
        quiet = uvloop.run(measured(users, args.seconds))
        with attacked(Attack(port, args.logins, args.sources, args.half_open, args.slow)) as told:
            time.sleep(args.before)
            cpu, begun = cpu_s(pid), time.perf_counter()
            busy = uvloop.run(measured(users, args.seconds))
            wall = time.perf_counter() - begun
            cores = (cpu_s(pid) - cpu) / wall
            files = len(os.listdir(f"/proc/{pid}/fd"))
    finally:
        launch(state, "down", "--purge")
    for when, took in (("quiet", quiet), ("under attack", busy)):
        for name, one in took.items():
            print(row(f"{name}, {when}", one))
    share = told["cpu_s"] / (wall + args.before)
    print(f"the controller took {cores:.2f} cores and had {files} files open; the strangers took {share:.2f} cores")
    print("strangers were answered " + ", ".join(f"{name}: {n}" for name, n in sorted(told["seen"].items())))
    if args.json:
        args.json.write_text(json.dumps({"quiet": quiet, "busy": busy, "cores": cores, **told}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
