"""The contract of stores, kept by each kind: files, a bucket of an S3 server, and web servers (which are only read)."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.model.stores import BytesMissing, ImageStore, Reading, ReadOnly, StoreAway, Writing
from cumulet.services.image.model.stores import s3 as s3_module
from cumulet.services.image.model.stores.declared import DeclarationError, declared
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.model.stores.http import HttpStore
from cumulet.services.image.model.stores.s3 import S3Access, S3Store
from tests.services.image.buckets import bucket, objects
from tests.services.image.webserver import Page, Web, web_server

DATA = os.urandom((6 << 20) + 123)
BLOCK = 1 << 20


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Store]:
    with bucket() as store:
        yield store


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as found:
        yield found


@pytest.fixture(params=["file", "s3", "s3 in one part"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageStore:
    """A store that takes bytes."""
    if request.param == "file":
        return FileStore("file", tmp_path / "images")
    # S3 takes no parts below 5 MiB but for the last
    monkeypatch.setattr(s3_module, "PART", (5 << 20) if request.param == "s3" else (16 << 20))
    found: S3Store = request.getfixturevalue("s3")
    return found


def written(store: ImageStore, data: bytes = DATA) -> Writing:
    writing = store.create(str(uuid.uuid4()), uuid.uuid4().hex)
    for at in range(0, len(data), BLOCK):
        writing.write(data[at : at + BLOCK])
        writing.flush()
    return writing


def kept(store: ImageStore, data: bytes = DATA) -> str:
    writing = written(store, data)
    writing.finish()
    writing.close()
    return writing.url


def leftovers(store: ImageStore) -> list[str]:
    if isinstance(store, FileStore):
        return sorted(path.name for path in store.folder.iterdir())
    assert isinstance(store, S3Store)
    return objects(store)


def read(reading: Reading, count: int, at: int) -> bytes:
    """Exactly so many bytes: a reading may give fewer at once."""
    found = b""
    while len(found) < count and (piece := reading.read(count - len(found), at + len(found))):
        found += piece
    return found


def check_reading(store: ImageStore, url: str) -> None:
    assert store.owns(url)
    reading = store.open(url)
    try:
        assert reading.size == len(DATA)
        assert read(reading, len(DATA), 0) == DATA
        assert reading.read(10, len(DATA)) == b"", "the end"
        assert read(reading, 1000, 5_000_000) == DATA[5_000_000:5_001_000]
        assert read(reading, 1000, 7) == DATA[7:1007], "back again"
        assert read(reading, 1 << 20, len(DATA) - 5) == DATA[-5:]
    finally:
        reading.close()
        reading.close()


def test_what_is_written_is_read(store: ImageStore) -> None:
    url = kept(store)
    check_reading(store, url)
    store.erase(url)
    with pytest.raises(BytesMissing):
        store.open(url)
    store.erase(url)
    assert leftovers(store) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_what_lies_on_a_web_server_is_read(web: Web, ranges: bool) -> None:
    web.pages["/disk"] = Page(DATA, ranges=ranges)
    store = HttpStore("web", Rules(("127.0.0.1",), (web.port,), connect_s=2, idle_s=5))
    check_reading(store, f"{web.url}/disk")


def test_no_bytes(store: ImageStore) -> None:
    url = kept(store, b"")
    reading = store.open(url)
    assert reading.size == 0 and reading.read(10, 0) == b""
    reading.close()
    store.erase(url)


def test_nothing_is_there_before_the_end(store: ImageStore) -> None:
    writing = written(store)
    with pytest.raises(BytesMissing):
        store.open(writing.url)
    writing.discard()
    writing.close()
    assert leftovers(store) == []


def test_discard_after_the_end(store: ImageStore) -> None:
    writing = written(store)
    writing.finish()
    writing.discard()
    writing.discard()
    writing.close()
    writing.close()
    with pytest.raises(BytesMissing):
        store.open(writing.url)
    assert leftovers(store) == []


def test_what_a_dead_writer_left_is_erased_by_its_url(store: ImageStore) -> None:
    writing = written(store)
    if isinstance(store, FileStore):
        writing.close()  # as the kernel does it; the folder finds its own leftovers
        assert store.living()[1] == [Path(writing.path).name]  # type: ignore[attr-defined]
    else:
        store.erase(writing.url)
    assert leftovers(store) == []


def test_a_writer_that_is_seen_before_it_has_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever clears up after the dead takes its part for one of theirs, and it writes another."""
    store, lock, seen = FileStore("file", tmp_path / "images"), fcntl.flock, list[list[str]]()

    def late(fd: int, how: int) -> None:
        if how == fcntl.LOCK_EX and not seen:
            seen.append(store.living()[1])
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    writing = written(store, b"x")
    writing.finish()
    assert len(seen[0]) == 1 and Path(store.folder / writing.url).read_bytes() == b"x"
    writing.close()


