"""What moving an image's bytes costs, beside what the machine needs for the bytes alone, in one run.

    python bench/image_bytes.py [--mib 512] [--runs 3] [--glance PORT]

The floor of an upload is a copy of the file with fsync, and MD5 and SHA-512 over it one after the other; the floor of a
download is a copy. The image service runs in a process of its own as the controller runs it (uvloop, a database that
survives power loss); the client sends and takes bytes by the kernel's shortest way, so that what is measured is the
service. The best of the runs counts: others use the machine as well. With ``--glance`` the same is asked of a Glance on
that port of this machine, in turn with ours: one without a token check (the paste flavor of no name), under uWSGI with
two processes, its folder on the same disk.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

SERVER = """
import sys
from pathlib import Path
import uvloop
from cumulet.auth import Policy
from cumulet.http.app import App
from cumulet.http.mount import Mount
from cumulet.http.server import listen, serve
from cumulet.services.image.api import load
from cumulet.services.image.context import ImageContext
from cumulet.db import Database, metadata
from tests.services.serving import authenticate
folder, service = Path(sys.argv[1]), load()
db = Database(folder / "state.db")
metadata.create_all(db.engine)
sock = listen("127.0.0.1", 0)
port = sock.getsockname()[1]
mount = Mount(service, ImageContext(folder / "images"), Policy(service.rules))
print(port, flush=True)
sys.setswitchinterval(0.001)
uvloop.run(serve(App(db, {port: mount}, authenticate), [sock]))
"""


def timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    target.unlink()


def hashes(source: Path) -> None:
    for name in ("md5", "sha512"):
        with source.open("rb") as file:
            hashlib.file_digest(file, name)


def upload(port: int, image_id: str, source: Path) -> None:
    """PUT the file by sendfile."""
    with socket.create_connection(("127.0.0.1", port)) as sock, source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: demo\r\n"
        sock.sendall(f"{head}Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n".encode())
        sock.sendfile(file)
        answer = sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 204"), answer


def download(port: int, image_id: str, size: int) -> None:
    """GET the bytes into memory that is used again and again."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"GET /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: demo\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        assert head.startswith(b"HTTP/1.1 200"), head
        got = len(head.partition(b"\r\n\r\n")[2])
        room = memoryview(bytearray(1 << 20))
        while got < size:
            count = sock.recv_into(room)
            assert count, "the download ended early"
            got += count


def rows(ports: dict[str, int], source: Path, runs: int) -> dict[str, float]:
    """Best time of each row, in seconds. `ports` are services by the prefix of their rows."""
    size, best = source.stat().st_size, dict[str, float]()

    def note(name: str, work: Callable[[], None]) -> None:
        best[name] = min(best.get(name, 1e9), timed(work))

    for _ in range(runs):
        note("cp", lambda: copy(source, source.with_suffix(".copy")))
        note("hashes", lambda: hashes(source))
        for prefix, port in ports.items():
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-Auth-Token": "demo"}) as client:
                made = client.post("/v2/images", json={"disk_format": "raw", "container_format": "bare"}).json()["id"]
                note(f"{prefix}upload", lambda: upload(port, made, source))  # noqa: B023
                note(f"{prefix}download", lambda: download(port, made, size))  # noqa: B023
                client.delete(f"/v2/images/{made}")
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--glance", type=int, metavar="PORT", help="a Glance to measure beside")
    asked = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    path = os.pathsep.join((str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            for _ in range(asked.mib):
                file.write(os.urandom(1 << 20))
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, folder], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            ports = {"": int(server.stdout.readline()), **({"glance ": asked.glance} if asked.glance else {})}
            best = rows(ports, source, asked.runs)
        finally:
            server.terminate()
            server.wait()
    for name, seconds in best.items():
        print(f"{name:<16}{seconds:8.2f} s {asked.mib / seconds:8.0f} MiB/s")
    floor = best["cp"] + best["hashes"]
    print(f"upload takes {best['upload'] / floor:.2f} of cp and two hashes, download {best['download'] / floor:.2f}")


if __name__ == "__main__":
    main()
