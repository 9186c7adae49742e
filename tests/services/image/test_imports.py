"""Imports: bytes come by each method, to each store that is asked for; whatever fails or dies leaves nothing."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.image.flows import imports as flow
from cumulet.services.image.loops import recover_uploads
from cumulet.services.image.model import locations
from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.model.intake import Intake
from cumulet.services.image.model.stores import StoreAway, Stores, Writing
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.service import ImageContext
from cumulet.services.image.tables import images as table
from tests.services.image.conftest import OCTETS, Images, ended, made, served, until
from tests.services.image.webserver import Page, Web, web_server

DATA = b"\0" * 512 + os.urandom(5 << 20)


class Moody(FileStore):
    """A folder that takes nothing while it is `away`."""

    away = False

    def create(self, image_id: str, upload_id: str) -> Writing:
        if self.away:
            raise StoreAway("It is out for lunch.")
        return super().create(image_id, upload_id)


def context_of(folder: Path, web: Web) -> ImageContext:
    stores = Stores([FileStore("file", folder / "images"), Moody("moody", folder / "moody")], "file")
    rules = Rules(("127.0.0.1",), (web.port,), connect_s=2, idle_s=5)
    return ImageContext(folder / "images", declared=stores, rules=rules)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as found:
        found.pages["/disk.raw"] = Page(DATA)
        yield found


@pytest.fixture
def glance(tmp_path: Path, web: Web) -> Iterator[Images]:
    with served(context_of(tmp_path, web), tmp_path / "state.db") as found:
        yield found


def moody(glance: Images) -> Moody:
    store = glance.context.stores.get("moody")
    assert isinstance(store, Moody)
    return store


def files(glance: Images) -> dict[str, list[str]]:
    stores = {store.id: store for store in glance.context.stores if isinstance(store, FileStore)}
    return {name: sorted(path.name for path in store.folder.iterdir()) for name, store in stores.items()}


def ask(client: httpx.Client, image_id: str, name: str, method: dict[str, Any] | None = None, **body: Any) -> Any:
    return client.post(f"/v2/images/{image_id}/import", json={"method": {"name": name, **(method or {})}, **body})


def staged(client: httpx.Client, data: bytes = DATA, **values: Any) -> dict[str, Any]:
    image = made(client, **values)
    answer = client.put(f"/v2/images/{image['id']}/stage", content=data, headers=OCTETS)
    assert answer.status_code == 204, answer.text
    shown: dict[str, Any] = client.get(f"/v2/images/{image['id']}").json()
    assert shown["status"] == "uploading" and shown["size"] == len(data) and shown["checksum"] is None
    return shown


def active(glance: Images, client: httpx.Client, image_id: str, stores: str = "file") -> dict[str, Any]:
    """The image holds DATA in these stores, and nothing is left of its import."""
    shown: dict[str, Any] = client.get(f"/v2/images/{image_id}").json()
    assert shown["status"] == "active" and shown["size"] == len(DATA) and shown["stores"] == stores
    assert shown["checksum"] == hashlib.md5(DATA).hexdigest()
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert shown["os_glance_importing_to_stores"] == "" and "os_glance_import_task" not in shown
    assert client.get(f"/v2/images/{image_id}/file").content == DATA
    assert until(lambda: not glance.staged())
    for name, found in files(glance).items():
        assert found == ([image_id] if name in stores.split(",") else []), name
    return shown


def nothing(glance: Images, client: httpx.Client, image_id: str, failed: str = "file") -> None:
    """The import failed: the image is queued again, and nothing is left."""
    shown = client.get(f"/v2/images/{image_id}").json()
    assert shown["status"] == "queued" and shown["os_glance_failed_import"] == failed
    assert shown["os_glance_importing_to_stores"] == "" and "os_glance_import_task" not in shown
    assert shown["size"] is None and shown["checksum"] is None and "stores" not in shown
    assert until(lambda: not glance.staged())
    assert not any(name.startswith(image_id) for found in files(glance).values() for name in found)


def test_glance_direct(glance: Images, demo: httpx.Client) -> None:
    image_id = staged(demo)["id"]
    assert glance.staged() == [image_id]
    answer = ask(demo, image_id, "glance-direct")
    assert answer.status_code == 202 and answer.content == b""
    task = ended(demo, image_id)
    assert task["status"] == "success" and task["type"] == "api_image_import" and task["message"] == ""
    assert task["request_id"] == answer.headers["x-openstack-request-id"] and task["result"] == {"image_id": image_id}
    assert task["input"]["image_id"] == image_id and task["input"]["backend"] == ["file"]
    assert task["input"]["import_req"]["method"] == {"name": "glance-direct"}
    active(glance, demo, image_id)


def test_the_heaviest_store_comes_first(glance: Images, demo: httpx.Client) -> None:
    image_id = staged(demo)["id"]
    assert ask(demo, image_id, "glance-direct", all_stores=True).status_code == 202
    assert ended(demo, image_id)["status"] == "success"
    assert demo.get(f"/v2/images/{image_id}").json()["stores"] == "file,moody"
    moody(glance).weight = 10
    assert demo.get(f"/v2/images/{image_id}").json()["stores"] == "moody,file"
    assert demo.get("/v2/images").json()["images"][0]["stores"] == "moody,file"
    (glance.context.folder / image_id).write_bytes(b"x" * len(DATA))
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA, "the heaviest is read"
    preferred = demo.get(f"/v2/images/{image_id}/file?prefer=file")
    assert preferred.status_code == 200 and preferred.content != DATA
    assert demo.get(f"/v2/images/{image_id}/file?prefer=nope").status_code == 400


def test_web_download(glance: Images, demo: httpx.Client, web: Web) -> None:
    image_id = made(demo)["id"]
    answer = ask(demo, image_id, "web-download", {"uri": f"{web.url}/disk.raw"}, stores=["moody", "file", "moody"])
    assert answer.status_code == 202
    task = ended(demo, image_id)
    assert task["status"] == "success" and task["input"]["backend"] == ["moody", "file"]
    active(glance, demo, image_id, "moody,file")


def test_copy_image(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    image_id = made(demo)["id"]
    assert ask(admin, image_id, "copy-image").status_code == 409, "it has no bytes"
    demo.put(f"/v2/images/{image_id}/file", content=DATA, headers=OCTETS)
    assert ask(demo, image_id, "copy-image", stores=["moody"]).status_code == 403
    assert ask(admin, image_id, "copy-image", stores=["file"]).status_code == 400, "it is there already"
    assert ask(admin, image_id, "copy-image", all_stores=True).status_code == 202
    assert ended(demo, image_id)["status"] == "success"
    active(glance, demo, image_id, "file,moody")
    assert ask(admin, image_id, "copy-image", all_stores=True).status_code == 202, "there is nothing left to do"
    assert len(demo.get(f"/v2/images/{image_id}/tasks").json()["tasks"]) == 1

    path = f"/v2/stores/file/{image_id}"
    assert demo.delete(path).status_code == 403
    assert admin.delete(f"/v2/stores/nope/{image_id}").status_code == 409
    assert admin.delete(path).status_code == 204
    active(glance, demo, image_id, "moody")
    assert admin.delete(path).status_code == 403, "it is not the last store, but there is only one left"
    assert admin.delete(f"/v2/stores/moody/{image_id}").status_code == 403
    assert demo.delete(f"/v2/images/{image_id}").status_code == 204
    assert files(glance) == {"file": [], "moody": []}


def test_a_copy_does_not_wake_a_deactivated_image(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    image_id = made(demo)["id"]
    demo.put(f"/v2/images/{image_id}/file", content=DATA, headers=OCTETS)
    begun, go_on = threading.Event(), threading.Event()
    create = moody(glance).create

    def slowly(*given: str) -> Writing:
        begun.set()
        assert go_on.wait(20)
        return create(*given)

    moody(glance).create = slowly  # type: ignore[method-assign]
    assert ask(admin, image_id, "copy-image", stores=["moody"]).status_code == 202
    assert begun.wait(20)
    assert admin.post(f"/v2/images/{image_id}/actions/deactivate").status_code == 204
    go_on.set()
    assert ended(demo, image_id)["status"] == "success"
    assert demo.get(f"/v2/images/{image_id}").json()["status"] == "deactivated"


def test_the_store_of_an_upload(glance: Images, demo: httpx.Client) -> None:
    image_id = made(demo)["id"]
    sent = {**OCTETS, "x-image-meta-store": "moody"}
    assert demo.put(f"/v2/images/{image_id}/file", content=DATA, headers=sent).status_code == 204
    assert files(glance) == {"file": [], "moody": [image_id]}
    bad = demo.put(f"/v2/images/{made(demo)['id']}/file", content=DATA, headers={**sent, "x-image-meta-store": "x"})
    assert bad.status_code == 400
    other = staged(demo)["id"]
    headers = {"x-image-meta-store": "moody"}
    body = {"method": {"name": "glance-direct"}}
    assert demo.post(f"/v2/images/{other}/import", json=body, headers=headers).status_code == 202
    assert ended(demo, other)["status"] == "success" and files(glance)["moody"] == sorted([image_id, other])


def test_what_an_image_can_be_imported_says(demo: httpx.Client, glance: Images) -> None:
    headers = demo.post("/v2/images", json={}).headers
    assert headers["openstack-image-import-methods"] == "glance-direct,web-download,copy-image,glance-download"
    assert headers["openstack-image-store-ids"] == "file,moody"
    assert demo.get("/v2/info/stores").json() == {"stores": [{"id": "file", "default": "true"}, {"id": "moody"}]}
    assert demo.get("/v2/info/stores/detail").status_code == 403
    with glance.client("admin") as admin:
        shown = admin.get("/v2/info/stores/detail").json()["stores"][0]
    assert shown["type"] == "file" and shown["weight"] == 0 and shown["properties"]["data_dir"]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {}, "Import request requires a 'method' field."),
        (400, {"method": {}}, "Import request requires a 'name' field."),
        (400, {"method": []}, "Import request requires a 'name' field."),
        (400, {"method": {"name": "nope"}}, "Unknown import method name 'nope'."),
        (400, {"method": {"name": ["glance-direct"]}}, "Unknown import method name"),
        (400, {"method": {"name": "glance-direct"}, "all_stores": 1}, "'all_stores' must be boolean value only"),
        (
            400,
            {"method": {"name": "glance-direct"}, "all_stores_must_succeed": "yes"},
            "'all_stores_must_succeed' must be boolean value only",
        ),
        (400, {"method": {"name": "glance-direct"}, "all_stores": True, "stores": ["file"]}, "All_stores parameter"),
        (400, {"method": {"name": "glance-direct"}, "stores": "file"}, "'stores' must be a list"),
        (400, {"method": {"name": "glance-direct"}, "stores": []}, "'stores' must be a list"),
        (400, {"method": {"name": "glance-direct"}, "stores": [{}]}, "'stores' must be a list"),
        (409, {"method": {"name": "glance-direct"}, "stores": ["nope"]}, "Store for identifier nope not found"),
        (409, {"method": {"name": "glance-direct"}}, "Image needs to be staged before 'glance-direct' method"),
        (400, {"method": {"name": "web-download"}}, "URI for web-download does not pass filtering: None"),
        (400, {"method": {"name": "web-download", "uri": 5}}, "URI for web-download does not pass filtering: 5"),
        (400, {"method": {"name": "glance-download"}}, "'glance_region' needs to be set for glance-download"),
        (
            400,
            {"method": {"name": "glance-download", "glance_region": "x", "glance_image_id": "foo"}},
            "Remote image id does not look like a UUID: foo",
        ),
    ],
)
def test_what_is_refused(demo: httpx.Client, status: int, body: dict[str, Any], words: str) -> None:
    image = made(demo)
    answer = demo.post(f"/v2/images/{image['id']}/import", json=body)
    assert answer.status_code == status and words in answer.json()["message"], answer.text
    assert demo.get(f"/v2/images/{image['id']}").json()["status"] == "queued"
    assert demo.get(f"/v2/images/{image['id']}/tasks").json()["tasks"] == []


def test_a_copy_is_of_an_active_image_and_for_administrators(demo: httpx.Client, admin: httpx.Client) -> None:
    image, body = made(demo), {"method": {"name": "copy-image"}}
    answer = admin.post(f"/v2/images/{image['id']}/import", json=body)
    assert answer.status_code == 409
    assert answer.json()["message"] == "Only images with status active can be targeted for copying"
    assert demo.post(f"/v2/images/{image['id']}/import", json=body).status_code == 403


def test_states_that_are_not_for_an_import(glance: Images, demo: httpx.Client, other: httpx.Client, web: Web) -> None:
    bare = demo.post("/v2/images", json={"disk_format": "raw"}).json()
    uri = {"uri": f"{web.url}/disk.raw"}
    answer = ask(demo, bare["id"], "web-download", uri)
    assert answer.status_code == 409 and answer.json()["message"] == "'container_format' needs to be set before import"
    image_id = staged(demo)["id"]
    assert ask(demo, image_id, "web-download", uri).status_code == 409
    assert ask(other, image_id, "glance-direct").status_code == 404, "another project's"
    with glance.client("reader") as reader:
        assert ask(reader, image_id, "glance-direct").status_code == 403
    for method, status in (("PUT", 409), ("POST", 409)):
        path = f"/v2/images/{image_id}" + ("/stage" if method == "PUT" else "/actions/deactivate")
        answer = demo.request(method, path, content=DATA if method == "PUT" else None, headers=OCTETS)
        assert answer.status_code == (status if method == "PUT" else 403)
    assert ask(demo, image_id, "glance-direct").status_code == 202
    assert ask(demo, image_id, "glance-direct").status_code == 409, "it is being imported, or is active"
    assert ended(demo, image_id)["status"] == "success"
    answer = ask(demo, image_id, "glance-direct")
    assert answer.status_code == 409
    assert answer.json()["message"] == "Image with status active cannot be target for import"


def test_bytes_that_are_not_what_they_say(glance: Images, demo: httpx.Client) -> None:
    image_id = staged(demo, disk_format="qcow2")["id"]
    assert ask(demo, image_id, "glance-direct", all_stores=True).status_code == 202
    task = ended(demo, image_id)
    assert task["status"] == "failure" and "does not match disk_format qcow2" in task["message"]
    nothing(glance, demo, image_id, "file,moody")
    change = [{"op": "replace", "path": "/disk_format", "value": "raw"}]
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    assert demo.patch(f"/v2/images/{image_id}", json=change, headers=patch).status_code == 200
    assert demo.put(f"/v2/images/{image_id}/stage", content=DATA, headers=OCTETS).status_code == 204
    assert ask(demo, image_id, "glance-direct").status_code == 202
    assert ended(demo, image_id, 2)["status"] == "success"
    active(glance, demo, image_id)


@pytest.mark.parametrize("must", [True, False])
def test_a_store_that_is_away(glance: Images, demo: httpx.Client, must: bool) -> None:
    moody(glance).away = True
    image_id = staged(demo)["id"]
    answer = ask(demo, image_id, "glance-direct", stores=["file", "moody"], all_stores_must_succeed=must)
    assert answer.status_code == 202
    task = ended(demo, image_id)
    if must:
        assert task["status"] == "failure" and "Store moody did not take the image" in task["message"]
        nothing(glance, demo, image_id, "file,moody")
    else:
        assert task["status"] == "success"
        assert active(glance, demo, image_id)["os_glance_failed_import"] == "moody"


def test_no_store_takes_it(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    moody(glance).away = True
    image_id = staged(demo)["id"]
    assert ask(demo, image_id, "glance-direct", stores=["moody"], all_stores_must_succeed=False).status_code == 202
    assert ended(demo, image_id)["status"] == "failure"
    nothing(glance, demo, image_id, "moody")
    demo.put(f"/v2/images/{image_id}/file", content=DATA, headers=OCTETS)
    assert ask(admin, image_id, "copy-image", stores=["moody"], all_stores_must_succeed=False).status_code == 202
    assert ended(demo, image_id, 2)["status"] == "failure"
    active(glance, demo, image_id)


@pytest.mark.parametrize("page", [Page(status=404), Page(DATA, announced=len(DATA) + 5), Page(status=500)])
def test_a_download_that_fails(glance: Images, demo: httpx.Client, web: Web, page: Page) -> None:
    web.pages["/bad"] = page
    image_id = made(demo)["id"]
    assert ask(demo, image_id, "web-download", {"uri": f"{web.url}/bad"}).status_code == 202
    task = ended(demo, image_id)
    assert task["status"] == "failure" and task["message"]
    nothing(glance, demo, image_id)


def test_a_delete_during_the_import(glance: Images, demo: httpx.Client, web: Web, admin: httpx.Client) -> None:
    image_id = made(demo)["id"]
    web.pages["/slow"] = Page(DATA)
    assert ask(demo, image_id, "web-download", {"uri": f"{web.url}/slow"}).status_code == 202
    until(web.asked)
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert shown["status"] == "importing" and shown["os_glance_importing_to_stores"] == "file"
    task_id = shown["os_glance_import_task"]
    assert admin.get(f"/v2/tasks/{task_id}").json()["status"] == "processing"
    assert demo.delete(f"/v2/images/{image_id}").status_code == 204
    web.wait.set()
    until(lambda: admin.get(f"/v2/tasks/{task_id}").json()["status"] == "failure")
    assert until(lambda: not glance.staged()) and files(glance) == {"file": [], "moody": []}
    assert demo.get(f"/v2/images/{image_id}").status_code == 404


class Killed(BaseException):
    """The process ends here: nothing that it would still do happens."""


def _at_first(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> list[int]:
    """The process dies before (or after) its first call of that function; the calls of it."""
    real, calls = getattr(owner, name), list[int]()

    def dying(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return real(*given, **named)
        if after:
            real(*given, **named)
        raise Killed

    monkeypatch.setattr(owner, name, dying)
    return calls


PLACES = [
    (flow, "fetch", False),
    (flow, "fetch", True),
    (Intake, "put", True),
    (Intake, "finish", False),
    (Intake, "finish", True),
    (locations, "claim", True),
    (flow.Import, "_adopt", True),
    (flow.Import, "_to_store", True),
    (flow.Import, "_finish", False),
    (flow.Import, "_finish", True),
]


@pytest.mark.parametrize(
    ("method", "owner", "name", "after"),
    [("web-download", *place) for place in PLACES]
    + [("glance-direct", *place) for place in PLACES if place[1] != "fetch"],
)
def test_the_process_dies_during_the_import(
    tmp_path: Path,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    owner: Any,
    name: str,
    after: bool,
) -> None:
    """The next process finds what is there, and ends the import; then nothing is left but the image."""
    monkeypatch.setattr(flow, "LEASE_S", 0.2)
    with served(context_of(tmp_path, web), tmp_path / "state.db") as first, first.client("demo") as client:
        image_id = (staged if method == "glance-direct" else made)(client)["id"]
        calls = _at_first(monkeypatch, owner, name, after=after)
        first.engine.stop()  # whatever is due after the death is the next process's
        answer = ask(client, image_id, method, {"uri": f"{web.url}/disk.raw"}, stores=["file", "moody"])
        assert answer.status_code == 202
        first.engine.run_due()
        until(lambda: calls)
    with served(context_of(tmp_path, web), tmp_path / "state.db") as second, second.client("demo") as client:
        recover_uploads(second.running.store, second.context)
        assert ended(client, image_id)["status"] == "success"
        active(second, client, image_id, "file,moody")
        with second.running.store.read() as tx:
            assert second.engine.waiting(tx, image_id) == []


@pytest.mark.parametrize(
    ("method", "owner", "name", "after"),
    [("web-download", *place) for place in PLACES if place[1] != "_finish"]
    + [("glance-direct", *place) for place in PLACES if place[1] not in ("fetch", "_finish")],
)
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), OSError(5, "I/O error"), StoreAway("away")])
def test_a_step_fails(
    glance: Images,
    demo: httpx.Client,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    owner: Any,
    name: str,
    after: bool,
    fault: Exception,
) -> None:
    """Wherever it fails, the image waits for bytes again, nothing is left, and the next import succeeds."""
    image_id = (staged if method == "glance-direct" else made)(demo)["id"]
    real = getattr(owner, name)

    def failing(*given: Any, **named: Any) -> Any:
        if after:
            real(*given, **named)
        raise fault

    uri = {"uri": f"{web.url}/disk.raw"}
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, failing)
        assert ask(demo, image_id, method, uri, all_stores=True).status_code == 202
        task = ended(demo, image_id)
    assert task["status"] == "failure" and task["message"]
    nothing(glance, demo, image_id, "file,moody")
    assert ask(demo, image_id, "web-download", uri, all_stores=True).status_code == 202
    assert ended(demo, image_id, 2)["status"] == "success"
    active(glance, demo, image_id, "file,moody")


def test_a_process_that_starts_goes_on_at_once(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait until the dead worker's lease is over, which is longer than this test waits."""
    with served(context_of(tmp_path, web), tmp_path / "state.db") as first, first.client("demo") as client:
        image_id = staged(client)["id"]
        calls = _at_first(monkeypatch, Intake, "finish", after=True)
        assert ask(client, image_id, "glance-direct").status_code == 202
        until(lambda: calls)
    with served(context_of(tmp_path, web), tmp_path / "state.db") as second, second.client("demo") as client:
        recover_uploads(second.running.store, second.context)
        assert ended(client, image_id)["status"] == "success"
        active(second, client, image_id)


