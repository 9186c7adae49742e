"""Imports: bytes come by each method, to each store that is asked for; whatever fails leaves nothing."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from cumulet.services.image.model.stores import Writing
from tests.services.image.conftest import OCTETS, Images, ended, made, until
from tests.services.image.imports.importing import DATA, active, ask, files, moody, nothing, staged
from tests.services.image.webserver import Page, Web


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

    moody(glance).create = slowly  # type: ignore[assignment, method-assign]
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
