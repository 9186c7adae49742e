"""Image bytes: what comes in comes out, and an upload that fails or dies leaves nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.db import Database, metadata
from cumulet.db.dialects import Sqlite
from cumulet.services.image import door
from cumulet.services.image.context import ImageContext
from cumulet.services.image.loops import recover_uploads
from cumulet.services.image.model import upload
from cumulet.services.image.model.stores import StoreFull
from cumulet.services.image.model.stores.file import FileStore, _FileWriting
from cumulet.services.image.tables import images
from tests.services.image.conftest import OCTETS, RAW, Images, made
from tests.services.serving import PROJECTS, caller


def test_upload_and_download(glance: Images, demo: httpx.Client) -> None:
    path = f"/v2/images/{made(demo)['id']}"
    assert demo.get(f"{path}/file").status_code == 204
    whole = b"\0" * 512 + os.urandom(9 << 20)
    assert demo.put(f"{path}/file", content=whole, headers=OCTETS).status_code == 204
    shown = demo.get(path).json()
    assert shown["status"] == "active" and shown["size"] == shown["virtual_size"] == len(whole)
    assert shown["checksum"] == hashlib.md5(whole).hexdigest()
    assert shown["os_hash_algo"] == "sha512" and shown["os_hash_value"] == hashlib.sha512(whole).hexdigest()
    got = demo.get(f"{path}/file")
    assert got.content == whole and got.headers["content-md5"] == shown["checksum"]
    assert int(got.headers["content-length"]) == len(whole)
    assert glance.files() == [shown["id"]]
    again = demo.put(f"{path}/file", content=b"other", headers=OCTETS)
    assert again.status_code == 409 and "from active to saving is not allowed" in again.json()["message"]
    assert demo.get(f"{path}/file").content == whole and glance.files() == [shown["id"]]
    assert demo.delete(path).status_code == 204 and glance.files() == []


def test_the_door(glance: Images, demo: httpx.Client) -> None:
    kernel = made(demo, disk_format="aki", container_format="aki")["id"]
    image = made(demo, kernel_id=kernel, hw_x="y", min_ram=5)
    with glance.running.db.read() as tx:
        assert door.data_path(tx, glance.context, image["id"]) is None
    demo.put(f"/v2/images/{image['id']}/file", content=b"x" * 1024, headers=OCTETS)
    with glance.running.db.read() as tx:
        path = door.data_path(tx, glance.context, image["id"])
        assert path is not None and path.read_bytes() == b"x" * 1024
        assert path.stat().st_mode & 0o777 == 0o600
        found = door.boot_image(tx, caller("demo"), False, image["id"])
        assert found is not None and (found.status, found.size, found.min_ram) == ("active", 1024, 5)
        assert found.kernel is not None and (found.kernel.id, found.kernel.status) == (kernel, "queued")
        assert found.ramdisk is None and found.properties["hw_x"] == "y"
        assert door.boot_image(tx, caller("other"), False, image["id"]) is None
        assert door.boot_image(tx, caller("other"), True, image["id"]) is not None
        assert door.names(tx, [image["id"], "nope"]) == {image["id"]: "r"}


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=0-9", 0, 9), ("bytes=1000-", 1000, 1023), ("bytes=-24", 1000, 1023)]
)
def test_ranges(demo: httpx.Client, asked: str, first: int, last: int) -> None:
    path, whole = f"/v2/images/{made(demo)['id']}/file", bytes(range(256)) * 4
    demo.put(path, content=whole, headers=OCTETS)
    answer = demo.get(path, headers={"Range": asked})
    assert answer.status_code == 206 and answer.content == whole[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/1024"
    for bad in ("bytes=1024-", "bytes=5-4", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
        assert demo.get(path, headers={"Range": bad}).status_code == 416


def test_an_upload_needs_formats_and_its_media_type(glance: Images, demo: httpx.Client) -> None:
    bare = demo.post("/v2/images", json={"name": "x"}).json()
    answer = demo.put(f"/v2/images/{bare['id']}/file", content=b"x", headers=OCTETS)
    assert answer.status_code == 400
    assert answer.json()["message"] == "Properties disk_format, container_format must be set prior to saving data."
    text = demo.put(f"/v2/images/{made(demo)['id']}/file", content=b"x", headers={"Content-Type": "text/plain"})
    assert text.status_code == 415 and glance.files() == []


def test_a_short_upload_leaves_nothing(glance: Images, demo: httpx.Client) -> None:
    image = made(demo)
    half_upload(glance, image["id"], announced=10 << 20, sent=5 << 20).close()
    wait_for(lambda: demo.get(f"/v2/images/{image['id']}").json()["status"] == "queued" and glance.files() == [])
    done = demo.put(f"/v2/images/{image['id']}/file", content=b"x" * 1024, headers=OCTETS)
    assert done.status_code == 204


def test_a_wrong_size_is_refused(glance: Images, demo: httpx.Client) -> None:
    path = f"/v2/images/{made(demo)['id']}"

    def pieces():  # type: ignore[no-untyped-def]
        yield b"x" * 1000

    sent = {**OCTETS, "X-OpenStack-Image-Size": "1001"}
    assert demo.put(f"{path}/file", content=pieces(), headers=sent).status_code == 400
    assert demo.get(path).json()["status"] == "queued" and glance.files() == []


def test_an_upload_that_stalls_is_given_up(glance: Images, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "IDLE_S", 0.5)
    image = made(demo)
    with begun_upload(glance, image["id"], announced=2000, sent=1000) as sock:
        sock.settimeout(60)
        assert sock.recv(100).startswith(b"HTTP/1.1 408")
    assert demo.get(f"/v2/images/{image['id']}").json()["status"] == "queued" and glance.files() == []


def begun_upload(glance: Images, image_id: str, *, announced: int, sent: int) -> socket.socket:
    """Begin an upload and leave it hanging."""
    sock = socket.create_connection(("127.0.0.1", glance.running.port))
    head = (
        f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: demo\r\n"
        f"Accept: application/json\r\nContent-Type: application/octet-stream\r\nContent-Length: {announced}\r\n\r\n"
    )
    sock.sendall(head.encode() + b"x" * sent)
    return sock


def half_upload(glance: Images, image_id: str, *, announced: int, sent: int) -> socket.socket:
    """Begin an upload and leave it hanging; returns when its file is there and the record says so."""
    sock = begun_upload(glance, image_id, announced=announced, sent=sent)
    wait_for(lambda: any(name.endswith(".part") for name in glance.files()))
    with glance.client("demo") as client:
        wait_for(lambda: client.get(f"/v2/images/{image_id}").json()["status"] == "saving")
    return sock


def wait_for(condition, seconds: float = 20) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_second_upload_is_refused_while_one_runs(glance: Images, demo: httpx.Client) -> None:
    image = made(demo)
    sock = half_upload(glance, image["id"], announced=2000, sent=1000)
    second = demo.put(f"/v2/images/{image['id']}/file", content=b"y" * 10, headers=OCTETS)
    assert second.status_code == 409 and len(glance.files()) == 1
    recover_uploads(glance.running.db, glance.context)
    assert demo.get(f"/v2/images/{image['id']}").json()["status"] == "saving", "a living upload is left alone"
    sock.sendall(b"x" * 1000)
    assert sock.recv(100).startswith(b"HTTP/1.1 204")
    sock.close()
    assert demo.get(f"/v2/images/{image['id']}").json()["size"] == 2000


SERVER = """
import sys, time
from pathlib import Path
from cumulet.services.image.api import load
from cumulet.services.image.context import ImageContext
from tests.services.serving import running
folder = Path(sys.argv[1])
with running(load(), ImageContext(folder / "images"), folder / "state.db") as served:
    print(served.port, flush=True)
    time.sleep(60)
