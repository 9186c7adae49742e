"""What of a state folder goes into a backup, whose it is afterwards, and where a backup may lie."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cumulet.cli import machine, state_folder
from cumulet.db import Database
from cumulet.fleet.model import clouds
from cumulet.services.compute.tables import servers
from cumulet.services.image.tables import images
from tests.assembled import Assembled
from tests.cli.backups.test_verbs import cloud_of, key, run

__all__ = ["key", "run"]

ONE, TWO, THREE = (f"{number}4d06af9-edf6-4870-aacd-901fb3e9f24c" for number in (1, 2, 3))


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    """A cloud whose controller has started once."""
    made = Assembled(tmp_path_factory.mktemp("cloud") / "state")
    if not cloud_of(made.controller.db):
        with made.controller.db.transaction() as tx:
            clouds.start(tx)
    yield made
    made.close()


def image(cloud: Assembled, image_id: str, stores: str) -> None:
    """The row of an image that has bytes in `stores`."""
    row = {"id": image_id, "owner": "p", "status": "active", "visibility": "private", "stores": stores, "min_disk": 0}
    row |= {"min_ram": 0, "protected": False, "os_hidden": False, "properties": {}, "created_at": 1, "updated_at": 1}
    with cloud.controller.db.transaction() as tx:
        tx.insert(images, row)


def test_a_backup_outlives_the_cloud(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    """In the state folder each backup would have the ones before in it, and go with a purge."""
    state = cloud.settings.state
    (state / "mine").mkdir()
    (tmp_path / "link").symlink_to(state / "mine")
    for words in ([state / "mine"], [state / "mine" / "b"], [state / "b"], [tmp_path / "link"]):
        status, said = run("backup", *words, *key, "--state", state)
        assert status == 1 and "name a place outside" in said
    for place, word in ((state / "mine", "name a place outside"), ("", "names no place")):
        status, said = run("backup", tmp_path / "b", *key, "--images-to", place, "--state", state)
        assert status == 1 and word in said
    assert not list((state / "mine").iterdir()) and not (tmp_path / "b").exists()


def test_what_only_grows_is_not_in_it(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    """The audit log would make a backup of years large, and one of a busy day incomplete; `db.before` is the page's."""
    state = cloud.settings.state
    (state / "audit").mkdir(exist_ok=True)
    with (state / "audit" / "2026-11-30.jsonl").open("wb") as file:
        file.truncate(65 << 20)
    (state / "db.before").mkdir()
    (state / "db.before" / "cumulet.sqlite").write_bytes(b"old")
    assert run("backup", tmp_path / "b", *key, "--state", state)[0] == 0
    said = run("backup", tmp_path / "b", *key, "--list")[1]
    assert "audit" not in said and "db.before" not in said


