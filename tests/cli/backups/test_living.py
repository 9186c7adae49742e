"""A real simulated cloud: backed up under load, lost, and made again elsewhere; and put back while it runs."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cumulet.cli.api_client import ApiError, Session
from tests.crash.consistency import guests_of
from tests.crash.living import LivingCloud, cumulet, living
from tests.ports import free_ports

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[LivingCloud]:
    with living({}) as made:
        yield made


def ok(cloud: LivingCloud, *words: str) -> str:
    done = cumulet(cloud.state, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def shown(cloud: LivingCloud, names: str = "") -> dict[str, Any]:
    """What a user sees of the servers whose names begin so."""
    keys = ("id", "status", "addresses", "key_name", "created", "metadata")
    servers = [server for server in cloud.servers() if server["name"].startswith(names)]
    return {server["name"]: {key: server[key] for key in keys} for server in servers}


def image_bytes(cloud: LivingCloud) -> bytes:
    session: Session = cloud.demo
    parts = urlsplit(f"{cloud.settings.local_url('image')}/v2/images/{cloud.image}/file")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
    connection.request("GET", parts.path, headers={"X-Auth-Token": session.token})
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


class Load:
    """Servers that come and go, until the block ends."""

    def __init__(self, cloud: LivingCloud) -> None:
        self.cloud, self.ended, self.made = cloud, threading.Event(), 0
        self.errors: list[str] = []
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(3)]

    def _run(self, number: int) -> None:
        while not self.ended.is_set():
            try:
                server = self.cloud.create(f"load-{number}-{self.made}", metadata={"n": str(self.made)})
                self.made += 1
                if self.made % 2:
                    self.cloud.demo.request("DELETE", "compute", f"/servers/{server}")
            except ApiError as error:
                self.errors.append(str(error))

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def rows_at_rest(cloud: LivingCloud) -> bool:
    """Whether nothing disagrees but that hosts keep guests that no row knows."""
    return all(each.endswith("has no server") for each in cloud.disagreements())


def forgotten(cloud: LivingCloud) -> bool:
    """Let go of all that hosts keep; whether nothing of it is left."""
    ok(cloud, "forget", "--all", "--yes")
    return not cloud.disagreements()


def test_saved_under_load_lost_and_made_again_elsewhere(cloud: LivingCloud, tmp_path: Path) -> None:
    key, file = tmp_path / "key", tmp_path / "backup"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    ids = [cloud.create(f"base-{number}", metadata={"n": str(number)}) for number in range(10)]
    cloud.at_rest()
    before, image = shown(cloud, "base"), image_bytes(cloud)
    assert {each["status"] for each in before.values()} == {"ACTIVE"}
    with Load(cloud) as load:
        cloud.until(lambda: load.made > 5, "the load begins")
        said = ok(cloud, "backup", str(file), "--key-file", str(key), "--with-images")
        made = load.made
        cloud.until(lambda: load.made > made, "the load goes on")
    assert load.errors == [] and "read back and right" in said
    cloud.demo.request("DELETE", "compute", f"/servers/{ids[0]}")
    later = cloud.create("later")
    for name in ("controller", "node"):
        cloud.signal(name, signal.SIGKILL)
    ok(cloud, "down")
    there = Path(cloud.state.parent, "there")
    done = cumulet(there, "restore", str(file), "--key-file", str(key))
    assert done.returncode == 0, done.stderr
    try:
        done = cumulet(there, "up", "--simulated", "--port-base", str(free_ports(9)))
        assert done.returncode == 0, done.stdout + done.stderr
        again = LivingCloud(there)
        again.until(lambda: rows_at_rest(again), "what has a row is at rest")
        assert shown(again, "base") == before
        again.until(lambda: forgotten(again), "what came after the rows were read goes when somebody lets go of it", 60)
        assert later not in {server["id"] for server in again.servers()}
        assert image_bytes(again) == image
        running = {guest.id for guest in guests_of(there / "node" / "world") if guest.running}
        assert running == {server["id"] for server in again.servers()}
        again.demo.request("POST", "compute", f"/servers/{ids[1]}/action", {"os-stop": None})
        again.until(lambda: shown(again)["base-1"]["status"] == "SHUTOFF", "the nodes listen to it")
        again.create("new")
        again.at_rest()
        again.db.close()
    finally:
        cumulet(there, "down", "--purge")
    ok(cloud, "up", "--simulated")


def test_a_cloud_that_is_down_is_one_file(cloud: LivingCloud, tmp_path: Path) -> None:
    """Finding B2: who saves that one file has all rows."""
    cloud.create("saved")
    cloud.at_rest()
    count = len(cloud.servers())
    cloud.db.close()
    ok(cloud, "down")
    folder = cloud.state / "db"
    assert [path.name for path in folder.glob("cumulet*")] == ["cumulet.sqlite"]
    shutil.copy(folder / "cumulet.sqlite", tmp_path / "one")
    with sqlite3.connect(tmp_path / "one") as connection:
        alive = connection.execute("SELECT count(*) FROM compute_servers WHERE deleted_at IS NULL").fetchone()[0]
    connection.close()
    assert alive == count
    ok(cloud, "up", "--simulated")


def test_reset_of_a_running_cloud(cloud: LivingCloud) -> None:
    cloud.delete_all()
    kept = cloud.create("kept", metadata={"a": "b"})
    gone = cloud.create("gone")
    cloud.at_rest()
    ok(cloud, "snapshot", "mine")
    before, image, token = shown(cloud), image_bytes(cloud), cloud.demo.token
    assert ok(cloud, "snapshot").split() == ["furnished", "mine"]
    for _ in range(2):
        cloud.demo.request("DELETE", "compute", f"/servers/{gone}")
        cloud.demo.request("POST", "compute", f"/servers/{kept}/action", {"os-stop": None})
        cloud.demo.request("POST", "compute", f"/servers/{kept}/metadata", {"metadata": {"a": "changed"}})
        with Load(cloud) as load:
            cloud.until(lambda load=load: load.made > 10, "others are at work")
            cloud.admin.request("DELETE", "image", f"/images/{cloud.image}")
            began = time.monotonic()
            ok(cloud, "reset", "mine")
            took = time.monotonic() - began
        assert took < 5, "no restart, no purge"
        ok(cloud, "reset", "mine")
        cloud.at_rest()
        found = shown(cloud)
        assert {name: each["status"] for name, each in found.items()} == {"kept": "ACTIVE", "gone": "ACTIVE"}
        assert found == before
        assert image_bytes(cloud) == image
        assert cloud.demo.token == token, "a token that was issued before is still good"
        assert {guest.id for guest in guests_of(cloud.settings.node_dir / "world")} == {kept, gone}
    fresh = cloud.create("fresh")
    cloud.at_rest()
    assert shown(cloud)["fresh"]["id"] == fresh
    ok(cloud, "reset")
    cloud.at_rest()
    assert cloud.servers() == [] and guests_of(cloud.settings.node_dir / "world") == []
    done = cumulet(cloud.state, "reset", "nobodys")
    assert done.returncode == 1 and "there are: furnished, mine" in done.stderr


def test_what_was_known_before_a_reset_counts_no_more(cloud: LivingCloud) -> None:
    """A token's roles are found anew: identity's generation never goes back to a number that meant something else."""
    ok(cloud, "reset")
    users = cloud.admin.request("GET", "identity", "/users?name=demo")["users"]
    roles = cloud.admin.request("GET", "identity", "/roles?name=admin")["roles"]
    grant = f"/projects/{cloud.demo.project_id}/users/{users[0]['id']}/roles/{roles[0]['id']}"
    for _ in range(2):
        cloud.admin.request("PUT", "identity", grant)
        mine = Session(
            cloud.settings.local_url("identity"), "demo", cloud.settings.secret("demo_password"), cloud.settings.region
        )
        assert mine.request("GET", "identity", "/users")["users"]
        ok(cloud, "reset")
        with pytest.raises(ApiError):
            mine.request("GET", "identity", "/users")


def test_a_real_cloud_has_no_reset(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / ".cumulet").write_text("This folder is a Cumulet state folder (format 1).\n")
    (tmp_path / "state" / "cumulet.toml").write_text('region = "Real"\n')
    for words in (["reset"], ["snapshot", "x"]):
        done = cumulet(tmp_path / "state", *words)
        assert done.returncode == 1 and "has a real hypervisor" in done.stderr
