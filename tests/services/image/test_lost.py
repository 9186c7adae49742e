"""Files that no row names: set aside and taken back, never another cloud's, and images again when somebody says so."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cumulet.db import Database, metadata
from cumulet.node.guest import qcow2
from cumulet.services.image import door
from cumulet.services.image.context import ImageContext
from cumulet.services.image.loops import maintain_once, recover_uploads
from cumulet.services.image.model import recovery, stores
from cumulet.services.image.model.stores import Stores, marks
from cumulet.services.image.model.stores.declared import DeclarationError, declared
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.model.stores.lost import LostFolder, today
from cumulet.services.image.tables import images, locations
from tests.databases import place
from tests.services.image.conftest import OCTETS, Images, made, served
from tests.services.serving import PROJECTS

DATA = b"bytes of an image" * 1000


def uploaded(client: httpx.Client, data: bytes = DATA) -> str:
    image_id = str(made(client)["id"])
    assert client.put(f"/v2/images/{image_id}/file", content=data, headers=OCTETS).status_code == 204
    return image_id


def lost(context: ImageContext) -> list[str]:
    return [kept.id for kept in context.folders[0].lost]


def forget(glance: Images, image_id: str) -> None:
    """As in a copy of the database that is older than the image."""
    with glance.running.db.transaction() as tx:
        tx.delete(images, images.c.id == image_id)
        tx.delete(locations, locations.c.image_id == image_id)


@contextmanager
def cloud(
    folder: Path, name: str, shared: bool = False, estranged: str = ""
) -> Iterator[tuple[Database, ImageContext]]:
    """A cloud that knows its id, with a store `fast` in `folder`."""
    fast = FileStore("fast", folder / "fast", shared=shared)
    stores = Stores([FileStore("file", folder / name / "images"), fast], "fast")
    context = ImageContext(folder / name / "images", stores, cloud=lambda _tx: name, estranged=lambda: estranged)
    db = Database(place(folder / f"{name}.db"), durable=False)
    metadata.create_all(db.engine)
    try:
        yield db, context
    finally:
        db.close()
        for each in context.folders:
            each.claim = None


def stray(folder: Path, data: bytes = b"x") -> str:
    name = str(uuid.uuid4())
    (folder / name).write_bytes(data)
    return name


def test_what_no_row_names_is_set_aside_and_comes_back_with_its_row(glance: Images, demo: httpx.Client) -> None:
    """Finding B1. The rows of before are put back, and with them the image."""
    image_id, deleted = uploaded(demo), uploaded(demo)
    path, context, db = glance.context.path(image_id), glance.context, glance.running.db
    demo.delete(f"/v2/images/{deleted}")
    context.path(deleted).write_bytes(b"its process died before it was removed")
    with db.read() as tx:
        rows = tx.rows_by_key(images, id=image_id), tx.rows_by_key(locations, image_id=image_id)
    forget(glance, image_id)
    recover_uploads(db, context)
    assert not path.exists() and lost(context) == [image_id]
    assert not context.path(deleted).exists(), "a row says that it was deleted"
    with db.transaction() as tx:
        for table, found in zip((images, locations), rows, strict=True):
            tx.insert(table, [dict(row._mapping) for row in found])
    recover_uploads(db, context)
    assert lost(context) == [] and demo.get(f"/v2/images/{image_id}/file").content == DATA


def test_only_the_bytes_of_the_row_come_back(tmp_path: Path) -> None:
    folder = FileStore("file", tmp_path)
    name = stray(tmp_path, b"12345")
    folder.set_aside(name)
    (tmp_path / name).write_bytes(b"123")
    folder.set_aside(name)
    assert len(list(folder.lost)) == 2, "one takes no other's place"
    assert not folder.take_back(name, 4) and folder.take_back(name, 5) and not folder.take_back(name, 3)
    assert (tmp_path / name).read_bytes() == b"12345"


def test_a_folder_is_moved(tmp_path: Path) -> None:
    """Finding B8."""
    with served(ImageContext(tmp_path / "one"), tmp_path / "state.db") as before, before.client("demo") as client:
        image_id = uploaded(client)
        with before.running.db.read() as tx:
            assert [row.url for row in tx.rows_by_key(locations, image_id=image_id)] == [image_id]
        (tmp_path / "one").rename(tmp_path / "two")
        (tmp_path / "one").mkdir()
        for place_ in before.context.folders:
            place_.folder = tmp_path / "two"
        assert client.get(f"/v2/images/{image_id}/file").content == DATA
        shown = client.get(f"/v2/images/{image_id}").json()
        assert shown["locations"][0]["url"] == shown["direct_url"] == f"cumulet://file/{image_id}"


@pytest.mark.parametrize("why", ["", "the database is empty and guests are here"])
def test_an_estranged_controller_moves_nothing(tmp_path: Path, why: str) -> None:
    for _ in range(2):  # the first start marks the folders, and moves nothing either
        with cloud(tmp_path, "a") as (db, context):
            recover_uploads(db, context)
    names = [stray(tmp_path / "fast"), stray(tmp_path / "a" / "images"), f"{uuid.uuid4()}.{'0' * 32}.part"]
    (tmp_path / "fast" / names[2]).write_bytes(b"x")
    with cloud(tmp_path, "a", estranged=why) as (db, context):
        recover_uploads(db, context)
        with db.read() as tx:
            assert {one.id for one in door.lost(tx, context)} == set(names[:2])
        there = [(tmp_path / "fast" / names[0]).exists(), (tmp_path / "fast" / names[2]).exists()]
    assert there == [bool(why)] * 2


def test_a_cloud_that_learns_who_it_is_takes_its_folders_over(tmp_path: Path) -> None:
    with cloud(tmp_path, "a") as (db, context):
        recover_uploads(db, context)
    why = ["an empty database"]
    with cloud(tmp_path, "a") as (db, context):
        context.cloud, context.estranged = lambda _tx: "a2", lambda: why[0]
        recover_uploads(db, context)
        maintain_once(db, context)
        assert marks.read(tmp_path / "fast") == {"a": "fast"}
        why[0] = ""
        maintain_once(db, context)
        assert marks.read(tmp_path / "fast") == {"a2": "fast"} and not context.folders[0].is_ours


def test_two_clouds_on_one_folder(tmp_path: Path) -> None:
    """Finding B18. The second is refused; when the folder is shared neither touches what it does not know."""
    with cloud(tmp_path, "a") as (db, context):
        recover_uploads(db, context)
    name = stray(tmp_path / "fast")
    with (
        cloud(tmp_path, "b") as (db, context),
        pytest.raises(marks.MarkError, match=r"another cloud \(a\).*--shared"),
    ):
        recover_uploads(db, context)
    for _ in range(2):
        with cloud(tmp_path, "b", shared=True) as (db, context):
            recover_uploads(db, context)
    assert marks.read(tmp_path / "fast") == {"a": "fast", "b": "fast"}
    for each in ("a", "b", "a"):
        with cloud(tmp_path, each) as (db, context):
            recover_uploads(db, context)
            assert recovery.expire(context) == []
    assert (tmp_path / "fast" / name).exists() and not (tmp_path / "fast" / "lost").exists()


def test_beside_another_controller_nothing_is_moved(tmp_path: Path) -> None:
    for _ in range(2):
        with cloud(tmp_path, "a") as (db, context):
            recover_uploads(db, context)
    name = stray(tmp_path / "fast")
    with cloud(tmp_path, "a") as (db, context):
        recovery.claim(db, context)
        with cloud(tmp_path, "a") as (copy, other):
            recover_uploads(copy, other)
    assert (tmp_path / "fast" / name).exists()
    with cloud(tmp_path, "a") as (db, context):
        recover_uploads(db, context)
    assert not (tmp_path / "fast" / name).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"clouds": {}}', '{"clouds": [1]}', '{"clouds": []}', "[" * 60000])
def test_a_damaged_mark(tmp_path: Path, text: str) -> None:
    (tmp_path / marks.NAME).write_text(text)
    with pytest.raises(marks.MarkError, match="is damaged"):
        marks.claim(tmp_path, "a", "fast")


def test_marks_that_are_none(tmp_path: Path) -> None:
    (tmp_path / marks.NAME).symlink_to("/etc/passwd")
    with pytest.raises(marks.MarkError, match="cannot be read"):
        marks.claim(tmp_path, "a", "fast")
    (tmp_path / marks.NAME).unlink()
    (tmp_path / marks.NAME).mkdir()
    with pytest.raises(marks.MarkError, match="is damaged"):
        marks.claim(tmp_path, "a", "fast")


def test_a_store_under_another_name(tmp_path: Path) -> None:
    marks.claim(tmp_path, "a", "fast")
    with pytest.raises(marks.MarkError, match="store fast, not quick"):
        marks.claim(tmp_path, "a", "quick")


def test_a_folder_that_takes_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only file system, or a full one: the cloud starts, says so, and moves nothing."""

    def refused(*_arguments: object, **_named: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "link", refused)
    (tmp_path / "fast").mkdir()
    name = stray(tmp_path / "fast")
    with cloud(tmp_path, "a") as (db, context):
        recover_uploads(db, context)
        recover_uploads(db, context)
        assert "cannot be marked as this cloud's (Read-only file system)" in context.problems[0]
    assert [path.name for path in (tmp_path / "fast").iterdir()] == [name]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('folder = "STATE/images"', "is the one of file as well"),
        ('folder = "images-cache"', "is the one of cache as well"),
        ('folder = "STATE/link"', "is the one of file as well"),
        ('folder = "images/lost"', "where another store keeps lost files"),
        ('folder = "x"\nshared = 1', "wrong type"),
        ('folder = "x"\n[lost]\ndays = 0', "lost.days must be between"),
    ],
)
def test_folders_that_two_stores_have(tmp_path: Path, entry: str, problem: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "images")
    text = f'[stores.fast]\ntype = "file"\n{entry}\n'.replace("STATE", str(tmp_path))
    (tmp_path / "image.toml").write_text(text)
    with pytest.raises(DeclarationError, match=problem):
        declared(tmp_path / "images", tmp_path, tmp_path)


