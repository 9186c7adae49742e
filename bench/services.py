"""Measures light calls of every service and whole boots against the floor, in one run, and prints ratios.

    PYTHONPATH=src .venv/bin/python bench/services.py [--rounds 5] [--against CHECKOUT] [--json out.json]

The floor is an answer that stands ready, given by the same HTTP server in a process of its own, asked by the same
client. Every row is measured in turn for a second or two, round after round, so that what else the machine does
meanwhile meets all rows alike; a row's figure is the median of its rounds, and its ratio to the floor hardly depends on
the machine. The client sends bytes made beforehand over connections that stay open and looks at status and length
alone, so that what is measured is the server. `--against`: a second cloud of another checkout, in the same rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop
from journeys import Journey
from run import FIGURES, ROOT, environment, launch, lift_quotas, status

from cumulet.cli.api_client import Session
from cumulet.http.server import listen, serve
from cumulet.services.identity.model import passwords

ROWS = {
    "floor": None,
    "health check": None,
    "token issue": "a token issue",
    "token validate": "b token validate",
    "image list": "d GET images",
    "candidates": "l GET allocation_candidates",
    "network list": None,
    "server list": None,
    "server show": None,
    "image made": None,
    "network made": None,
    "port made": None,
    "server booted": None,
}
"""Row → the row of OpenStack's figures. The last four make something and remove it again; their p50 is from the request
until it is there (of a server: ACTIVE), their rate counts whole rounds."""
CANDIDATES = "/allocation_candidates?resources=VCPU:1,MEMORY_MB:64,DISK_GB:1&limit=100"


class Connection(asyncio.Protocol):
    """One client: sends a request, reads one answer with a Content-Length, and again."""

    def __init__(self) -> None:
        self.buffer = b""
        self.body = b""
        self.waiting: asyncio.Future[int] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        name = self.buffer.lower().find(b"\r\ncontent-length:", 0, head + 2)
        length = 0 if name < 0 else int(self.buffer[name + 17 : self.buffer.index(b"\r\n", name + 2)])
        if len(self.buffer) >= head + 4 + length and self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            code, self.body = int(self.buffer[9:12]), self.buffer[head + 4 : head + 4 + length]
            self.buffer = self.buffer[head + 4 + length :]
            waiting.set_result(code)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(exc or ConnectionError("closed"))

    async def ask(self, request: bytes) -> int:
        """The status of the answer; its body is in `body`."""
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.waiting


@dataclass
class Request:
    """Bytes to send, where to, the status that is right, and the process that answers when not the controller."""

    port: int
    data: bytes
    code: int = 200
    pid: int = 0


@dataclass
class Cloud:
    """A cloud that runs: its requests by row, the controller's pid, and what was found (row and clients → rounds)."""

    name: str
    requests: dict[str, Request | Journey]
    pid: int
    found: dict[tuple[str, int], list[dict[str, float]]] = field(default_factory=dict)