def test_a_process_that_ends_does_not_wait_for_imports(tmp_path: Path, web: Web) -> None:
    """They stop at the next block, and the next process fetches anew."""
    with served(context_of(tmp_path, web), tmp_path / "state.db") as first, first.client("demo") as client:
        image_id = made(client)["id"]
        web.pages["/slow"] = Page(DATA)
        assert ask(client, image_id, "web-download", {"uri": f"{web.url}/slow"}).status_code == 202
        until(web.asked)
        first.context.ending.set()
        web.wait.set()
        until(lambda: not first.staged())
        shown = client.get(f"/v2/images/{image_id}").json()
        assert shown["status"] == "importing" and shown["os_glance_import_task"]
        first.engine.stop()
    with served(context_of(tmp_path, web), tmp_path / "state.db") as second, second.client("demo") as client:
        recover_uploads(second.running.store, second.context)
        assert ended(client, image_id)["status"] == "success"
        active(second, client, image_id)


def test_an_import_that_wears_out_every_process(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(flow, "LEASE_S", 0.05)
    monkeypatch.setattr(flow.Import, "_fetch", dying)
    with served(context_of(tmp_path, web), tmp_path / "state.db") as glance, glance.client("demo") as client:
        image_id = made(client)["id"]
        assert ask(client, image_id, "web-download", {"uri": f"{web.url}/disk.raw"}).status_code == 202
        task = ended(client, image_id)
        assert task["status"] == "failure" and "begun several times" in task["message"]
        nothing(glance, client, image_id)


def test_an_import_that_takes_too_long(glance: Images, demo: httpx.Client, web: Web) -> None:
    """At the deadline it is given up; the worker that comes back has lost."""
    image_id = made(demo)["id"]
    web.pages["/slow"] = Page(DATA)
    assert ask(demo, image_id, "web-download", {"uri": f"{web.url}/slow"}).status_code == 202
    until(web.asked)
    with glance.running.store.transaction() as tx:
        (waiting,) = glance.engine.waiting(tx, image_id)
        glance.engine._plans["image_import"].deadline(tx, waiting)
        glance.engine.cancel(tx, "image_import", image_id)
    assert ended(demo, image_id)["message"] == "The import took too long."
    web.wait.set()
    nothing(glance, demo, image_id)
    with glance.running.store.read() as tx:
        assert tx.scalar(table.select().with_only_columns(table.c.import_task)) is None


def test_each_step_twice(glance: Images, demo: httpx.Client) -> None:
    """The flow's step runs as often as it likes: one worker does the work, once."""
    image_id = staged(demo)["id"]
    assert ask(demo, image_id, "glance-direct", all_stores=True).status_code == 202
    for _ in range(3):
        with glance.running.store.transaction() as tx:
            glance.engine.advance(tx, "image_import", image_id)
    assert ended(demo, image_id)["status"] == "success"
    active(glance, demo, image_id, "file,moody")


# ---- from another region


def remote(glance: Images, client: httpx.Client, image_id: str, source: str, region: str = "elsewhere") -> Any:
    def endpoint(_tx: Any, region: str, interface: str) -> str | None:
        return f"{glance.running.url}/" if (region, interface) == ("elsewhere", "public") else None

    glance.context.endpoint = endpoint
    where = {"glance_region": region, "glance_image_id": source, "glance_service_interface": None}
    return ask(client, image_id, "glance-download", where)


def test_glance_download(glance: Images, demo: httpx.Client) -> None:
    kept = {"hw_cpu_cores": "5", "trait:STORAGE_DISK_SSD": "required", "os_distro": "rhel"}
    source = made(demo, **kept, speed="88mph", owner_specified="x")["id"]
    demo.put(f"/v2/images/{source}/file", content=DATA, headers=OCTETS)
    image_id = made(demo, hw_cpu_cores="1", mine="y", disk_format="iso", container_format="ovf")["id"]
    assert remote(glance, demo, image_id, source).status_code == 202
    task = ended(demo, image_id)
    assert task["status"] == "success", task
    assert "demo" not in str(task["input"]), "the token is kept nowhere"
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert kept.items() <= shown.items() and shown["mine"] == "y" and "speed" not in shown
    assert (shown["disk_format"], shown["container_format"]) == ("raw", "bare")
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA and glance.context.tokens == {}


def test_glance_download_that_fails(glance: Images, demo: httpx.Client, other: httpx.Client) -> None:
    foreign = made(other)["id"]
    other.put(f"/v2/images/{foreign}/file", content=DATA, headers=OCTETS)
    empty = made(demo, hw_cpu_cores="5")["id"]
    for source, region in ((foreign, "elsewhere"), (empty, "elsewhere"), (empty, "not a region")):
        image_id = made(demo, hw_cpu_cores="1")["id"]
        assert remote(glance, demo, image_id, source, region).status_code == 202
        assert ended(demo, image_id)["status"] == "failure"
        nothing(glance, demo, image_id)
        assert demo.get(f"/v2/images/{image_id}").json()["hw_cpu_cores"] == "1"
    assert glance.context.tokens == {}


def test_glance_download_gives_back_what_it_took(
    glance: Images, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made(demo, hw_cpu_cores="5")["id"]
    demo.put(f"/v2/images/{source}/file", content=DATA, headers=OCTETS)
    image_id = made(demo, disk_format="iso", hw_cpu_cores="1")["id"]
    moody(glance).away = True
    glance.context.endpoint = lambda _tx, _region, _interface: glance.running.url
    where = {"glance_region": "x", "glance_image_id": source}
    assert ask(demo, image_id, "glance-download", where, stores=["file", "moody"]).status_code == 202
    assert ended(demo, image_id)["status"] == "failure"
    nothing(glance, demo, image_id, "file,moody")
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert shown["disk_format"] == "iso" and shown["hw_cpu_cores"] == "1"
