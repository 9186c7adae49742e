"""Images of far stores: uploaded to a bucket, read from a web server, kept near, and erased without a trace."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cumulet.engine.tables import jobs as engine_jobs
from cumulet.services.image import door
from cumulet.services.image.context import ImageContext
from cumulet.services.image.loops import recover_uploads
from cumulet.services.image.model import cache, locations
from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.model.stores import StoreAway, Stores
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.model.stores.http import HttpStore
from cumulet.services.image.model.stores.s3 import S3Store
from cumulet.services.image.tables import cached, erasures
from tests.services.image.buckets import bucket, objects
from tests.services.image.conftest import OCTETS, Images, made, served, until
from tests.services.image.webserver import Page, Web, web_server

DATA = b"\0" * 512 + os.urandom(6 << 20)
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Store]:
    with bucket() as store:
        yield store


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as found:
        found.pages["/disk"] = Page(DATA)
        yield found


@pytest.fixture
def glance(tmp_path: Path, s3: S3Store, web: Web) -> Iterator[Images]:
    rules = Rules(("127.0.0.1",), (web.port,), connect_s=2, idle_s=5)
    stores = Stores([FileStore("file", tmp_path / "images"), s3, HttpStore("web", rules)], "s3")
    with served(ImageContext(tmp_path / "images", declared=stores, rules=rules), tmp_path / "state.db") as found:
        yield found
    for key in objects(s3):
        s3.client.delete_object(Bucket=s3.access.bucket, Key=key)


def uploaded(client: httpx.Client, **headers: str) -> str:
    image_id: str = made(client)["id"]
    answer = client.put(f"/v2/images/{image_id}/file", content=DATA, headers={**OCTETS, **headers})
    assert answer.status_code == 204, answer.text
    return image_id


def near(glance: Images) -> list[str]:
    return sorted(path.name for path in glance.context.caching.folder.iterdir())


def shown(admin: httpx.Client) -> tuple[dict[str, Any], list[str]]:
    body = admin.get("/v2/cache").json()
    return {image["image_id"]: image for image in body["cached_images"]}, body["queued_images"]


def in_cache(admin: httpx.Client, image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = until(lambda: shown(admin)[0].get(image_id))
    return found


def test_an_image_in_a_bucket(glance: Images, demo: httpx.Client, s3: S3Store) -> None:
    image_id = uploaded(demo)
    found = demo.get(f"/v2/images/{image_id}").json()
    assert found["status"] == "active" and found["stores"] == "s3" and found["size"] == len(DATA)
    assert found["checksum"] == hashlib.md5(DATA).hexdigest()
    assert "127.0.0.1" not in found["direct_url"] and glance.files() == [] and glance.staged() == []
    (key,) = objects(s3)
    assert key.startswith(f"cumulet/{image_id}.")
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA
    ranged = demo.get(f"/v2/images/{image_id}/file", headers={"Range": "bytes=5000000-5000099"})
    assert ranged.status_code == 206 and ranged.content == DATA[5_000_000:5_000_100]
    with glance.running.db.read() as tx:
        assert tx.rows(select(erasures)) == []
    assert demo.delete(f"/v2/images/{image_id}").status_code == 204
    until(lambda: objects(s3) == [])
    until(lambda: near(glance) == [])


def test_an_upload_to_a_bucket_that_breaks_off(glance: Images, demo: httpx.Client, s3: S3Store) -> None:
    image = made(demo)
    sent = {**OCTETS, "X-OpenStack-Image-Size": str(len(DATA) + 1)}

    def pieces() -> Iterator[bytes]:
        yield DATA

    assert demo.put(f"/v2/images/{image['id']}/file", content=pieces(), headers=sent).status_code == 400
    assert demo.get(f"/v2/images/{image['id']}").json()["status"] == "queued"
    assert objects(s3) == [] and glance.staged() == []
    wrong = made(demo, disk_format="qcow2")
    assert demo.put(f"/v2/images/{wrong['id']}/file", content=DATA, headers=OCTETS).status_code == 415
    assert objects(s3) == [] and glance.staged() == []


def test_a_bucket_that_does_not_lose_its_objects_yet(
    glance: Images, demo: httpx.Client, s3: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away when an image is deleted is asked again."""
    image_id, tried = uploaded(demo), []

    def away(url: str) -> None:
        tried.append(url)
        raise StoreAway("It is out for lunch.")

    with monkeypatch.context() as patched:
        patched.setattr(s3, "erase", away)
        assert demo.delete(f"/v2/images/{image_id}").status_code == 204
        glance.look_after()
        assert tried
    assert len(objects(s3)) == 1
    with glance.running.db.transaction() as tx:
        tx.update(erasures, erasures.c.store == "s3", due_at=0)
    glance.look_after()
    until(lambda: objects(s3) == [])


