"""Locations by the calls of their own, and tasks of the oldest kind: what makes an image of bytes at an address."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.image import door
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.model.stores import Stores
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.model.stores.http import HttpStore
from tests.services.image.conftest import OCTETS, Images, ended, made, served, until
from tests.services.image.webserver import Page, Web, web_server

DATA = b"\0" * 512 + os.urandom(3 << 20)
HASHES = {name: hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as found:
        found.pages["/disk"] = Page(DATA)
        yield found


@pytest.fixture
def glance(tmp_path: Path, web: Web) -> Iterator[Images]:
    rules = Rules(("127.0.0.1",), (web.port,), connect_s=2, idle_s=5)
    stores = Stores([FileStore("file", tmp_path / "images"), HttpStore("web", rules)], "file")
    with served(ImageContext(tmp_path / "images", declared=stores, rules=rules), tmp_path / "state.db") as found:
        yield found


def add(client: httpx.Client, image_id: str, url: Any, **validation: Any) -> httpx.Response:
    body = {"url": url, **({"validation_data": validation} if validation else {})}
    return client.post(f"/v2/images/{image_id}/locations", json=body)


@pytest.mark.parametrize("algorithm", [None, "md5", "sha1", "sha256", "sha512"])
def test_a_location_is_looked_at(glance: Images, demo: httpx.Client, web: Web, algorithm: str | None) -> None:
    image_id = made(demo)["id"]
    said = {"os_hash_algo": algorithm, "os_hash_value": HASHES[algorithm]} if algorithm else {}
    answer = add(demo, image_id, f"{web.url}/disk", **said)
    assert answer.status_code == 202, answer.text
    task = ended(demo, image_id)
    assert task["status"] == "success" and task["type"] == "location_import"
    assert task["input"] == {"image_id": image_id, "loc_url": f"{web.url}/disk", "validation_data": said}
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert shown["status"] == "active" and shown["size"] == len(DATA) and shown["stores"] == "web"
    assert shown["os_hash_algo"] == (algorithm or "sha512") and shown["checksum"] == HASHES["md5"]
    assert shown["os_hash_value"] == HASHES[algorithm or "sha512"]
    assert not {"os_glance_failed_import", "os_glance_importing_to_stores", "os_glance_import_task"} & set(shown)
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA and glance.files() == [] == glance.staged()
    path = f"/v2/images/{image_id}/locations"
    assert demo.get(path).status_code == 403
    with glance.client("admin") as admin:
        assert admin.get(path).json() == [{"url": f"{web.url}/disk", "metadata": {"store": "web"}}]
        copy = {"method": {"name": "copy-image"}, "stores": ["file"]}
        assert admin.post(f"/v2/images/{image_id}/import", json=copy).status_code == 202
    assert ended(demo, image_id, 2)["status"] == "success"
    assert demo.get(f"/v2/images/{image_id}").json()["os_hash_value"] == shown["os_hash_value"]


@pytest.mark.parametrize("page", [None, Page(status=404), Page(DATA, announced=len(DATA) + 1)])
def test_a_location_that_is_not_what_it_says(glance: Images, demo: httpx.Client, web: Web, page: Page | None) -> None:
    """The image waits for bytes again; the next upload forgets the address."""
    if page is not None:
        web.pages["/disk"] = page
    image_id = made(demo)["id"]
    assert add(demo, image_id, f"{web.url}/disk", os_hash_algo="sha512", os_hash_value="be" * 64).status_code == 202
    task = ended(demo, image_id)
    assert task["status"] == "failure" and task["message"]
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert shown["status"] == "queued" and shown["stores"] == "web"
    assert [shown[name] for name in ("os_hash_algo", "os_hash_value", "checksum", "size")] == [None] * 4
    assert demo.get(f"/v2/images/{image_id}/file").status_code == 204
    assert demo.put(f"/v2/images/{image_id}/file", content=b"x" * 512, headers=OCTETS).status_code == 204
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert shown["stores"] == "file" and len(shown["locations"]) == 1
    assert demo.get(f"/v2/images/{image_id}/file").content == b"x" * 512


def test_bytes_of_another_format_reach_no_node(glance: Images, demo: httpx.Client, web: Web) -> None:
    """A location's format is not judged when it is added; but nobody boots from it, and no copy is made of it."""
    image_id = made(demo, disk_format="qcow2")["id"]
    assert add(demo, image_id, f"{web.url}/disk").status_code == 202
    assert ended(demo, image_id)["status"] == "success"
    asked = len(web.seen)
    with glance.running.db.transaction() as tx:
        assert door.data_path(tx, glance.context, image_id) is None
    until(lambda: len(web.seen) > asked)
    with glance.client("admin") as admin:
        until(lambda: admin.get("/v2/cache").json() == {"cached_images": [], "queued_images": []})
        until(lambda: list(glance.context.caching.folder.iterdir()) == [])
        time.sleep(0.5)
        assert len(web.seen) <= asked + 2, "it is not fetched again and again"
        with glance.running.db.transaction() as tx:
            assert door.data_path(tx, glance.context, image_id) is None
        time.sleep(0.5)
        assert len(web.seen) <= asked + 2, "a node that asks again and again does not make it be fetched each time"
        copy = {"method": {"name": "copy-image"}, "stores": ["file"]}
        assert admin.post(f"/v2/images/{image_id}/import", json=copy).status_code == 202
    assert "does not match disk_format qcow2" in ended(demo, image_id, 2)["message"]
    assert glance.files() == [] and demo.get(f"/v2/images/{image_id}").json()["stores"] == "web"