def request(method: str, url: str, code: int = 200, body: bytes = b"", **headers: str) -> Request:
    """The bytes of a request."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Accept: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return Request(parts.port or 80, "\r\n".join([*lines, "", ""]).encode() + body, code)


def requests(state: Path) -> dict[str, Request | Journey]:
    """What each row asks for; makes ten images, ten networks and ten servers first."""
    variables = environment(state)
    lift_quotas(variables)
    url = variables["OS_AUTH_URL"].removesuffix("/v3")
    admin = Session(url, variables["OS_USERNAME"], variables["OS_PASSWORD"], variables["OS_REGION_NAME"])
    for number in range(10):
        new = {"name": f"bench-{number}", "disk_format": "raw", "container_format": "bare", "visibility": "private"}
        admin.request("POST", "image", "/images", new)
        admin.request("POST", "network", "/networks", {"network": {"name": f"bench-{number}"}})
    shared, server = _boot(admin)
    domain = {"name": "Default"}
    user = {"name": variables["OS_USERNAME"], "password": variables["OS_PASSWORD"], "domain": domain}
    scope = {"project": {"name": variables["OS_PROJECT_NAME"], "domain": domain}}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    token = admin.token
    latest = {"OpenStack_API_Version": "placement 1.36"}
    return {
        "health check": request("GET", f"{url}/healthcheck"),
        "token issue": request("POST", f"{url}/v3/auth/tokens", 201, json.dumps(login).encode()),
        "token validate": request("GET", f"{url}/v3/auth/tokens", X_Auth_Token=token, X_Subject_Token=token),
        "image list": request("GET", f"{admin.url('image')}/images", X_Auth_Token=token),
        "candidates": request("GET", f"{admin.url('placement')}{CANDIDATES}", X_Auth_Token=token, **latest),  # type: ignore[arg-type]
        "network list": request("GET", f"{admin.url('network')}/networks", X_Auth_Token=token),
        "server list": request("GET", f"{admin.url('compute')}/servers/detail", X_Auth_Token=token),
        "server show": request("GET", f"{admin.url('compute')}/servers/{server.pop('id')}", X_Auth_Token=token),
        "image made": Journey(f"{admin.url('image')}/images", token, "", {"name": "made"}),
        "network made": Journey(f"{admin.url('network')}/networks", token, "network", {"name": "made"}),
        "port made": Journey(f"{admin.url('network')}/ports", token, "port", {"network_id": shared}),
        "server booted": Journey(f"{admin.url('compute')}/servers", token, "server", server, b'"ACTIVE"'),
    }


def _boot(admin: Session) -> tuple[str, dict[str, Any]]:
    """Ten servers on a network of their own with room for thousands: the network's id, and what one was made of, with
    the id of the last one."""
    network = admin.request("POST", "network", "/networks", {"network": {"name": "bench"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.77.0.0/16"}
    admin.request("POST", "network", "/subnets", {"subnet": subnet})
    image = admin.request("GET", "image", "/images?status=active")["images"][0]["id"]
    flavor = min(admin.request("GET", "compute", "/flavors/detail")["flavors"], key=lambda each: int(each["ram"]))
    server = {"name": "bench", "imageRef": image, "flavorRef": flavor["id"], "networks": [{"uuid": network}]}
    for _ in range(10):
        made = admin.request("POST", "compute", "/servers", {"server": server})["server"]["id"]
    while admin.request("GET", "compute", f"/servers/{made}")["server"]["status"] != "ACTIVE":
        time.sleep(0.05)
    return network, {**server, "id": made}


def cpu_s(pid: int) -> float:
    """CPU time that a process has taken."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def load(cloud: Cloud, asked: Request | Journey, clients: int, seconds: float) -> dict[str, float]:
    """Ask without pause from so many connections."""
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(Connection, "127.0.0.1", asked.port) for _ in range(clients)]
    took: list[float] = []

    async def once(connection: Connection) -> float:
        if isinstance(asked, Journey):
            return await asked.travel(connection)
        begun = time.perf_counter()
        code = await connection.ask(asked.data)
        if code != asked.code:
            raise SystemExit(f"{asked.data[:80]!r}: {code}")
        return time.perf_counter() - begun

    async def one(connection: Connection) -> None:
        await once(connection)
        while time.perf_counter() < end:
            took.append(await once(connection))

    cpu, start = cpu_s(asked.pid or cloud.pid), time.perf_counter()
    end = start + seconds
    try:
        await asyncio.gather(*[one(connection) for _, connection in opened])
    finally:
        for transport, _ in opened:
            transport.close()
    wall, asked_times = time.perf_counter() - start, len(took) + clients
    return {
        "p50_ms": statistics.median(took) * 1000,
        "p99_ms": sorted(took)[int(len(took) * 0.99)] * 1000,
        "rate": len(took) / wall,
        "cpu_ms": (cpu_s(asked.pid or cloud.pid) - cpu) / asked_times * 1000,
    }


async def measure(clouds: list[Cloud], rows: list[str], rounds: int, seconds: float) -> None:
    """The rows of all clouds in turn, round after round."""
    for number in range(rounds):
        for row in rows:
            for clients in (1, 8):
                for cloud in clouds if number % 2 else clouds[::-1]:
                    found = await load(cloud, cloud.requests[row], clients, seconds)
                    cloud.found.setdefault((row, clients), []).append(found)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)


@contextmanager
def running(name: str, checkout: Path, hosts: int, port_base: int) -> Iterator[Cloud]:
    """A cloud of a checkout, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cumulet-bench-", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)  # the controller is not root and passes through it
        state = Path(folder) / "cloud"
        launch(state, "up", "--simulated", str(hosts), "--port-base", str(port_base), checkout=checkout)
        try:
            pid = next(row["pid"] for row in status(state)["processes"] if row["name"] == "controller")
            yield Cloud(name, requests(state), pid)
        finally:
            launch(state, "down", "--purge", checkout=checkout)


class Static:
    """An answer that stands ready, as an ASGI app."""

    db = SimpleNamespace(wakeups=SimpleNamespace(close=lambda: None))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"OK"})


@contextmanager
def floor(port: int) -> Iterator[Request]:
    """The server of the floor, in a process of its own as the controller is."""
    process = subprocess.Popen([sys.executable, __file__, "--floor", str(port)])
    try:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        asked = request("GET", f"http://127.0.0.1:{port}/")
        asked.pid = process.pid
        yield asked
    finally:
        process.terminate()
        process.wait()


def middle(cloud: Cloud, row: str, clients: int, what: str) -> float:
    """The median of a row's rounds."""
    return statistics.median(found[what] for found in cloud.found[row, clients])