def test_what_a_dead_upload_left_in_a_bucket(glance: Images, demo: httpx.Client, s3: S3Store) -> None:
    """The claim outlives its writer; when that was silent for too long, the object goes."""
    image_id = made(demo)["id"]
    writing = s3.create(image_id, "0" * 32)
    with glance.running.db.transaction() as tx:
        locations.claim(tx, s3, writing.url)
    writing.write(DATA)
    writing.finish()
    glance.look_after()
    assert len(objects(s3)) == 1, "it may live"
    with glance.running.db.transaction() as tx:
        tx.update(erasures, erasures.c.url == writing.url, due_at=tx.now - 1)
        assert not locations.adopt(tx, image_id, s3, writing.url), "too late"
    glance.look_after()
    assert objects(s3) == []


def test_a_download_fills_the_cache(glance: Images, demo: httpx.Client, admin: httpx.Client, s3: S3Store) -> None:
    image_id = uploaded(demo)
    assert demo.get("/v2/cache").status_code == 403
    assert shown(admin) == ({}, [])
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA
    entry = in_cache(admin, image_id)
    assert entry["size"] == len(DATA) and entry["hits"] == 0 and entry["last_accessed"] == 0
    assert abs(entry["last_modified"] - time.time()) < 60 and near(glance) == [image_id]
    (key,) = objects(s3)
    s3.client.delete_object(Bucket=s3.access.bucket, Key=key)  # what is near needs no bucket
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA
    ranged = demo.get(f"/v2/images/{image_id}/file", headers={"Range": "bytes=1-9"})
    assert ranged.status_code == 206 and ranged.content == DATA[1:10]
    entry = in_cache(admin, image_id)
    assert entry["hits"] == 2 and entry["last_accessed"] > 0
    assert demo.delete(f"/v2/images/{image_id}").status_code == 204
    assert shown(admin) == ({}, []) and near(glance) == []