@pytest.mark.parametrize(
    ("status", "url", "said"),
    [
        (400, "{web}/disk", {"os_hash_algo": "sha512", "os_hash_value": "dbc9"}),
        (400, "{web}/disk", {"os_hash_value": HASHES["sha512"]}),
        (400, "{web}/disk", {"os_hash_algo": "sha123", "os_hash_value": HASHES["sha512"]}),
        (400, "{web}/disk", {"os_hash_algo": "sha512", "os_hash_value": HASHES["sha256"]}),
        (400, "{web}/disk", {"os_hash_algo": "sha512", "os_hash_value": "zz" * 64}),
        (400, "{web}/disk", {"nope": "x"}),
        (400, 5, {}),
        (400, "http://10.0.0.1/disk", {}),
        (400, "http://127.0.0.1:22/disk", {}),
        (403, "file:///etc/passwd", {}),
        (403, "filesystem:///etc/passwd", {}),
        (403, "cinder://x", {}),
        (403, "", {}),
    ],
)
def test_what_is_no_location(
    glance: Images, demo: httpx.Client, web: Web, status: int, url: Any, said: dict[str, str]
) -> None:
    image_id = made(demo)["id"]
    answer = add(demo, image_id, url.format(web=web.url) if isinstance(url, str) else url, **said)
    assert answer.status_code == status, answer.text
    assert demo.get(f"/v2/images/{image_id}/tasks").json()["tasks"] == [] and web.seen == []


def test_who_may_add_a_location(glance: Images, demo: httpx.Client, other: httpx.Client, web: Web) -> None:
    image_id = made(demo)["id"]
    assert demo.post(f"/v2/images/{image_id}/locations", json={}).status_code == 400
    assert add(other, image_id, f"{web.url}/disk").status_code == 404
    with glance.client("reader") as reader:
        assert add(reader, image_id, f"{web.url}/disk").status_code == 403
    demo.put(f"/v2/images/{image_id}/file", content=DATA, headers=OCTETS)
    answer = add(demo, image_id, f"{web.url}/disk")
    assert answer.status_code == 409
    assert answer.json()["message"] == "It's not allowed to add locations if image status is active."
    bare = demo.post("/v2/images", json={}).json()
    assert add(demo, bare["id"], f"{web.url}/disk").status_code == 400
    web.pages["/slow"] = Page(DATA)
    slow = made(demo)["id"]
    assert add(demo, slow, f"{web.url}/slow").status_code == 202
    assert add(demo, slow, f"{web.url}/slow").status_code == 409
    web.wait.set()
    assert ended(demo, slow)["status"] == "success"


# ---- tasks


def task(client: httpx.Client, uri: Any, kind: str = "import", **properties: Any) -> httpx.Response:
    values = {"disk_format": "raw", "container_format": "bare", **properties}
    given = {"import_from": uri, "import_from_format": "raw", "image_properties": values}
    return client.post("/v2/tasks", json={"type": kind, "input": given})


def test_a_task_makes_an_image(glance: Images, admin: httpx.Client, demo: httpx.Client, web: Web) -> None:
    assert task(demo, f"{web.url}/disk").status_code == 403
    answer = task(admin, f"{web.url}/disk", name="new", visibility="public", x="y")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["type"] == "import" and answer.headers["location"].endswith(f"/v2/tasks/{body['id']}")

    def over() -> dict[str, Any] | None:
        found = admin.get(f"/v2/tasks/{body['id']}").json()
        return dict(found) if found["status"] in ("success", "failure") else None

    found = until(over)
    assert found["status"] == "success", found
    image = demo.get(f"/v2/images/{found['result']['image_id']}").json()
    assert image["status"] == "active" and image["name"] == "new" and image["x"] == "y" and image["size"] == len(DATA)
    assert image["visibility"] == "public" and glance.staged() == []

    failing = task(admin, f"{web.url}/nothing", protected=True).json()["id"]
    until(lambda: admin.get(f"/v2/tasks/{failing}").json()["status"] == "failure")
    assert len(admin.get("/v2/images").json()["images"]) == 1 and len(glance.files()) == 1


def test_tasks_that_are_none(admin: httpx.Client, web: Web) -> None:
    for uri in ("http://dummy.qcow2:22/", "file:///etc/passwd", "http://10.0.0.1/x", "", None, 5, "x"):
        assert task(admin, uri).status_code == 400, uri
    for kind in ("api_image_import", "location_import", "nope"):
        assert task(admin, f"{web.url}/disk", kind).status_code == 400
    assert task(admin, f"{web.url}/disk", disk_format="nope").status_code == 400
    assert task(admin, f"{web.url}/disk", location="x").status_code == 403
    for body in ({}, {"type": "import"}, {"type": "import", "input": {}}, {"type": "import", "input": None}):
        assert admin.post("/v2/tasks", json=body).status_code == 400
    answer = admin.post("/v2/tasks", json={"type": "import", "input": {"import_from": "x", "import_from_format": "y"}})
    assert answer.json()["message"] == "Input does not contain 'image_properties' field"
    assert admin.get("/v2/images").json()["images"] == [] and web.seen == []