def test_a_declared_folder_moves_with_the_state(tmp_path: Path) -> None:
    text = '[stores.fast]\ntype = "file"\nfolder = "fast"\nshared = true\n[lost]\ndays = 30\n'
    (tmp_path / "image.toml").write_text(text)
    found = declared(tmp_path / "images", tmp_path, tmp_path)
    fast = found.stores.get("fast")
    assert isinstance(fast, FileStore) and fast.folder == tmp_path / "fast" and fast.shared and found.lost_days == 30


def test_lost_files_go_after_their_days(tmp_path: Path) -> None:
    found = LostFolder(tmp_path / "lost")
    names = [stray(tmp_path) for _ in range(5)]
    old, new, young, wrong, link = (found.keep(tmp_path / name) for name in names)
    day = {"old": today() - timedelta(days=9), "new": today() - timedelta(days=7), "wrong": "1970-01-01"}
    old = old.rename(found.folder / f"{day['old']}.{names[0]}")
    os.utime(old, (0, 0))
    new = new.rename(found.folder / f"{day['new']}.{names[1]}")
    os.utime(new, (0, 0))
    wrong.rename(found.folder / f"{day['wrong']}.{names[3]}")
    link.unlink()
    link = found.folder / f"{day['old']}.{names[4]}"
    link.symlink_to(tmp_path)
    foreign = found.folder / "2001-01-01.notes.txt"
    foreign.write_text("the operator's")
    assert found.expire(7) == [old.name]
    assert sorted(found.folder.glob("[!.]*")) == sorted(
        [new, young, link, foreign, found.folder / f"{today()}.{names[3]}"]
    ), "a clock that was wrong then is no reason"
    assert found.expire(7) == []


