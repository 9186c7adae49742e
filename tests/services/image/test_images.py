"""Image records over HTTP: create, show, patch, delete, tags, and who may see and do what."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.services.image.conftest import OCTETS, RAW, Images, made
from tests.services.serving import PROJECTS

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def patch(client: httpx.Client, image: dict[str, Any], *changes: dict[str, Any]) -> httpx.Response:
    return client.patch(f"/v2/images/{image['id']}", json=list(changes), headers=PATCH)


def test_discovery(glance: Images) -> None:
    with glance.client("") as client:
        root, versions = client.get("/"), client.get("/versions")
        assert root.status_code == 300 and versions.status_code == 200
        found = versions.json()["versions"]
        assert [one["id"] for one in found] == [f"v2.{n}" for n in range(17, -1, -1)]
        assert found[0]["status"] == "CURRENT" and found[0]["links"][0]["href"].endswith("/v2/")
        assert client.get("/v2/images").status_code == 401
        assert client.get("/v2/images", headers={"X-Auth-Token": "forged"}).status_code == 401


def test_create(demo: httpx.Client) -> None:
    given = str(uuid.uuid4())
    answer = demo.post(
        "/v2/images", json={**RAW, "id": given, "tags": ["b", "a", "a"], "hw_disk_bus": "virtio", "min_ram": 64}
    )
    image = answer.json()
    assert answer.headers["location"].endswith(f"/v2/images/{given}")
    assert image["status"] == "queued" and image["tags"] == ["a", "b"] and image["hw_disk_bus"] == "virtio"
    assert image["visibility"] == "shared" and image["owner"] == PROJECTS["demo"] and image["size"] is None
    assert image["min_ram"] == 64 and image["min_disk"] == 0 and image["protected"] is image["os_hidden"] is False
    assert demo.get(f"/v2/images/{given}").json() == image
    assert demo.post("/v2/images", json={"id": given}).status_code == 409
    assert demo.delete(f"/v2/images/{given}").status_code == 204
    assert demo.post("/v2/images", json={"id": given}).status_code == 409, "an id is never used again"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x" * 256},
        {"name": 5},
        {"visibility": "everybody"},
        {"disk_format": "floppy"},
        {"container_format": "bucket"},
        {"min_disk": "1"},
        {"min_disk": True},
        {"protected": "true"},
        {"id": "nope"},
        {"tags": "a"},
        {"tags": ["x" * 256]},
        {"property": 5},
        {"property": {"a": "b"}},
        [],
    ],
)
def test_create_refuses_what_does_not_fit(demo: httpx.Client, body: Any) -> None:
    answer = demo.post("/v2/images", json=body)
    assert answer.status_code == 400 and "does not match schema 'image'" in answer.text
    assert demo.get("/v2/images").json()["images"] == []


def test_create_refuses_what_only_the_service_writes(demo: httpx.Client) -> None:
    sent = {"status": "active", "checksum": "x", "size": 5, "created_at": "x", "self": "x", "os_hash_value": "x"}
    for name, value in {**sent, "stores": "file", "direct_url": "x"}.items():
        answer = demo.post("/v2/images", json={name: value})
        assert answer.status_code == 403 and answer.json()["message"] == f"Attribute '{name}' is read-only."
    for name in ("location", "deleted", "deleted_at", "os_glance_foo"):
        answer = demo.post("/v2/images", json={name: "file:///etc/passwd"})
        assert answer.status_code == 403 and answer.json()["message"] == f"Attribute '{name}' is reserved."
    places = [{"url": "file:///etc/passwd", "metadata": {}}]
    assert demo.post("/v2/images", json={"locations": places}).status_code == 403
    assert demo.post("/v2/images", json={"status": "x"}).status_code == 400
    negative = demo.post("/v2/images", json={"min_ram": -1})
    assert negative.status_code == 400
    assert negative.json()["message"] == "Invalid value '-1' for parameter 'min_ram': Cannot be a negative value"
    assert demo.post("/v2/images", json={"owner": PROJECTS["other"]}).status_code == 403
    assert demo.post("/v2/images", json={"visibility": "public"}).status_code == 403
    assert demo.post("/v2/images", json={f"p{n}": "x" for n in range(129)}).status_code == 413


def test_reader_reads_only(glance: Images, demo: httpx.Client) -> None:
    image = made(demo)
    with glance.client("reader") as reader:
        assert reader.get(f"/v2/images/{image['id']}").status_code == 200
        assert reader.post("/v2/images", json=RAW).status_code == 403
        assert reader.delete(f"/v2/images/{image['id']}").status_code == 403
        assert patch(reader, image, {"op": "replace", "path": "/name", "value": "x"}).status_code == 403
        assert reader.put(f"/v2/images/{image['id']}/file", content=b"x", headers=OCTETS).status_code == 403
        assert reader.put(f"/v2/images/{image['id']}/tags/x").status_code == 403
    assert glance.files() == []


def test_other_projects_see_nothing(glance: Images, demo: httpx.Client, other: httpx.Client) -> None:
    image = made(demo)
    path = f"/v2/images/{image['id']}"
    for answer in (
        other.get(path),
        other.delete(path),
        patch(other, image, {"op": "replace", "path": "/name", "value": "x"}),
        other.get(f"{path}/file"),
        other.put(f"{path}/file", content=b"x", headers=OCTETS),
        other.put(f"{path}/tags/x"),
        other.delete(f"{path}/tags/x"),
        other.get(f"{path}/members"),
        other.post(f"{path}/members", json={"member": PROJECTS["other"]}),
        other.post(f"{path}/actions/deactivate"),
    ):
        assert answer.status_code == 404 and image["id"] in answer.json()["message"]
    assert other.get("/v2/images").json()["images"] == [] and glance.files() == []


def test_public_images_are_read_only_to_others(admin: httpx.Client, demo: httpx.Client) -> None:
    image = made(admin, visibility="public")
    assert demo.get(f"/v2/images/{image['id']}").status_code == 200
    assert demo.delete(f"/v2/images/{image['id']}").status_code == 403
    assert patch(demo, image, {"op": "replace", "path": "/name", "value": "x"}).status_code == 403


def test_patch(demo: httpx.Client) -> None:
    image = made(demo, a="1", tags=["x"])
    answer = patch(
        demo,
        image,
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/b~1c", "value": "2"},
        {"op": "remove", "path": "/a"},
        {"op": "replace", "path": "/tags", "value": ["y", "x"]},
        {"op": "replace", "path": "/os_hidden", "value": True},
    )
    shown = answer.json()
    assert answer.status_code == 200 and shown == demo.get(f"/v2/images/{image['id']}").json()
    assert (shown["name"], shown["b/c"], shown["tags"]) == ("new", "2", ["x", "y"]) and "a" not in shown
    assert patch(demo, image, {"op": "replace", "path": "/disk_format", "value": "qcow2"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"op": "replace", "path": "/id", "value": "x"}, 403, "Attribute 'id' is read-only."),
        ({"op": "replace", "path": "/status", "value": "active"}, 403, "Attribute 'status' is read-only."),
        ({"op": "remove", "path": "/checksum"}, 403, "Attribute 'checksum' is read-only."),
        ({"op": "add", "path": "/deleted", "value": "x"}, 403, "Attribute 'deleted' is reserved."),
        ({"op": "replace", "path": "/owner", "value": "x"}, 403, "Owner can't be updated by non admin."),
        ({"op": "remove", "path": "/name"}, 403, "Property name may not be removed."),
        ({"op": "remove", "path": "/nope"}, 409, "Property nope does not exist."),
        ({"op": "replace", "path": "/nope", "value": "x"}, 409, "Property nope does not exist."),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403, None),
        ({"op": "move", "path": "/name", "value": "x"}, 400, None),
        ({"op": "replace", "path": "name", "value": "x"}, 400, 'Pointer `name` does not start with "/".'),
        ({"op": "replace", "path": "/a//b", "value": "x"}, 400, 'Pointer `/a//b` contains adjacent "/".'),
        ({"op": "replace", "path": "/name"}, 400, 'Operation "replace" requires a member named "value".'),
        ({"op": "replace", "path": "/min_ram", "value": 2**31}, 400, None),
        (
            {"path": "/name", "value": "x"},
            400,
            "Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace.",
        ),
        ("nonsense", 400, None),
    ],
)
def test_patch_refusals(demo: httpx.Client, change: Any, status: int, message: str | None) -> None:
    image = made(demo)
    answer = patch(demo, image, {"op": "replace", "path": "/name", "value": "half"}, change)
    assert answer.status_code == status, answer.text
    assert message is None or answer.json()["message"] == message
    assert demo.get(f"/v2/images/{image['id']}").json() == image, "a refused patch changes nothing"


def test_patch_wants_its_media_type(demo: httpx.Client) -> None:
    answer = demo.patch(f"/v2/images/{made(demo)['id']}", json=[])
    assert answer.status_code == 415 and "v2.1-json-patch" in answer.headers["accept-patch"]


def test_formats_are_fixed_once_there_is_data(demo: httpx.Client) -> None:
    image = made(demo)
    assert demo.put(f"/v2/images/{image['id']}/file", content=b"x" * 1024, headers=OCTETS).status_code == 204
    answer = patch(demo, image, {"op": "replace", "path": "/disk_format", "value": "qcow2"})
    assert answer.status_code == 403
    assert answer.json()["message"] == "Attribute disk_format can be only replaced for a queued image."


def test_protected_images_stay(demo: httpx.Client) -> None:
    image = made(demo, protected=True)
    answer = demo.delete(f"/v2/images/{image['id']}")
    assert answer.status_code == 403
    assert answer.json()["message"] == f"Image {image['id']} is protected and cannot be deleted."
    assert patch(demo, image, {"op": "replace", "path": "/protected", "value": False}).status_code == 200
    assert demo.delete(f"/v2/images/{image['id']}").status_code == 204
    assert demo.get(f"/v2/images/{image['id']}").status_code == 404
    assert demo.delete(f"/v2/images/{image['id']}").status_code == 404


def test_tags(demo: httpx.Client) -> None:
    path = f"/v2/images/{made(demo)['id']}"
    assert demo.put(f"{path}/tags/a%20b").status_code == 204 and demo.put(f"{path}/tags/a%20b").status_code == 204
    assert demo.get(path).json()["tags"] == ["a b"]
    assert demo.delete(f"{path}/tags/a%20b").status_code == 204 and demo.delete(f"{path}/tags/a%20b").status_code == 404
    assert demo.put(f"{path}/tags/{'x' * 256}").status_code == 400


def test_sharing(demo: httpx.Client, other: httpx.Client) -> None:
    image = made(demo)
    path = f"/v2/images/{image['id']}"
    demo.put(f"{path}/file", content=b"x" * 1024, headers=OCTETS)
    member = demo.post(f"{path}/members", json={"member": PROJECTS["other"]})
    assert member.status_code == 200 and member.json()["status"] == "pending"
    assert demo.post(f"{path}/members", json={"member": PROJECTS["other"]}).status_code == 409
    assert other.get(path).status_code == 200 and other.get(f"{path}/file").status_code == 200

    def listed(query: str = "") -> list[str]:
        return [one["id"] for one in other.get(f"/v2/images{query}").json()["images"]]

    assert listed() == [] and listed("?member_status=pending&visibility=shared") == [image["id"]]
    mine = f"{path}/members/{PROJECTS['other']}"
    assert demo.put(mine, json={"status": "accepted"}).status_code == 403, "only the member itself accepts"
    assert other.put(mine, json={"status": "maybe"}).status_code == 400
    assert other.put(mine, json={"status": "accepted"}).json()["status"] == "accepted"
    assert listed() == [image["id"]] and listed("?owner=" + PROJECTS["demo"]) == [image["id"]]
    assert other.delete(mine).status_code == 403 and other.delete(path).status_code == 403
    assert patch(other, image, {"op": "replace", "path": "/name", "value": "x"}).status_code == 403
    assert [one["member_id"] for one in demo.get(f"{path}/members").json()["members"]] == [PROJECTS["other"]]
    assert demo.delete(mine).status_code == 204 and other.get(path).status_code == 404
    patch(demo, image, {"op": "replace", "path": "/visibility", "value": "private"})
    refused = demo.post(f"{path}/members", json={"member": PROJECTS["other"]})
    assert refused.status_code == 403
    assert refused.json()["message"] == f"Not allowed to create members for image {image['id']}."


def test_deactivated_images_are_not_downloaded(demo: httpx.Client, admin: httpx.Client) -> None:
    path = f"/v2/images/{made(demo)['id']}"
    assert demo.post(f"{path}/actions/deactivate").status_code == 403, "not while it is queued"
    demo.put(f"{path}/file", content=b"x" * 1024, headers=OCTETS)
    assert demo.post(f"{path}/actions/deactivate").status_code == 204
    assert demo.get(path).json()["status"] == "deactivated"
    assert demo.get(f"{path}/file").status_code == 403 and admin.get(f"{path}/file").status_code == 200
    assert demo.post(f"{path}/actions/reactivate").status_code == 204
    assert demo.get(f"{path}/file").status_code == 200


def test_no_id(demo: httpx.Client) -> None:
    """An empty id names no image, and not the list of them."""
    for method in ("GET", "DELETE", "PATCH"):
        assert demo.request(method, "/v2/images/").status_code == 404
    assert demo.get("/v2/").status_code == 300 and demo.get("/v2/images").status_code == 200


def test_errors_are_html_unless_json_is_asked_for(glance: Images) -> None:
    with glance.client("demo") as client:
        page = client.get(f"/v2/images/{uuid.uuid4()}", headers={"Accept": "*/*"})
        assert page.headers["content-type"].startswith("text/html") and "404 Not Found" in page.text
        body = client.get(f"/v2/images/{uuid.uuid4()}").json()
        assert body["code"] == "404 Not Found" and body["title"] == "Not Found"


def test_schemas_and_info(demo: httpx.Client) -> None:
    for name in ("image", "images", "member", "members"):
        assert demo.get(f"/v2/schemas/{name}").json()["name"] == name
    image = demo.get("/v2/schemas/image").json()
    assert set(made(demo)) <= set(image["properties"]), "what is shown is in the schema"
    assert demo.get("/v2/schemas/nope").status_code == 404