def hash_ms() -> float:
    """CPU of checking a password as users' passwords are kept, in this process."""
    kept = passwords.digest("correct horse battery staple")
    took = []
    for _ in range(9):
        begun = time.process_time()
        passwords.matches("correct horse battery staple", kept)
        took.append((time.process_time() - begun) * 1000)
    return statistics.median(took)


def table(cloud: Cloud) -> Iterator[str]:
    """Rows with ratios: of CPU to the floor, and of p50 and rate to OpenStack's figures. `cores`: how much of the
    machine the server had with eight clients; what others took shows there, and hardly in CPU per call."""
    yield f"-- {cloud.name}"
    yield (
        f"{'row':16s} {'p50 ms c1':>10s} {'p99 ms c1':>10s} {'per s c1':>9s} {'per s c8':>9s} {'CPU ms':>7s} "
        f"{'cores':>6s} {'floors':>7s} {'OpenStack c1, c8':>20s} {'times':>13s}"
    )
    for row in dict.fromkeys(row for row, _ in cloud.found):
        key = ROWS[row]
        p50, p99, alone = (middle(cloud, row, 1, what) for what in ("p50_ms", "p99_ms", "rate"))
        rate, cpu = (middle(cloud, row, 8, what) for what in ("rate", "cpu_ms"))
        floors = cpu / middle(cloud, "floor", 8, "cpu_ms")
        theirs: dict[str, float] = next((v for k, v in FIGURES["rows"].items() if key and k.startswith(key)), {})
        shown = f"{theirs['p50']} ms, {theirs['rps']}/s" if theirs else ""
        times = f"{theirs['p50'] / p50:.1f}, {rate / theirs['rps']:.1f}" if theirs else ""
        yield (
            f"{row:16s} {p50:10.2f} {p99:10.2f} {alone:9.0f} {rate:9.0f} {cpu:7.3f} "
            f"{rate * cpu / 1000:6.2f} {floors:7.1f} {shown:>20s} {times:>13s}"
        )


def compared(ours: Cloud, other: Cloud) -> Iterator[str]:
    """How much faster we are than the other checkout, and how much more CPU a call takes, each round against the round
    beside it. CPU tells more when others use the machine."""
    yield f"-- {ours.name} against {other.name}, medians of rounds: rate (above 1 is faster), CPU (above 1 is more)"
    for row, clients in ours.found:
        pairs = list(zip(ours.found[row, clients], other.found[row, clients], strict=True))
        rate, cpu = (statistics.median(a[what] / b[what] for a, b in pairs if b[what]) for what in ("rate", "cpu_ms"))
        yield f"{row:16s} c{clients} {rate:5.2f} {cpu:5.2f}"


def main() -> int:
    """Start, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each row in each round")
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--port-base", type=int, default=27000)
    parser.add_argument("--against", type=Path, help="another checkout, measured beside this one")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS), help="only these, and the floor")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--floor", type=int, metavar="PORT", help="only serve the floor")
    args = parser.parse_args()
    if args.floor:
        uvloop.run(serve(cast(Any, Static()), [listen("127.0.0.1", args.floor)]))
        return 0
    with ExitStack() as stack:
        clouds = [stack.enter_context(running("this checkout", ROOT, args.hosts, args.port_base))]
        if args.against:
            there = running(str(args.against), args.against, args.hosts, args.port_base + 20)
            clouds.append(stack.enter_context(there))
        ready = stack.enter_context(floor(args.port_base + 9))
        for cloud in clouds:
            cloud.requests["floor"] = ready
        rows = list(dict.fromkeys(["floor", *args.rows]))  # every other row is compared with it
        uvloop.run(measure(clouds, rows, args.rounds, args.seconds))
    for cloud in clouds:
        print("\n".join(table(cloud)))
    if args.against:
        print("\n".join(compared(*clouds)))
    proof = hash_ms()
    if "token issue" in args.rows:
        issue = middle(clouds[0], "token issue", 8, "cpu_ms")
        print(f"the hash of a password takes {proof:.1f} ms of CPU: {proof / issue:.0%} of what issuing a token takes")
    if args.json:
        told = {cloud.name: {f"{row} c{n}": rounds for (row, n), rounds in cloud.found.items()} for cloud in clouds}
        args.json.write_text(json.dumps({"hash_ms": proof, **told}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