def test_links_are_nobodys(tmp_path: Path) -> None:
    """A link that bears an image's name, or that is the folder of lost files, leads nobody elsewhere."""
    folder, elsewhere = FileStore("file", tmp_path / "images"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder.folder / str(uuid.uuid4())).symlink_to(elsewhere)
    assert folder.names() == {}
    folder.lost.folder.symlink_to(elsewhere)
    name = stray(folder.folder)
    with pytest.raises(OSError, match="not a link"):
        folder.set_aside(name)
    (elsewhere / f"2001-01-01.{name}").write_bytes(b"x")
    assert list(folder.lost) == [] and folder.lost.expire(1) == [] and list(elsewhere.iterdir())


def test_a_lost_file_is_adopted(glance: Images, demo: httpx.Client, admin: httpx.Client, tmp_path: Path) -> None:
    """Under the id that guests know it by, with hashes and format as found, its owner's alone."""
    disk = tmp_path / "disk"
    qcow2.write(disk, 1 << 20, None)
    data = disk.read_bytes()
    db, context = glance.running.db, glance.context
    first, second, waiting = uploaded(demo), stray(context.folder, data), stray(context.folder)
    forget(glance, first)
    recover_uploads(db, context)
    assert sorted(lost(context)) == sorted([first, second, waiting])
    assert demo.post("/v2/images", json={"id": waiting, "name": "waits"}).status_code == 201
    read: list[int] = []
    with db.read() as tx:
        found = {one.id: one for one in door.lost(tx, context)}
    assert set(found) == {first, second, waiting}
    examined = {name: door.examine(context, one, read.append) for name, one in found.items()}
    assert sum(read) == len(DATA) + len(data) + 1
    with db.transaction() as tx:
        for one in examined.values():
            door.adopt(tx, context, one, owner=PROJECTS["demo"])
        assert door.lost(tx, context) == []
    shown = demo.get(f"/v2/images/{first}").json()
    assert shown["name"] == f"adopted-{first[:8]}" and shown["visibility"] == "private" and shown["status"] == "active"
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest() and shown["disk_format"] == "raw"
    assert demo.get(f"/v2/images/{first}/file").content == DATA
    other = demo.get(f"/v2/images/{second}").json()
    assert (other["disk_format"], other["virtual_size"], other["size"]) == ("qcow2", 1 << 20, len(data))
    assert demo.get(f"/v2/images/{waiting}").json()["name"] == "waits"
    with glance.client("other") as theirs:
        assert theirs.get(f"/v2/images/{first}").status_code == 404
    with db.transaction() as tx, pytest.raises(door.NotAdoptable, match="any more"):
        door.adopt(tx, context, examined[first], owner=PROJECTS["demo"])


