"""`backup` and `restore` as an operator types them: what is in, what is refused, and that nothing is half done."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import select, text

from cumulet.cli import main as command
from cumulet.cli import state_folder
from cumulet.cli.backups import contents, making, places, rows
from cumulet.cli.backups.reading import Reading
from cumulet.cli.backups.records import End, Form, Head, Rows, packed
from cumulet.cli.backups.sealing import read_secret
from cumulet.config import Settings
from cumulet.db import Database, metadata, schema
from cumulet.fleet.model import clouds
from cumulet.services.identity.tables import users
from tests import databases
from tests.assembled import Assembled

IMAGES = {"14d06af9-edf6-4870-aacd-901fb3e9f24c": b"one" * 9999, "24d06af9-edf6-4870-aacd-901fb3e9f24c": b"two" * 77}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    """A cloud whose controller has started once, with what an operator and a node leave in its folder."""
    made = Assembled(tmp_path_factory.mktemp("cloud") / "state")
    state = made.settings.state
    if not cloud_of(made.controller.db):
        with made.controller.db.transaction() as tx:
            clouds.start(tx)
    for name, data in IMAGES.items():
        (state / "images" / name).write_bytes(data)
    (state / "policy.yaml").write_text("{}\n")
    (state / "policy.yaml").chmod(0o644)
    (state / "image.toml").write_text("")
    (state / "domains").mkdir()
    (state / "domains" / "one.conf").write_text("[ldap]\n")
    (state / "node" / "world").mkdir()
    (state / "node" / "world" / "a.json").write_text("{}")
    (state / "node" / "instances").mkdir()
    (state / "node" / "instances" / "disk").write_text("a guest's")
    (state / "secrets" / "image_store_far").write_text("key\nsecret\n")
    (state / "secrets" / "outside").symlink_to("/etc/hostname")
    yield made
    made.close()


@pytest.fixture
def key(tmp_path: Path) -> list[str]:
    """The flags that seal with a key file, which costs no time."""
    file = tmp_path / "key"
    file.write_bytes(os.urandom(32))
    file.chmod(0o600)
    return ["--key-file", str(file)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A command, its exit status and what it says."""
    for name in ("CUMULET_DATABASE_URL", "CUMULET_BACKUP_KEY_FILE", "CUMULET_BACKUP_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: Any) -> tuple[int, str]:
        mask = os.umask(0)
        os.umask(mask)
        try:
            status = command.main([str(word) for word in words])
        finally:
            os.umask(mask)
        said = capsys.readouterr()
        return status, said.out + said.err

    return typed


def tables(where: Path | str) -> dict[str, list[Any]]:
    """All rows but those that a restore changes: a new epoch, and which program made the tables."""
    db = Database(where)
    with db.read() as tx:
        found = {t.name: sorted(map(tuple, tx.rows(select(t))), key=repr) for t in metadata.sorted_tables}
    db.close()
    changed = ("fleet_cloud", "fleet_epochs", "fleet_revision", "store_upgrades")
    return {name: each for name, each in found.items() if name not in changed}


def test_all_of_it_comes_back_elsewhere(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    state, file, there = cloud.settings.state, tmp_path / "b", tmp_path / "there"
    status, said = run("backup", file, *key, "--with-images", "--state", state)
    assert (status, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600)
    assert "2 images" in said and "read back and right" in said
    assert cloud.secret("admin").encode() not in file.read_bytes()
    assert run("restore", file, *key, "--state", there)[0] == 0
    assert tables(there / "db" / "cumulet.sqlite") == tables(cloud.settings.database)
    assert [path.name for path in (there / "db").glob("cumulet*")] == ["cumulet.sqlite"], "no log beside it"
    for name in ("cumulet.toml", "policy.yaml", "image.toml", "domains/one.conf", "node/world/a.json"):
        assert (there / name).read_bytes() == (state / name).read_bytes(), name
    for path in (state / "secrets").rglob("*"):
        name = path.relative_to(state)  # type: ignore[assignment]
        kept = path.is_file() and not path.is_symlink() and "fernet-keys" not in name.parts  # type: ignore[attr-defined]
        kept = kept and "receipt-keys" not in name.parts and name.name != "cloud"  # type: ignore[attr-defined]
        assert (there / name).is_file() == kept, name
        if kept:
            assert (there / name).read_bytes() == path.read_bytes()
            assert stat.S_IMODE((there / name).stat().st_mode) == 0o600
    assert {path.name: path.read_bytes() for path in (there / "images").iterdir()} == IMAGES
    assert stat.S_IMODE((there / "policy.yaml").stat().st_mode) == 0o644
    assert not (there / "node" / "instances").exists()
    assert state_folder.is_state_folder(there) and not (there / state_folder.RESTORING).exists()
    with Database(there / "db" / "cumulet.sqlite").read() as tx:
        before, after = cloud_of(cloud.controller.db), tx.rows(text("SELECT id, epoch FROM fleet_cloud"))
    assert [(row.id, row.epoch - 1) for row in after] == before, "the same cloud, in a new epoch"


def cloud_of(db: Database) -> list[tuple[str, int]]:
    with db.read() as tx:
        return [tuple(row) for row in tx.rows(text("SELECT id, epoch FROM fleet_cloud"))]


def test_to_the_other_kind_of_database_and_back(
    cloud: Assembled, run: Any, key: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.url()
    assert run("backup", tmp_path / "1", *key, "--state", cloud.settings.state)[0] == 0
    monkeypatch.setenv("CUMULET_DATABASE_URL", url)
    assert run("restore", tmp_path / "1", *key, "--state", tmp_path / "pg")[0] == 0
    assert (tmp_path / "pg" / "secrets" / "database_url").read_text().strip() == url
    assert tables(url) == tables(cloud.settings.database)
    status, said = run("restore", tmp_path / "1", *key, "--state", tmp_path / "again")
    assert status == 0, "the variable is not handed on"
    monkeypatch.setenv("CUMULET_DATABASE_URL", url)
    status, said = run("restore", tmp_path / "1", *key, "--state", tmp_path / "twice")
    assert status == 1 and "is not empty" in said and url not in said
    assert not (tmp_path / "twice").exists()
    monkeypatch.delenv("CUMULET_DATABASE_URL", raising=False)
    assert run("backup", tmp_path / "2", *key, "--state", tmp_path / "pg")[0] == 0
    assert run("restore", tmp_path / "2", *key, "--state", tmp_path / "back")[0] == 0
    assert tables(tmp_path / "back" / "db" / "cumulet.sqlite") == tables(cloud.settings.database)
    assert not (tmp_path / "back" / "secrets" / "database_url").exists()


def test_without_a_seal_it_says_so(cloud: Assembled, run: Any, tmp_path: Path) -> None:
    state = cloud.settings.state
    status, said = run("backup", tmp_path / "b", "--state", state)
    assert (status, (tmp_path / "b").exists()) == (1, False)
    assert "--passphrase-file" in said and "--without-secrets" in said
    status, said = run("backup", tmp_path / "b", "--without-secrets", "--state", state)
    assert status == 0 and "whoever reads it reads all rows" in said
    status, said = run("backup", "--list", tmp_path / "b")
    assert status == 0 and "secrets" in said.split("not in it")[1]
    assert run("restore", tmp_path / "b", "--state", tmp_path / "there")[0] == 0
    assert not (tmp_path / "there" / "secrets").exists()


def test_what_is_changed_restores_nothing(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    file, there = tmp_path / "b", tmp_path / "there"
    assert run("backup", file, *key, "--state", cloud.settings.state)[0] == 0
    raw = file.read_bytes()
    for wrong in (raw[:-1], raw[: len(raw) // 2], raw[:-40] + bytes(40), b"", raw + b"x"):
        file.write_bytes(wrong)
        for words in (["restore", file, "--state", there], ["restore", "--check", file], ["backup", "--list", file]):
            status, said = run(*words, *key)
            assert status == 1 and said.count("cumulet: ") == 1 and "Traceback" not in said
        assert not there.exists()
    file.write_bytes(raw)
    other = tmp_path / "other"
    other.write_bytes(bytes(32))
    other.chmod(0o600)
    status, said = run("restore", file, "--key-file", other, "--state", there)
    assert status == 1 and "sealed with another key file" in said
    status, said = run("restore", file, "--state", there)
    assert status == 1 and "give it with --key-file" in said
    assert not there.exists()
    assert "whole and right" in run("restore", "--check", file, *key)[1]


def test_a_backup_that_fails_leaves_the_one_before(
    cloud: Assembled, run: Any, key: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, file = cloud.settings.state, tmp_path / "b"
    file.write_text("the one before")
    monkeypatch.setattr(making, "SealedWriter", FullDisk)
    status, said = run("backup", file, *key, "--state", state)
    assert status == 1 and "No space left on device" in said
    assert file.read_text() == "the one before"
    monkeypatch.undo()
    written = contents.written
    monkeypatch.setattr(contents, "written", lambda *given: (bytes(data) for data in list(written(*given))[:-1]))
    status, said = run("backup", file, *key, "--state", state)
    assert status == 1 and "damaged" in said
    assert file.read_text() == "the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "key"], "nothing is left aside"


class FullDisk:
    """A file on a disk that takes some bytes and no more."""

    def __init__(self, *_: Any) -> None:
        self.room = 20_000

    def write(self, data: bytes) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_real_disk_that_is_full(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mounted, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        (disk / "b").write_text("the one before")
        status, said = run("backup", disk / "b", *key, "--with-images", "--state", cloud.settings.state)
        assert status == 1 and "No space left on device" in said
        assert [path.read_text() for path in disk.iterdir()] == ["the one before"]
        assert run("backup", tmp_path / "b", *key, "--state", cloud.settings.state)[0] == 0
        status, said = run("restore", tmp_path / "b", *key, "--state", disk / "there")
        assert status == 1 and "GB free. Nothing was restored" in said
        assert not (disk / "there").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_holds_something_is_refused(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    state, file = cloud.settings.state, tmp_path / "b"
    assert run("backup", file, *key, "--state", state)[0] == 0
    status, said = run("restore", file, *key, "--state", state)
    assert status == 1 and f"mv {state}/db {state}/db.before" in said
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter").write_text("dear")
    status, said = run("restore", file, *key, "--state", full)
    assert status == 1 and "holds no cloud" in said
    assert [path.name for path in full.iterdir()] == ["letter"]


def test_rows_below_what_a_node_has(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    """The database is lost, the node and the images are there: they stay, and revisions begin above the node's."""
    state, file = tmp_path / "state", tmp_path / "b"
    assert run("backup", file, *key, "--with-images", "--state", cloud.settings.state)[0] == 0
    shutil.copytree(cloud.settings.state, state, symlinks=True)
    (state / "db").rename(state / "db.before")
    (state / "secrets" / "image_store_far").write_text("newer\nkeys\n")
    (state / "secrets" / "metadata_secret").unlink()
    cloud_id, epoch = cloud_of(cloud.controller.db)[0]
    (state / "secrets" / "cloud").write_text(f'{{"id": "{cloud_id}", "epoch": {epoch + 6}}}')
    (state / "images" / next(iter(IMAGES))).write_bytes(b"stays")
    status, said = run("restore", file, *key, "--state", state)
    assert status == 0 and "cumulet adopt" in said
    assert cloud_of(Database(state / "db" / "cumulet.sqlite")) == [(cloud_id, epoch + 7)]
    assert (state / "secrets" / "image_store_far").read_text() == "newer\nkeys\n"
    assert (state / "secrets" / "metadata_secret").read_text() == cloud.settings.secret("metadata_secret") + "\n"
    assert (state / "node" / "instances" / "disk").read_text() == "a guest's"
    assert (state / "images" / next(iter(IMAGES))).read_bytes() == b"stays"
    assert not (state / "secrets" / "fernet-keys").exists(), "tokens that were revoked since are not good again"


@pytest.mark.parametrize(
    ("step", "kind"),
    [*((step, "sqlite") for step in ("files", "rows", "finish", "end")), ("rows", "postgresql"), ("end", "postgresql")],
)
def test_a_restore_that_is_cut_off_is_done_again(
    cloud: Assembled, run: Any, key: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, kind: str
) -> None:
    file, there = tmp_path / "b", tmp_path / "there"
    where = databases.place(there / "db" / "cumulet.sqlite", kind)
    assert run("backup", file, *key, "--state", cloud.settings.state)[0] == 0

    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def typed() -> tuple[int, str]:
        if isinstance(where, str):
            monkeypatch.setenv("CUMULET_DATABASE_URL", where)
        status, said = run("restore", file, *key, "--state", there)
        return status, said

    places_of = {"files": (places.Writing, "close"), "rows": (rows, "put_forward")}
    places_of |= {"finish": (rows.Target, "finish"), "end": (places, "end")}
    with monkeypatch.context() as patch:
        patch.setattr(*places_of[step], cut)
        assert typed()[0] == 130
    status, said = run("up", "--simulated", "--state", there)
    assert status == 1 and "run the same cumulet restore again" in said
    assert typed()[0] == 0
    assert tables(where) == tables(cloud.settings.database)


def test_two_restores_at_once_are_one(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    file, there = tmp_path / "b", tmp_path / "there"
    assert run("backup", file, *key, "--state", cloud.settings.state)[0] == 0
    lock = places.begin(places.look(there))
    status, said = run("restore", file, *key, "--state", there)
    assert status == 1 and "another restore" in said
    os.close(lock)
    assert run("restore", file, *key, "--state", there)[0] == 0


def test_a_newer_schema_is_refused_and_an_older_one_brought_along(
    run: Any, key: list[str], tmp_path: Path, cloud: Assembled
) -> None:
    old = Database(tmp_path / "old.sqlite")
    schema.migrate(old, to=schema.FIRST)
    with old.transaction() as tx:
        tx.execute(text("INSERT INTO identity_regions (id, description, extra) VALUES ('Old', '', '{}')"))
    sealed = tmp_path / "b"
    for name in (schema.FIRST, "9999"):
        write(sealed, old, name, key)
        status, said = run("restore", sealed, *key, "--state", tmp_path / name)
        if name == "9999":
            assert status == 1 and "was made by a newer Cumulet (9.9, schema 9999" in said
            assert not (tmp_path / name).exists()
            continue
        assert status == 0, said
        made = Database(tmp_path / name / "db" / "cumulet.sqlite")
        with made.read() as tx:
            assert tx.scalar(text("SELECT id FROM identity_regions")) == "Old"
            assert tx.scalar(text("SELECT version_num FROM alembic_version")) == schema.HEAD
        made.close()
    old.close()


def write(file: Path, db: Database, name: str, key: list[str]) -> None:
    """A backup of a database that says that it is of schema `name`."""
    head = {"version": "9.9", "made_at": 1, "database": "sqlite", "state": "/s", "node": "n", "simulated": True}
    head |= {"secrets": True, "images": "left out"}
    counts: dict[str, int] = {}

    def records() -> Iterator[bytes]:
        table = ""
        for data in contents.read_rows(db, head):
            for record in contents.Reader().feed(data):
                if isinstance(record, Head):
                    record = Head(**{**head, "schema": name})  # type: ignore[arg-type]
                elif isinstance(record, Form):
                    table, counts[record.name] = record.name, 0
                elif isinstance(record, Rows):
                    counts[table] += len(record.rows)
                yield packed(record)
        settings = Settings(state=file.parent, simulated=1)
        toml = settings.to_toml().encode()
        wanted = contents.Wanted()
        (file.parent / "toml").write_bytes(toml)
        with (file.parent / "toml").open("rb") as opened:
            yield from contents._file("cumulet.toml", opened.fileno(), wanted)
        yield packed(End(tables=counts, files=1, images=0))

    file.unlink(missing_ok=True)
    making._write(file, read_secret("key", Path(key[1])), records())


def test_names_that_lead_elsewhere_are_refused() -> None:
    for path in ("../x", "/etc/passwd", "a/../b", "", "secrets/../../x", "db/cumulet.sqlite", "run/x", ".cumulet"):
        assert not contents.may_be(path), path
    for path in ("node/instances/disk", "images/x", "node/../x", "images-cache/a", "secrets/database_url", "a//b"):
        assert not contents.may_be(path), path
    for path in ("cumulet.toml", "secrets/credential-keys/0", "node/journal/guest.a.json", "domains/ä b.conf"):
        assert contents.may_be(path), path


def test_images_beside_it_are_written_once(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    state, far = cloud.settings.state, tmp_path / "objects"
    words = ["backup", tmp_path / "b", *key, "--images-to", far, "--state", state]
    assert "0.0 MB new" not in run(*words)[1] or sum(map(len, IMAGES.values())) < 50_000
    objects = {path: path.stat().st_mtime_ns for path in far.rglob("*") if path.is_file()}
    assert sorted(path.read_bytes() for path in objects) == sorted(IMAGES.values())
    assert {stat.S_IMODE(path.stat().st_mode) for path in objects} == {0o600}
    assert run(*words)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in far.rglob("*") if path.is_file()} == objects
    assert run("restore", tmp_path / "b", *key, "--state", tmp_path / "there")[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "there" / "images").iterdir()} == IMAGES
    victim = next(iter(objects))
    good = victim.read_bytes()
    victim.write_bytes(bytes(len(good)))
    status, said = run("restore", tmp_path / "b", *key, "--state", tmp_path / "damaged")
    assert status == 1 and "is damaged" in said
    assert not state_folder.is_state_folder(tmp_path / "damaged")
    victim.unlink()
    status, said = run("restore", tmp_path / "b", *key, "--state", tmp_path / "gone")
    assert status == 1 and "1 of 2 images are not in" in said and not (tmp_path / "gone").exists()
    assert run("restore", tmp_path / "b", *key, "--without-images", "--state", tmp_path / "gone")[0] == 0


def test_images_in_a_bucket(
    cloud: Assembled, run: Any, key: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="far")
        words = ["backup", tmp_path / "b", *key, "--images-to", "s3://far/deep/er", "--state", cloud.settings.state]
        assert run(*words)[0] == 0
        listed = client.list_objects_v2(Bucket="far")["Contents"]
        assert len(listed) == 2 and all(each["Key"].startswith("deep/er/") for each in listed)
        assert run(*words)[0] == 0
        assert client.list_objects_v2(Bucket="far")["Contents"] == listed, "nothing is written twice"
        assert run("restore", tmp_path / "b", *key, "--state", tmp_path / "there")[0] == 0
        assert {path.name: path.read_bytes() for path in (tmp_path / "there" / "images").iterdir()} == IMAGES
        client.put_object(Bucket="far", Key=listed[0]["Key"], Body=bytes(listed[0]["Size"]))
        status, said = run("restore", tmp_path / "b", *key, "--state", tmp_path / "damaged")
        assert status == 1 and "is damaged" in said
        status, said = run(
            "backup", tmp_path / "c", *key, "--images-to", "s3://nobodys", "--state", cloud.settings.state
        )
        assert status == 1 and "s3://nobodys" in said and not (tmp_path / "c").exists()


def test_a_folder_keeps_the_newest(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    for day in range(1, 5):
        (kept / f"cumulet-2026010{day}T000000Z.backup").write_text("")
    (kept / "cumulet-mine.backup").write_text("")
    status, said = run("backup", kept, *key, "--keep", 3, "--state", cloud.settings.state)
    assert status == 0 and said.count("Removed") == 2
    names = sorted(path.name for path in kept.iterdir())
    assert names[:2] == ["cumulet-20260103T000000Z.backup", "cumulet-20260104T000000Z.backup"] and len(names) == 4
    assert Reading(kept / names[2], read_secret("key", Path(key[1]))).look().rows > 0
    assert run("backup", tmp_path / "b", *key, "--keep", 3, "--state", cloud.settings.state)[0] == 1


def test_a_database_that_is_lost_or_damaged_is_not_saved(run: Any, key: list[str], tmp_path: Path) -> None:
    state = tmp_path / "state"
    state_folder.create(state)
    state_folder.furnish(state, None)
    Settings(state=state, simulated=1).save()
    file = tmp_path / "b"
    file.write_text("the one before")
    for damage, word in ((None, "has lost its rows"), (b"garbage" * 1000, "damaged"), (b"", "has not started yet")):
        if damage is not None:
            (state / "db" / "cumulet.sqlite").write_bytes(damage)
        status, said = run("backup", file, *key, "--state", state)
        assert status == 1 and word in said and "Traceback" not in said, said
        assert file.read_text() == "the one before"


def test_the_state_of_a_user_is_read_by_nobody_else(cloud: Assembled) -> None:
    """Links that the controller's user put there lead nowhere."""
    names = [name for name, _ in contents.owners.files(cloud.settings.secrets_dir)]
    assert "image_store_far" in names and "outside" not in names


def test_users_of_a_backup_are_as_they_were(cloud: Assembled, run: Any, key: list[str], tmp_path: Path) -> None:
    assert run("backup", tmp_path / "b", *key, "--state", cloud.settings.state)[0] == 0
    with cloud.controller.db.read() as tx:
        names = {row.name for row in tx.rows(select(users))}
    found = Reading(tmp_path / "b", read_secret("key", Path(key[1]))).look()
    assert found.tables["identity_users"] == len(names)