def test_two_writers_of_one_image_do_not_meet(s3: S3Store) -> None:
    """In a bucket; a file bears the image's name alone, and the record lets only one writer finish."""
    image_id = str(uuid.uuid4())
    one, two = (s3.create(image_id, uuid.uuid4().hex) for _ in range(2))
    one.write(b"one")
    two.write(b"two")
    one.finish()
    two.finish()
    one.discard()
    reading = s3.open(two.url)
    assert reading.read(10, 0) == b"two"
    s3.erase(two.url)
    assert leftovers(s3) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "filesystem:///etc/passwd",
        "file://images/x",
        "http://[127.0.0.1]/",
        "s3://elsewhere/images/x",
        "s3://access:secret@127.0.0.1/images/x",
        "rbd://pool/image",
        "cinder://x",
    ],
)
def test_urls_of_others(store: ImageStore, web: Web, url: str) -> None:
    for each in (store, HttpStore("web", Rules())):
        assert not each.owns(url)
    for act in (store.open, store.erase):
        with pytest.raises(BytesMissing):
            act(url)


def test_a_file_store_never_leaves_its_folder(tmp_path: Path) -> None:
    store = FileStore("file", tmp_path / "images")
    (tmp_path / "secret").write_text("secret")
    inside = f"file://{store.folder}/{uuid.uuid4()}"  # what rows of earlier versions had
    for name in ("../secret", "%2e%2e/secret", "..%2fsecret", "", ".", "x/../../secret", "secret", "/secret", inside):
        assert not store.owns(name)
        with pytest.raises(BytesMissing):
            store.open(name)
    image_id = str(uuid.uuid4())
    (store.folder / image_id).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        store.open(image_id)


def test_a_bucket_s_urls_stay_below_its_prefix(s3: S3Store) -> None:
    ours = f"{uuid.uuid4()}.{uuid.uuid4().hex}"
    assert s3.key(ours) == f"{s3.access.prefix}{ours}"
    for url in ("", "x", f"../{ours}", f"others/{ours}", f"s3://127.0.0.1/images/{ours}"):
        assert not s3.owns(url)
    assert "secret-key" not in repr(s3.access) and "access-key" not in repr(s3.access)
    assert "secret" not in str(dict(s3.properties()))


def test_a_web_server_takes_and_loses_nothing(web: Web) -> None:
    store = HttpStore("web", Rules(("127.0.0.1",), (web.port,)))
    assert store.read_only
    with pytest.raises(ReadOnly):
        store.create(str(uuid.uuid4()), "x")
    with pytest.raises(ReadOnly):
        store.erase(f"{web.url}/disk")
    assert web.seen == []


@pytest.mark.parametrize("page", [Page(status=404), Page(status=500), Page(b"x" * 10, announced=20)])
def test_a_web_server_that_does_not_do_as_it_says(web: Web, page: Page) -> None:
    web.pages["/disk"] = page
    store = HttpStore("web", Rules(("127.0.0.1",), (web.port,), connect_s=2, idle_s=5))
    with pytest.raises(StoreAway):
        reading = store.open(f"{web.url}/disk")
        try:
            assert reading.read(100, 0) == b"x" * 10
            reading.read(100, 10)
        finally:
            reading.close()


def test_a_connection_to_a_bucket_that_breaks(s3: S3Store) -> None:
    """What is left is asked for anew, and only that; an object that is another by now is not gone on with."""
    url = kept(s3)
    reading: Any = s3.open(url)
    assert read(reading, 1000, 0) == DATA[:1000]
    reading._body._raw_stream.close()
    assert read(reading, len(DATA) - 1000, 1000) == DATA[1000:]
    s3.client.put_object(Bucket=s3.access.bucket, Key=s3.key(url), Body=b"evil" * 1000)
    with pytest.raises(StoreAway):
        reading.read(100, 0)
    reading.close()
    s3.erase(url)