@pytest.mark.root
def test_who_read_a_file_reads_it_again(
    cloud: Assembled, run: Any, key: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller runs as a user of its own: a domain's directory, made as in docs/identity.md, must be his."""
    user = pwd.getpwnam("nobody")
    monkeypatch.setattr(machine, "ensure_user", lambda _: user)
    state = cloud.settings.state
    for path in (state / "secrets", *(state / "secrets").rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    modes = {
        "domains": (0o700, user.pw_uid),
        "domains/x.yaml": (0o600, user.pw_uid),
        "policy.yaml": (0o600, user.pw_uid),
        "tls": (0o755, 0),
        "tls/cert.pem": (0o644, 0),
        "tls/key.pem": (0o640, 0),
        "notes": (0o700, 0),
        "notes/mine": (0o644, 0),
        "notes/closed": (0o600, 0),
    }
    for name, (mode, uid) in modes.items():
        if "." in name or "/" in name:
            (state / name).write_text(name)
        else:
            (state / name).mkdir()
        os.chown(state / name, uid, user.pw_gid if mode == 0o640 else -1)
        (state / name).chmod(mode)
    assert run("backup", tmp_path / "b", *key, "--state", state)[0] == 0
    there = tmp_path / "there"
    assert run("restore", tmp_path / "b", *key, "--state", there)[0] == 0
    found = {name: (there / name).stat() for name in modes}
    same = ("domains/x.yaml", "policy.yaml", "tls/cert.pem", "tls/key.pem", "notes/closed", "notes")
    assert {n: (stat.S_IMODE(found[n].st_mode), found[n].st_uid) for n in same} == {n: modes[n] for n in same}
    assert found["tls/key.pem"].st_gid == user.pw_gid
    assert found["domains"].st_uid == user.pw_uid and found["tls"].st_mode & 0o001
    assert stat.S_IMODE(found["notes/mine"].st_mode) == 0o600, "nobody could pass its folder"


@pytest.mark.root
def test_a_file_that_is_not_read_is_told_of(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    (cloud.settings.state / "image.toml").write_text("")
    os.chown(cloud.settings.state / "image.toml", 4711, 4711)
    status, said = run("backup", tmp_path / "b", *key, "--state", cloud.settings.state)
    assert status == 4 and "image.toml is another user's than its folder" in said


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_images_of_a_store_in_the_state_folder(
    cloud: Assembled, run: Any, key: list[str], tmp_path: Path, where: str
) -> None:
    """`folder = "attic"` in image.toml is such a store: its files are images, however large."""
    state = cloud.settings.state
    (state / "attic" / "lost" / "2026-12-01").mkdir(parents=True)
    (state / "attic" / "lost" / "2026-12-01" / THREE).write_bytes(b"set aside")
    (state / "attic" / "note").write_text("mine")
    with (state / "attic" / ONE).open("wb") as file:
        file.truncate(65 << 20)
    image(cloud, ONE, "attic")
    words = ["--with-images"] if where == "inside" else ["--images-to", tmp_path / "objects"]
    done = run("backup", tmp_path / "b", *key, *words, "--state", state)
    assert done[0] == 0, done
    assert "  images          1, 68.2 MB" in run("backup", tmp_path / "b", *key, "--list")[1]
    assert run("restore", tmp_path / "b", *key, "--state", tmp_path / "there")[0] == 0
    names = sorted(path.name for path in (tmp_path / "there" / "attic").rglob("*"))
    assert names == [ONE, "note"] and (tmp_path / "there" / "attic" / ONE).stat().st_size == 65 << 20
    assert run("restore", tmp_path / "b", *key, "--state", tmp_path / "b2", "--without-images")[0] == 0
    assert not (tmp_path / "b2" / "attic" / ONE).exists()
    shutil.rmtree(tmp_path / "there")
    assert run("backup", tmp_path / "b", *key, "--state", state)[0] == 0
    assert "the bytes of images" in run("backup", tmp_path / "b", *key, "--list")[1]


def test_images_that_are_not_in_it_are_told_of(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    image(cloud, ONE, "file,far")
    image(cloud, TWO, "far,fast")
    (cloud.settings.images_dir / ONE).write_bytes(b"one")
    words = ["backup", tmp_path / "b", *key, "--with-images", "--state", cloud.settings.state]
    status, said = run(*words)
    assert status == 0 and "1 images are not in it, as they are in other stores: far, fast" in said
    image(cloud, THREE, "file")
    status, said = run(*words)
    assert status == 4 and f"the bytes of 1 images are not in the folder of images ({THREE})" in said


def test_the_folder_of_a_store_is_made(tmp_path: Path) -> None:
    """The controller's user may make none in root's folder, neither the first time nor after a restore."""
    (tmp_path / "image.toml").write_text(
        '[stores.a]\ntype = "file"\nfolder = "attic"\n[stores.b]\ntype = "file"\nfolder = "/nowhere/x"\n'
        '[stores.c]\ntype = "file"\nfolder = "../x"\n[stores.d]\ntype = "http"\nfolder = "web"\n'
    )
    for _ in range(2):
        state_folder.make_store_folders(tmp_path, pwd.getpwuid(os.geteuid()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attic", "image.toml"]
    assert stat.S_IMODE((tmp_path / "attic").stat().st_mode) == 0o700
    for text in ("stores = 3", "[[stores]]", "stores = {a = 1}", "\0"):
        (tmp_path / "image.toml").write_text(text)
        state_folder.make_store_folders(tmp_path, None)


def test_names_on_hosts_are_not_given_out_again(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    """A guest that was made after the backup runs on, as `instance-…` of the number that came next."""
    assert run("backup", tmp_path / "b", *key, "--state", cloud.settings.state)[0] == 0
    assert run("restore", tmp_path / "b", *key, "--state", tmp_path / "there")[0] == 0
    db = Database(tmp_path / "there" / "db" / "cumulet.sqlite")
    row = {column.name: None for column in servers.columns if column.name != "number"}
    row |= {c.name: 0 for c in servers.columns if not c.nullable and c.name != "number"} | {"id": ONE}  # type: ignore[arg-type]
    with db.transaction() as tx:
        number = tx.execute(insert(servers).values(row)).inserted_primary_key[0]  # type: ignore[index]
    db.close()
    assert number > 1 << 16