def test_a_file_that_names_another_is_not_adopted(tmp_path: Path) -> None:
    context = ImageContext(tmp_path / "images")
    base, name = tmp_path / "base", str(uuid.uuid4())
    base.write_bytes(b"secret" * 1000)
    qcow2.write(context.folder / name, 1 << 20, qcow2.Backing(base, "raw"))
    db = Database(place(tmp_path / "db"), durable=False)
    metadata.create_all(db.engine)
    with db.read() as tx:
        one = door.lost(tx, context)[0]
    with pytest.raises(door.NotAdoptable, match="safety checks"):
        door.examine(context, one)
    (context.folder / name).unlink()
    with pytest.raises(door.NotAdoptable, match="not there"):
        door.examine(context, one)
    db.close()


def test_a_clock_that_leaps_ends_nothing_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that comes up in another year, or whose clock is set wrong for an hour, loses no image by it."""
    folder = LostFolder(tmp_path / "lost")
    image = tmp_path / str(uuid.uuid4())
    image.write_bytes(b"bytes")
    days = [today()]
    monkeypatch.setattr(stores.lost, "today", lambda: days[0])
    kept = folder.keep(image)
    begin = days[0]
    for leap in (400, 401, 0, 1, 400, 0, -300, 2):
        days[0] = begin + timedelta(days=leap)
        assert folder.expire(7) == [] and kept.exists(), leap
    for day in range(3, 10):
        days[0] = begin + timedelta(days=day)
        assert folder.expire(7) == [], day
    days[0] = begin + timedelta(days=10)
    assert folder.expire(7) == [kept.name], "a week after the last leap"
    assert not kept.exists() and (folder.folder / ".days").stat().st_mode & 0o777 == 0o600
