"""A disk that fills, with the real controller on it (B9): what grows is refused before it fails, what deletes goes on,
nothing is ever a 500, `status` says so, and all heals when there is room.

The disk is a small file system in memory that is mounted for the test alone; without root the same is asked with errors
that are put in.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet import space
from cumulet.db import Database, trouble
from cumulet.db.reserve import Reserve
from cumulet.space import Room
from tests.again import FEW_PLUGINS, PYTEST
from tests.assembled import Assembled

INSIDE = "CUMULET_TEST_INSIDE_NAMESPACE"
MB = 1 << 20
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Assembled]:
    found = Assembled(tmp_path / "state")
    yield found
    found.close()


def _room(cloud: Assembled) -> Room:
    found = cloud.controller.app.room
    assert found is not None
    return found


def report(cloud: Assembled) -> list[str]:
    """Codes of the controller's own problems."""
    secret = cloud.controller.settings.secret("operator_secret")
    answer = cloud.ask("link", "GET", "/v1/status", headers={"authorization": f"Bearer {secret}"})
    assert answer.status == 200, answer.body
    return [row["code"] for row in answer.json["problems"]]


def new_image(cloud: Assembled, name: str = "x") -> str:
    body = {"name": name, "disk_format": "raw", "container_format": "bare"}
    answer = cloud.ask("image", "POST", "/v2/images", token=cloud.admin, body=body)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def upload(cloud: Assembled, image_id: str, data: bytes) -> Any:
    headers = {"content-type": "application/octet-stream"}
    return cloud.ask("image", "PUT", f"/v2/images/{image_id}/file", token=cloud.admin, body=data, headers=headers)


@root
@pytest.mark.root
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """In a process with a mount namespace of its own, as a file system cannot be mounted for a thread."""
    words = [*PYTEST, "-q", "-x", f"{__file__}::test_inside"]
    env = os.environ | FEW_PLUGINS | {INSIDE: str(tmp_path)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and (tmp_path / "went-through").exists(), done.stdout


@pytest.mark.skipif(INSIDE not in os.environ, reason="is run by the test above")
def test_inside() -> None:
    place = Path(os.environ[INSIDE]) / "small"
    place.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x20000) == 0  # CLONE_NEWNS
    assert libc.mount(b"none", b"/", None, 16384 | (1 << 18), None) == 0  # all of it private
    assert libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, b"size=40m") == 0
    cloud = Assembled(place / "state")
    try:
        fill_and_empty(cloud, place)
        (place.parent / "went-through").touch()
    finally:
        cloud.close()


def fill_and_empty(cloud: Assembled, place: Path) -> None:
    assert cloud.admin and cloud.member
    image_id, other = new_image(cloud), new_image(cloud)
    assert upload(cloud, image_id, bytes(6 * MB)).status == 204
    assert (cloud.controller.settings.database.parent / "reserve").stat().st_blocks > 0  # type: ignore[union-attr]
    assert report(cloud) == []
    ballast = place / "somebody-elses"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.of(place).free_bytes - MB * 3 // 2)
    _room(cloud)._looked = 0.0
    refused = upload(cloud, other, b"x")
    assert refused.status == 413 and "nearly full" in refused.body.decode() and refused.headers["retry-after"] == "60"
    with ballast.open("ab") as file:
        os.posix_fallocate(file.fileno(), ballast.stat().st_size, space.of(place).free_bytes)
    assert space.of(place).free_bytes == 0
    for number in range(3):
        answer = cloud.ask(
            "identity", "POST", "/v3/projects", token=cloud.admin, body={"project": {"name": f"p{number}"}}
        )
        assert answer.status in (201, 503), answer.body
    free = space.of(place).free_bytes
    assert cloud.ask("image", "DELETE", f"/v2/images/{image_id}", token=cloud.admin).status == 204
    assert space.of(place).free_bytes > free + 5 * MB, "the image's bytes are still there"
    ballast.unlink()
    _room(cloud)._looked = 0.0
    assert upload(cloud, other, bytes(MB)).status == 204
    assert report(cloud) == []


