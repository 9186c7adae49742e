"""How long the image list takes while images are sent and fetched beside it, four of each at once.

    PYTHONPATH=src .venv/bin/python bench/while_busy.py [--mib 64] [--seconds 10] [--json out.json]

Makes a simulated cloud, asks for the list of images from one connection without pause, first with nothing else going
on and then while processes move images of that size, again and again, and prints the median and the 99th
percentile of both, with what was moved meanwhile. The movers read and write as fast as they can and take processor
time of the same machine, at a low priority, which a list has to wait for as well: so the floor (an answer that stands
ready, of a server process that moves nothing) is asked in the same minutes. What it loses is the machine's doing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from run import ROOT

from services import Cloud, floor, load, running

MIB = 2**20
BLOCK = os.urandom(MIB)


@dataclass
class Image:
    """The image service, a token for it, and how large images are to be."""

    url: str
    token: str
    mib: int

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Iterator[bytes]:
        """One request over a connection of its own: the pieces of the answer. Raises SystemExit for an error."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        headers = {"X-Auth-Token": self.token, "Content-Type": kind}
        try:
            connection.request(method, f"{parts.path}{path}", body, headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise SystemExit(f"{method} {path}: {answer.status} {answer.read()!r}")
            while piece := answer.read(MIB):
                yield piece
        finally:
            connection.close()

    def make(self) -> str:
        """A record without bytes: its id."""
        new = json.dumps({"name": "moved", "disk_format": "raw", "container_format": "bare"})
        return str(json.loads(b"".join(self.ask("POST", "/images", new)))["id"])

    def put(self, image_id: str) -> None:
        """Send the bytes."""
        blocks = (BLOCK for _ in range(self.mib))
        for _ in self.ask("PUT", f"/images/{image_id}/file", blocks, "application/octet-stream"):
            pass

    def upload(self) -> None:
        """One image there and gone again."""
        image_id = self.make()
        self.put(image_id)
        for _ in self.ask("DELETE", f"/images/{image_id}"):
            pass

    def download(self, image_id: str) -> None:
        """Fetch the bytes and throw them away."""
        fetched = sum(map(len, self.ask("GET", f"/images/{image_id}/file")))
        if fetched != self.mib * MIB:
            raise SystemExit(f"{fetched} bytes of {self.mib} MiB came back")


def mover(work: Callable[[], None], stop: Any, moved: Any) -> None:
    """Do `work` until told to stop, and count. Other people's clients have machines of their own: these stand back."""
    os.nice(10)
    while not stop.is_set():
        work()
        with moved.get_lock():
            moved.value += 1


def busily(image: Image, measure: Callable[[], None], each: int) -> float:
    """`measure` while uploads and downloads go on: MiB that were moved in a second."""
    kept = image.make()
    image.put(kept)
    stop, moved = multiprocessing.Event(), multiprocessing.Value("i", 0)
    works: list[Callable[[], None]] = [image.upload] * each + [lambda: image.download(kept)] * each
    movers = [multiprocessing.Process(target=mover, args=(work, stop, moved)) for work in works]
    for process in movers:
        process.start()
    try:
        time.sleep(1)
        before, begun = moved.value, time.perf_counter()
        measure()
        rate = (moved.value - before) * image.mib / (time.perf_counter() - begun)
        if not all(process.is_alive() for process in movers):
            raise SystemExit("a mover ended: see above")
        return rate
    finally:
        stop.set()
        for process in movers:
            process.join()


def rounds(cloud: Cloud, args: argparse.Namespace) -> dict[str, Any]:
    """Idle and busy in turn, the list and the floor in each: name → what each round found."""
    asked = cloud.requests["image list"]
    head = dict(line.split(": ", 1) for line in asked.data.decode().splitlines()[1:] if ": " in line)  # type: ignore[misc, union-attr]
    image = Image(f"http://127.0.0.1:{asked.port}/v2", head["X-Auth-Token"], args.mib)
    found: dict[str, Any] = {"moved_mib_s": []}

    def measure(when: str) -> None:
        for row in ("floor", "image list"):
            one = uvloop.run(load(cloud, cloud.requests[row], 1, args.seconds))
            found.setdefault(f"{row}, {when}", []).append(one)

    for _ in range(args.rounds):
        measure("idle")
        found["moved_mib_s"].append(busily(image, lambda: measure("busy"), args.each))
    return found


def main() -> int:
    """Start, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=64, help="of each image")
    parser.add_argument("--each", type=int, default=4, help="so many uploads and so many downloads")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port-base", type=int, default=27000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with running("cloud", ROOT, 1, args.port_base) as cloud, floor(args.port_base + 9) as ready:
        cloud.requests["floor"] = ready
        found = rounds(cloud, args)
    moved = statistics.median(found.pop("moved_mib_s"))
    for name, measured in found.items():
        p50, p99 = (statistics.median(one[what] for one in measured) for what in ("p50_ms", "p99_ms"))
        print(f"{name:20s} p50 {p50:8.2f} ms, p99 {p99:8.2f} ms")
    print(f"meanwhile {args.each} uploads and {args.each} downloads of {args.mib} MiB at once moved {moved:.0f} MiB/s")
    if args.json:
        args.json.write_text(json.dumps({"moved_mib_s": moved, **found}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