"""


def test_a_killed_upload_leaves_no_half_image(tmp_path: Path) -> None:
    words = [sys.executable, "-c", SERVER, str(tmp_path)]
    environ = os.environ | {"CUMULET_TEST_DATABASE": "sqlite"}  # the file that this process opens afterwards
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environ)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    context = ImageContext(tmp_path / "images")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-Auth-Token": "demo"}) as client:
        image = client.post("/v2/images", json=RAW).json()
        whole = client.post("/v2/images", json=RAW).json()
        client.put(f"/v2/images/{whole['id']}/file", content=b"x" * 1024, headers=OCTETS)
        sock = socket.create_connection(("127.0.0.1", port))
        head = f"PUT /v2/images/{image['id']}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: demo\r\n"
        sock.sendall(f"{head}Content-Type: application/octet-stream\r\nContent-Length: 99999999\r\n\r\n".encode())
        sock.sendall(b"x" * (9 << 20))
        wait_for(lambda: client.get(f"/v2/images/{image['id']}").json()["status"] == "saving")
    process.send_signal(signal.SIGKILL)
    process.wait()
    sock.close()
    stray = context.folder / "8d1d5c30-0000-4000-8000-000000000000"
    stray.write_bytes(b"an upload that died between its name and its record")
    db = Database(tmp_path / "state.db")
    metadata.create_all(db.engine)
    assert [path for path in context.folder.iterdir() if re.search(r"\.part$", path.name)]
    for _ in range(2):
        recover_uploads(db, context)
        assert sorted(context.folder.iterdir()) == sorted([context.path(whole["id"]), context.folder / "lost"])
        assert [kept.id for kept in context.folders[0].lost] == [stray.name], "it may be an image of rows that are lost"
    with db.read() as tx:
        again = door.boot_image(tx, caller("demo"), False, image["id"])
        kept = door.boot_image(tx, caller("demo"), False, whole["id"])
    assert again is not None and again.status == "queued" and again.size is None
    assert kept is not None and kept.status == "active"
    db.close()


def test_a_download_that_nobody_waits_for_ends(
    glance: Images, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = made(demo)
    demo.put(f"/v2/images/{image['id']}/file", content=b"x" * 1024, headers=OCTETS)
    size = 256 << 20
    os.truncate(glance.context.path(image["id"]), size)
    with glance.running.db.transaction() as tx:
        tx.update(images, images.c.id == image["id"], size=size)
    read: list[int] = []

    def pread(fd: int, count: int, at: int) -> bytes:
        read.append(at)
        return real(fd, count, at)

    real = os.pread
    monkeypatch.setattr(os, "pread", pread)
    sock = socket.create_connection(("127.0.0.1", glance.running.port))
    sock.sendall(f"GET /v2/images/{image['id']}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: demo\r\n\r\n".encode())
    assert sock.recv(1)
    sock.close()
    path = str(glance.context.path(image["id"]))
    wait_for(lambda: path not in [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")])
    assert len(read) < 64, "the rest of the file was not read for nobody"


def test_what_the_door_shows_is_what_the_api_shows(
    glance: Images, demo: httpx.Client, other: httpx.Client, admin: httpx.Client
) -> None:
    made_by = [
        (owner, made(owner, visibility=visibility))
        for owner in (demo, other, admin)
        for visibility in ("private", "shared", "community")
    ]
    made_by.append((admin, made(admin, visibility="public")))
    shared = made(demo)
    demo.post(f"/v2/images/{shared['id']}/members", json={"member": PROJECTS["other"]})
    for _, image in [*made_by, (demo, shared)]:
        for token, client in (("demo", demo), ("other", other), ("admin", admin)):
            with glance.running.db.read() as tx:
                found = door.boot_image(tx, caller(token), token == "admin", image["id"])
            assert (found is not None) == (client.get(f"/v2/images/{image['id']}").status_code == 200)


@pytest.mark.parametrize(("verb", "end"), [("GET", "file"), ("PUT", "file"), ("PUT", "stage")])
def test_who_sees_no_image_is_not_told_of_it(glance: Images, verb: str, end: str) -> None:
    """Glance hides what somebody may not look at, from its bytes too: a community image from who is no reader."""
    with glance.client("demo") as demo, glance.client("service") as nobody:
        image = made(demo, visibility="community")
        answer = nobody.request(verb, f"/v2/images/{image['id']}/{end}", content=b"x", headers=OCTETS)
        assert nobody.get(f"/v2/images/{image['id']}").status_code == answer.status_code == 404


def test_threads_that_move_bytes_stand_back_for_those_that_answer(tmp_path: Path) -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert ImageContext(tmp_path / "images").workers.threads.submit(priority).result() == min(19, priority() + 10)


def test_a_store_that_hangs_holds_up_uploads_alone(
    glance: Images, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More uploads wait for the disk than there are threads for operations; everything else goes on."""
    goes_on, waiting, write = threading.Event(), threading.Semaphore(0), _FileWriting.write

    def hang(self: _FileWriting, block: bytes) -> None:
        waiting.release()
        assert goes_on.wait(60)
        write(self, block)

    monkeypatch.setattr(_FileWriting, "write", hang)
    paths = [f"/v2/images/{made(demo)['id']}/file" for _ in range(15)]

    def upload(path: str) -> int:
        with glance.client("demo") as client:
            return client.put(path, content=b"x" * (9 << 20), headers=OCTETS).status_code

    with ThreadPoolExecutor(len(paths)) as pool:
        try:
            uploads = [pool.submit(upload, path) for path in paths]
            assert all(waiting.acquire(timeout=30) for _ in paths)
            time.sleep(0.5)  # the next blocks come in, and wait for the first
            assert demo.get("/v2/images", timeout=10).status_code == 200
        finally:
            goes_on.set()
        assert [done.result() for done in uploads] == [204] * len(paths)