def test_what_grows_is_refused_and_what_frees_is_not(cloud: Assembled, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id, other = new_image(cloud), new_image(cloud)
    assert upload(cloud, image_id, b"bytes").status == 204
    monkeypatch.setattr(space, "of", lambda _folder: space.Space(4, 100))
    _room(cloud)._looked = 0.0
    refused = [
        upload(cloud, other, b"bytes"),
        cloud.ask("image", "POST", f"/v2/images/{other}/import", token=cloud.admin, body={"method": {"name": "x"}}),
        cloud.ask("compute", "POST", "/v2.1/servers", token=cloud.admin, body={"server": {}}),
    ]
    for answer in refused:
        assert answer.headers["retry-after"] == "60", answer.body
        assert "less than 5 %" in answer.body.decode()
    # As Glance's storage that is full: the client waits five minutes for an upload that is 503, and says nothing.
    assert [answer.status for answer in refused] == [413, 413, 503]
    assert "serviceUnavailable" in refused[2].json
    assert cloud.ask("image", "DELETE", f"/v2/images/{image_id}", token=cloud.admin).status == 204
    monkeypatch.undo()
    _room(cloud)._looked = 0.0
    assert upload(cloud, other, b"bytes").status == 204


def test_the_rest_of_a_disk_is_for_deleting(cloud: Assembled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small writes, made again and again, use up the reserve: then nobody could delete any more."""
    member, image_id = cloud.member, new_image(cloud)
    made = cloud.ask("network", "POST", "/v2.0/networks", token=member, body={"network": {}}).json["network"]["id"]
    monkeypatch.setattr(space, "of", lambda _folder: space.Space(8 * MB, 1 << 40))
    _room(cloud)._rows_looked = 0.0
    refused = [
        cloud.ask("network", "PUT", f"/v2.0/networks/{made}", token=member, body={"network": {"name": "y"}}),
        cloud.ask("network", "POST", "/v2.0/networks", token=member, body={"network": {}}),
        cloud.ask("compute", "POST", "/v2.1/servers/none/action", token=member, body={"os-start": None}),
        cloud.ask("identity", "POST", "/v3/projects", token=cloud.admin, body={"project": {"name": "p"}}),
    ]
    for answer in refused:
        assert answer.status == 503 and answer.headers["retry-after"] == "60", answer.body
        assert "kept for deleting" in answer.body.decode()
    assert cloud.ask("image", "POST", "/v2/images", token=member, body={"name": "i"}).status == 413
    user = {"name": "demo", "domain": {"id": "default"}, "password": cloud.secret("demo")}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    assert cloud.ask("identity", "POST", "/v3/auth/tokens", body=login).status == 201
    assert cloud.ask("network", "GET", "/v2.0/networks", token=member).status == 200
    assert cloud.ask("network", "DELETE", f"/v2.0/networks/{made}", token=member).status == 204
    assert cloud.ask("image", "DELETE", f"/v2/images/{image_id}", token=cloud.admin).status == 204
    monkeypatch.undo()
    assert cloud.ask("network", "POST", "/v2.0/networks", token=member, body={"network": {}}).status == 201


@pytest.mark.parametrize(
    ("code", "word", "problem"),
    [
        (sqlite3.SQLITE_FULL, "is full", "disk-full"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "can only be read", "disk-read-only"),
        (sqlite3.SQLITE_CORRUPT_INDEX, "is damaged", "database-damaged"),
        (sqlite3.SQLITE_BUSY, "does not answer", "database-refuses"),
        (sqlite3.SQLITE_IOERR_WRITE, "does not answer", "database-refuses"),
    ],
)
def test_a_write_that_is_refused(
    cloud: Assembled,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
    word: str,
    problem: str,
) -> None:
    """A 503 with a sentence in every service's own words, a problem until a write goes through, and no traceback."""
    token, db = cloud.admin, cloud.controller.db

    def refuse(_driver: Any, *, writes: bool) -> None:
        if writes:
            error = sqlite3.OperationalError("no")
            error.sqlite_errorcode = code
            raise error
        begin(_driver, writes=writes)

    begin = db.kind.begin
    monkeypatch.setattr(db.kind, "begin", refuse)
    project = cloud.ask("identity", "POST", "/v3/projects", token=token, body={"project": {"name": "p"}})
    network = cloud.ask("network", "POST", "/v2.0/networks", token=token, body={"network": {}})
    image = cloud.ask("image", "POST", "/v2/images", token=token, body={}, headers={"accept": "application/json"})
    assert [answer.status for answer in (project, network, image)] == [503] * 3, project.body
    for sentence in (project.json["error"]["message"], network.json["NeutronError"]["message"], image.json["message"]):
        assert word in sentence and "sqlite" not in sentence
    assert int(network.headers["retry-after"]) > 0
    assert report(cloud) == [problem]
    monkeypatch.undo()
    assert cloud.ask("network", "POST", "/v2.0/networks", token=token, body={"network": {}}).status == 201
    assert report(cloud) == [] and "Traceback" not in caplog.text


def test_errors_of_files_and_of_postgresql() -> None:
    class Operational(Exception):
        sqlstate = None

    class Full(Exception):
        sqlstate = "53100"

    assert trouble.of_postgresql(Full(), Operational) == "full"
    assert trouble.of_postgresql(Operational(), Operational) == "away"
    assert trouble.of_postgresql(ValueError(), Operational) is None
    assert [trouble.of_system(OSError(number, "x")) for number in (errno.ENOSPC, errno.EROFS, errno.ENOENT)] == [
        "full",
        "read-only",
        None,
    ]


def test_the_reserve_is_given_up_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = Database(tmp_path / "db.sqlite")
    held = {"room": space.Space(1 << 30, 1 << 30)}
    monkeypatch.setattr(space, "of", lambda _folder: held["room"])
    for room, there in ((held["room"], True), (space.Space(0, 1 << 30), False), (held["room"], True)):
        held["room"] = room
        assert isinstance(db._reserve, Reserve)
        db._reserve._looked = 0.0
        with db.transaction():
            pass
        assert (tmp_path / "reserve").exists() is there
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 2 * MB
    db.close()