def test_a_bucket_that_is_away() -> None:
    with bucket() as store:
        url = kept(store, b"x")
        begun = store.create(str(uuid.uuid4()), uuid.uuid4().hex)
    unreachable: Any
    for unreachable in (lambda: store.open(url), lambda: store.erase(url), begun.finish):
        with pytest.raises(StoreAway):
            unreachable()
    nowhere = S3Store("s3", S3Access("http://127.0.0.1:9", "b", "a", "k"))
    with pytest.raises(StoreAway):
        nowhere.open(url)


# ---- what the operator declares

EXAMPLE = (Path(__file__).parents[3] / "docs" / "images.md").read_text().split("```toml\n")[1].split("```")[0]
EXAMPLE = EXAMPLE.replace("/srv/images", "{folder}")
"""The example of the documentation, with a folder that tests may write to."""


def declare(state: Path, text: str | None, keys: str | None = "the-access-key\nthe-secret-key\n") -> Any:
    secrets = state / "secrets"
    secrets.mkdir(exist_ok=True)
    if text is not None:
        (state / "image.toml").write_text(text)
    if keys is not None:
        (secrets / "image_store_archive").touch(mode=0o600)
        (secrets / "image_store_archive").write_text(keys)
    return declared(state / "images", state, secrets)


def test_nothing_is_declared(tmp_path: Path) -> None:
    found = declare(tmp_path, None)
    assert [store.id for store in found.stores] == ["file"] and found.stores.default.id == "file"
    assert found.rules.allowed_hosts == () and found.rules.ports == (80, 443) and found.cache_bytes == 10 << 30


def test_the_example(tmp_path: Path) -> None:
    found = declare(tmp_path, EXAMPLE.format(folder=tmp_path / "fast"))
    assert [(store.id, store.kind) for store in found.stores] == [
        ("file", "file"),
        ("archive", "s3"),
        ("fast", "file"),
        ("web", "http"),
    ]
    archive = found.stores.default
    assert archive.id == "archive" and archive.weight == 10 and archive.description == "the bucket next door"
    assert archive.access.secret_key == "the-secret-key" and (tmp_path / "fast").is_dir()
    assert found.rules.allowed_hosts == ("mirror.lan", "10.1.0.0/16") and found.rules.ports == (80, 443, 8080)
    assert found.rules.most_bytes == 1024 << 30 and found.cache_bytes == 10 << 30
    assert found.stores.get("web").rules is found.rules


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[stores", "image.toml"),
        ("nope = 1", "there is no option nope"),
        ('default_store = "x"', "default_store names no store"),
        ("default_store = 5", "default_store has a value of the wrong type"),
        ('default_store = "web"\n[stores.web]\ntype = "http"', "default_store names no store that takes bytes"),
        ('[stores."A b"]\ntype = "http"', "is no name for a store"),
        ('[stores.staging]\ntype = "http"', "is no name for a store"),
        ('[stores.os_glance_x]\ntype = "http"', "is no name for a store"),
        ('[stores.x]\ntype = "rbd"', "stores.x.type must be one of file, s3, http"),
        ("[stores]\nx = 5", "stores.x.type must be one of"),
        ('[stores.x]\ntype = "file"', "stores.x.folder is missing"),
        ('[stores.x]\ntype = "file"\nfolder = "/dev/null/x"', "stores.x.folder cannot be used"),
        ('[stores.x]\ntype = "http"\nbucket = "y"', "there is no option stores.x.bucket"),
        ('[stores.x]\ntype = "http"\nweight = "y"', "stores.x.weight has a value of the wrong type"),
        ('[stores.archive]\ntype = "s3"\nbucket = "y"', "stores.archive.endpoint is missing"),
        ('[stores.archive]\ntype = "s3"\nbucket = "y"\nendpoint = "ftp://x"', "must be an http or https URL"),
        ('[stores.other]\ntype = "s3"\nbucket = "y"\nendpoint = "http://x"', "cannot be read"),
        ("[import]\nports = [0]", "import.ports must be a list of ports"),
        ("[import]\nallowed_hosts = [5]", "import.allowed_hosts must be a list"),
        ("[import]\nmax_gib = 0", "import.max_gib must be between"),
        ("[cache]\nmax_gib = 0", "cache.max_gib must be between"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=words.replace(".", r"\.")):
        declare(tmp_path, text)


def test_keys_that_others_may_read(tmp_path: Path) -> None:
    text = EXAMPLE.format(folder=tmp_path / "fast")
    with pytest.raises(DeclarationError, match="must hold two lines"):
        declare(tmp_path, text, "one")
    (tmp_path / "secrets" / "image_store_archive").chmod(0o644)
    with pytest.raises(DeclarationError, match="may be read by others"):
        declare(tmp_path, text, None)