def test_a_full_disk_that_the_database_is_on(
    glance: Images, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding B9: 413 as in Glance. What came gives its room back before a row is written; the row follows later."""
    image, db, write = made(demo), glance.running.db, _FileWriting.write
    full, held = threading.Event(), list[int]()

    def fills(self: _FileWriting, block: bytes) -> None:
        if os.fstat(self._fd or 0).st_size:
            full.set()
            raise StoreFull("there is not enough disk space on the image storage media.")
        write(self, block)

    def begin(driver: Any, *, writes: bool) -> None:
        if writes and full.is_set():
            opened = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
            ours = [fd for fd in opened if os.path.realpath(fd).startswith(str(glance.context.folder))]
            held.extend(os.stat(fd).st_size for fd in ours)
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        real(driver, writes=writes)

    real = db.kind.begin
    monkeypatch.setattr(_FileWriting, "write", fills)
    monkeypatch.setattr(db.kind, "begin", begin)
    monkeypatch.setattr(db.kind, "trouble", Sqlite.trouble.__get__(db.kind))
    answer = demo.put(f"/v2/images/{image['id']}/file", content=b"x" * (9 << 20), headers=OCTETS)
    assert answer.status_code == 413 and "not enough disk space" in answer.text
    assert held and not any(held), "the file of the upload is open, and empty"
    assert glance.files() == [] and demo.get(f"/v2/images/{image['id']}").json()["status"] == "saving"
    full.clear()
    glance.look_after()
    wait_for(lambda: demo.get(f"/v2/images/{image['id']}").json()["status"] == "queued")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES])
def test_a_folder_that_takes_nothing(
    glance: Images, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """503 with a sentence, and the image waits for better times."""
    image = made(demo)

    def refused(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileStore, "create", refused)
    for way in ("file", "stage"):
        answer = demo.put(f"/v2/images/{image['id']}/{way}", content=b"x", headers=OCTETS)
        assert answer.status_code == 503 and "image storage media" in answer.text
    assert demo.get(f"/v2/images/{image['id']}").json()["status"] == "queued"