def test_the_cache_s_operations(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    image_id, local = uploaded(demo), uploaded(demo, **{"x-image-meta-store": "file"})
    for method, path in (("PUT", image_id), ("DELETE", image_id), ("DELETE", "")):
        assert demo.request(method, f"/v2/cache/{path}".rstrip("/")).status_code == 403
    assert admin.put("/v2/cache/non-existing-image-id").status_code == 404
    assert admin.put(f"/v2/cache/{made(demo)['id']}").status_code == 400, "it has no bytes"
    assert admin.delete("/v2/cache/non-existing-image-id").status_code == 404
    for each in (image_id, local):
        answer = admin.put(f"/v2/cache/{each}")
        assert answer.status_code == 202 and answer.content == b""
        in_cache(admin, each)
    assert near(glance) == sorted([image_id, local])
    assert admin.delete("/v2/cache", headers={"x-image-cache-clear-target": "nope"}).status_code == 400
    assert admin.delete("/v2/cache", headers={"x-image-cache-clear-target": "queue"}).status_code == 204
    assert len(shown(admin)[0]) == 2
    assert admin.delete(f"/v2/cache/{local}").status_code == 204 and near(glance) == [image_id]
    assert admin.delete(f"/v2/cache/{local}").status_code == 204, "the image is there, though it is not cached"
    assert admin.delete("/v2/cache").status_code == 204
    assert shown(admin) == ({}, []) and near(glance) == []
    assert admin.post("/v2/cache/clean").status_code == 200
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA


def test_the_cache_is_no_larger_than_it_may_be(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    first, second = uploaded(demo), uploaded(demo)
    for each in (first, second):
        admin.put(f"/v2/cache/{each}")
        in_cache(admin, each)
    demo.get(f"/v2/images/{first}/file")
    until(lambda: shown(admin)[0][first]["hits"])
    assert admin.post("/v2/cache/prune").json() == {"total_files_pruned": 0, "total_bytes_pruned": 0}
    glance.context.cache_bytes = len(DATA)
    assert admin.post("/v2/cache/prune").json() == {"total_files_pruned": 1, "total_bytes_pruned": len(DATA)}
    assert list(shown(admin)[0]) == [first] and near(glance) == [first]


def test_an_image_that_is_larger_than_the_cache(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    """A download does not bring it near; a node gets it all the same, and it goes when the next one comes."""
    glance.context.cache_bytes = len(DATA) - 1
    first, second = uploaded(demo), uploaded(demo)
    assert demo.get(f"/v2/images/{first}/file").content == DATA
    for image_id in (first, second):

        def path(image_id: str = image_id) -> Path | None:
            with glance.running.db.transaction() as tx:
                return door.data_path(tx, glance.context, image_id)

        assert path() is None
        assert until(path).read_bytes() == DATA
        until(lambda: len(shown(admin)[0]) == 1)
    assert list(shown(admin)[0]) == [second] and near(glance) == [second]


def test_a_node_gets_a_far_image(glance: Images, demo: httpx.Client) -> None:
    """The first question of a node brings the image near, a later one gets it."""
    image_id = uploaded(demo)

    def path() -> Path | None:
        with glance.running.db.transaction() as tx:
            return door.data_path(tx, glance.context, image_id)

    assert path() is None
    found = until(path)
    assert found.read_bytes() == DATA


def test_bytes_that_changed_on_their_way(glance: Images, demo: httpx.Client, admin: httpx.Client, s3: S3Store) -> None:
    """What is not what was uploaded is not cached, and nobody boots from it."""
    image_id = uploaded(demo)
    (key,) = objects(s3)
    s3.client.put_object(Bucket=s3.access.bucket, Key=key, Body=b"evil" + DATA[4:])
    assert admin.put(f"/v2/cache/{image_id}").status_code == 202
    until(lambda: shown(admin) == ({}, []))
    until(lambda: near(glance) == [])
    assert demo.get(f"/v2/images/{image_id}/file").status_code == 200
    time.sleep(0.3)
    assert shown(admin) == ({}, []) and glance.jobs() == [], "nobody's request brings it near for a while"
    with glance.running.db.transaction() as tx:
        tx.update(engine_jobs, engine_jobs.c.subject == image_id, due_at=tx.now - 1)
    s3.client.put_object(Bucket=s3.access.bucket, Key=key, Body=DATA)
    assert demo.get(f"/v2/images/{image_id}/file").status_code == 200
    in_cache(admin, image_id)


def test_a_store_that_is_away_is_asked_later(
    glance: Images, demo: httpx.Client, admin: httpx.Client, s3: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id, tried = uploaded(demo), []

    def away(url: str) -> None:
        tried.append(url)
        raise StoreAway("It is out for lunch.")

    with monkeypatch.context() as patched:
        patched.setattr(s3, "open", away)
        assert admin.put(f"/v2/cache/{image_id}").status_code == 202
        until(lambda: tried)
        assert demo.get(f"/v2/images/{image_id}/file").status_code == 503
    assert shown(admin) == ({}, [image_id])
    until(lambda: near(glance) == [])
    (job,) = glance.jobs()
    assert job.error == "the image could not be cached: It is out for lunch."
    with glance.running.db.transaction() as tx:
        tx.update(engine_jobs, engine_jobs.c.subject == image_id, due_at=tx.now)
    glance.context.workers.jobs.poke()
    assert in_cache(admin, image_id)
    until(lambda: glance.jobs() == [])


def test_the_cache_after_the_process_died(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    """Files that no entry speaks of go; an entry whose file is gone is queued again."""
    kept, lost = uploaded(demo), uploaded(demo)
    for each in (kept, lost):
        admin.put(f"/v2/cache/{each}")
        in_cache(admin, each)
    folder = glance.context.caching.folder
    (folder / lost).unlink()
    (folder / "5b4c2d1e-0000-4000-8000-000000000001").write_bytes(b"x")
    (folder / f"{kept}.{'0' * 32}.part").write_bytes(b"x")
    recover_uploads(glance.running.db, glance.context)
    assert near(glance) == [kept]
    assert demo.get(f"/v2/images/{lost}/file").content == DATA, "from the bucket"
    in_cache(admin, lost)
    assert near(glance) == sorted([kept, lost])
    with glance.running.db.read() as tx:
        assert {row.state for row in tx.rows(select(cached))} == {cache.CACHED}


def test_a_location_on_a_web_server(glance: Images, demo: httpx.Client, admin: httpx.Client, web: Web) -> None:
    image_id = made(demo)["id"]
    change = [{"op": "add", "path": "/locations/-", "value": {"url": f"{web.url}/disk", "metadata": {"a": "b"}}}]
    answer = demo.patch(f"/v2/images/{image_id}", json=change, headers=PATCH)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["status"] == "active" and found["size"] == len(DATA) and found["stores"] == "web"
    assert found["locations"] == [{"url": f"{web.url}/disk", "metadata": {"a": "b", "store": "web"}}]
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA
    assert in_cache(admin, image_id)
    asked = len(web.seen)
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA and len(web.seen) == asked
    copy = {"method": {"name": "copy-image"}, "stores": ["file"]}
    assert admin.post(f"/v2/images/{image_id}/import", json=copy).status_code == 202
    until(lambda: demo.get(f"/v2/images/{image_id}").json()["stores"] == "web,file")
    sent = {**OCTETS, "x-image-meta-store": "web"}
    refused = demo.put(f"/v2/images/{made(demo)['id']}/file", content=DATA, headers=sent)
    assert refused.status_code == 410 and "Adding images to store is disabled" in refused.json()["message"]
    assert demo.delete(f"/v2/images/{image_id}").status_code == 204
    assert web.pages["/disk"].body == DATA and near(glance) == []


def test_a_queued_image_outlives_the_process(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    """What is queued is brought near by the next process, also when its job is gone: rows that were restored."""
    image_id = uploaded(demo)
    glance.kill()
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA
    assert shown(admin) == ({}, [image_id])
    (job,) = glance.jobs()
    assert (job.kind, job.subject, job.tries) == (cache.KIND, image_id, 0)
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA, "it is queued once"
    with glance.running.db.transaction() as tx:
        glance.context.workers.jobs.cancel(tx, cache.KIND, image_id)
    glance.look_after()
    glance.look_after()
    assert len(glance.jobs()) == 1
    glance.context.workers.jobs.look(glance.running.db)
    assert in_cache(admin, image_id) and near(glance) == [image_id]
    until(lambda: glance.jobs() == [])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("place", ["_copied", "_opened", "_keep"])
def test_a_process_dies_that_brings_an_image_near(
    glance: Images, demo: httpx.Client, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch, place: str, after: bool
) -> None:
    """Another one does it, and nothing of the first one's is left."""

    class Killed(BaseException):
        pass

    image_id, real, died = uploaded(demo), getattr(cache, place), list[int]()

    def dying(*given: Any) -> Any:
        if died:
            return real(*given)
        if after:
            real(*given)
        died.append(1)
        raise Killed

    monkeypatch.setattr(cache, place, dying)
    assert admin.put(f"/v2/cache/{image_id}").status_code == 202
    until(lambda: died)
    assert in_cache(admin, image_id)
    until(lambda: glance.jobs() == [])
    assert near(glance) == [image_id]
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA


def test_an_image_that_is_taken_out_of_the_queue_while_it_is_brought(
    glance: Images, demo: httpx.Client, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id, real, entered, go_on = uploaded(demo), cache._opened, threading.Event(), threading.Event()

    def slow(*given: Any) -> Any:
        entered.set()
        go_on.wait(10)
        return real(*given)

    monkeypatch.setattr(cache, "_opened", slow)
    assert admin.put(f"/v2/cache/{image_id}").status_code == 202
    assert entered.wait(10)
    assert admin.delete(f"/v2/cache/{image_id}").status_code == 204
    go_on.set()
    until(lambda: not glance.context.workers.jobs._runs)
    assert shown(admin) == ({}, []) and near(glance) == [] and glance.jobs() == []
