"""Locations of images: who sees them, how patches change them, and what never becomes one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.image.context import ImageContext
from cumulet.services.image.model.stores import BytesMissing, ImageStore, Reading, ReadOnly, Stores, Writing
from cumulet.services.image.model.stores.file import FileStore
from tests.services.image.conftest import OCTETS, Images, made, served

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
URL = "http://images.example/disk.raw"
DIGESTS = {"checksum": "1" * 32, "os_hash_algo": "sha512", "os_hash_value": "deadbeef" * 16}


class _Bytes(Reading):
    size = 4096

    def read(self, count: int, at: int) -> bytes:
        return b"\0" * min(count, self.size - at)

    def close(self) -> None:
        pass


class WebServer(ImageStore):
    """One web server that has anything under ``http://images.example/``, and remembers what it was asked for."""

    kind = "http"
    read_only = True

    def __init__(self) -> None:
        super().__init__("web")
        self.asked: list[str] = []

    def create(self, image_id: str, upload_id: str) -> Writing:
        raise ReadOnly("no")

    def open(self, url: str) -> Reading:
        self.asked.append(url)
        if url.endswith("gone"):
            raise BytesMissing("gone")
        return _Bytes()

    def erase(self, url: str) -> None:
        raise ReadOnly("no")

    def owns(self, url: str) -> bool:
        return url.startswith("http://images.example/")


@pytest.fixture
def web() -> WebServer:
    return WebServer()


@pytest.fixture
def glance(tmp_path: Path, web: WebServer) -> Iterator[Images]:
    folder = tmp_path / "images"
    context = ImageContext(folder, declared=Stores([FileStore("file", folder), web], "file"))
    with served(context, tmp_path / "state.db") as found:
        yield found


def patch(client: httpx.Client, image: dict[str, Any], *changes: dict[str, Any]) -> httpx.Response:
    return client.patch(f"/v2/images/{image['id']}", json=list(changes), headers=PATCH)


def add(url: str = URL, at: str = "-", **more: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/locations/{at}", "value": {"url": url, "metadata": {}, **more}}


def located(client: httpx.Client, image: dict[str, Any]) -> list[dict[str, Any]]:
    places: list[dict[str, Any]] = client.get(f"/v2/images/{image['id']}").json()["locations"]
    return places


def test_an_upload_is_a_location_that_says_nothing_of_the_host(glance: Images, demo: httpx.Client) -> None:
    image = made(demo)
    assert image["locations"] == [] and "direct_url" not in image and "stores" not in image
    demo.put(f"/v2/images/{image['id']}/file", content=b"x" * 512, headers=OCTETS)
    shown = demo.get(f"/v2/images/{image['id']}").json()
    assert shown["locations"] == [{"url": f"cumulet://file/{image['id']}", "metadata": {"store": "file"}}]
    assert shown["direct_url"] == shown["locations"][0]["url"] and shown["stores"] == "file"
    assert str(glance.context.folder) not in demo.get("/v2/images").text
    assert demo.get("/v2/images").json()["images"][0] == shown


def test_who_sees_locations(demo: httpx.Client, other: httpx.Client, admin: httpx.Client) -> None:
    image = made(admin, visibility="public")
    admin.put(f"/v2/images/{image['id']}/file", content=b"x" * 512, headers=OCTETS)
    assert len(located(admin, image)) == 1
    assert located(demo, image) == [] and "direct_url" not in demo.get(f"/v2/images/{image['id']}").json()
    assert [one["locations"] for one in demo.get("/v2/images").json()["images"]] == [[]]


def test_an_address_makes_a_queued_image_active(demo: httpx.Client) -> None:
    image = made(demo)
    answer = patch(demo, image, {**add(), "value": {"url": URL, "metadata": {"foo": "bar"}}})
    shown = answer.json()
    assert answer.status_code == 200 and shown["status"] == "active" and shown["size"] == 4096
    assert shown["locations"] == [{"url": URL, "metadata": {"foo": "bar", "store": "web"}}]
    assert shown["os_hash_value"] is None and shown["stores"] == "web"
    assert demo.get(f"/v2/images/{image['id']}").json() == shown


def test_a_missing_format_keeps_the_image_queued(demo: httpx.Client) -> None:
    bare = demo.post("/v2/images", json={"name": "x"}).json()
    answer = patch(demo, bare, add())
    assert answer.status_code == 400
    assert answer.json()["message"] == "Properties disk_format, container_format must be set prior to saving data."
    assert demo.get(f"/v2/images/{bare['id']}").json() == bare


def test_order_and_positions(demo: httpx.Client) -> None:
    image = made(demo)
    assert patch(demo, image, add(URL), add(URL + "#2"), add(URL + "#0", at="0")).status_code == 200
    assert [one["url"] for one in located(demo, image)] == [URL + "#0", URL, URL + "#2"]
    for at in ("9", "x", "-1", "99999999"):
        answer = patch(demo, image, add(URL + "#3", at=at))
        assert answer.status_code == 400 and answer.json()["message"] == "Invalid position for adding a location."
    assert patch(demo, image, add(URL)).status_code == 400, "the same address twice"
    assert patch(demo, image, *[add(f"{URL}?{n}") for n in range(8)]).status_code == 413
    assert len(located(demo, image)) == 3


def test_replacing_changes_metadata_and_order_only(demo: httpx.Client) -> None:
    image = made(demo)
    patch(demo, image, add(URL), add(URL + "#2"))
    places = located(demo, image)

    def replaced(value: Any) -> int:
        return patch(demo, image, {"op": "replace", "path": "/locations", "value": value}).status_code

    assert replaced(places) == 200 and located(demo, image) == places
    places[0]["metadata"]["date"] = "2015-10-15"
    assert replaced(places) == 200 and located(demo, image) == places
    assert replaced(places[::-1]) == 200 and located(demo, image) == places[::-1]
    assert replaced(places[:1]) == 400 and replaced([places[0], {"url": URL + "#3", "metadata": {}}]) == 400
    assert replaced([]) == 403 and located(demo, image) == places[::-1]


def test_only_admins_take_locations_away_and_never_the_last(demo: httpx.Client, admin: httpx.Client) -> None:
    image = made(demo)
    patch(demo, image, add(URL), add(URL + "#2"))
    first = {"op": "remove", "path": "/locations/0"}
    assert patch(demo, image, first).status_code == 403
    assert patch(admin, image, {"op": "remove", "path": "/locations/7"}).status_code == 400
    assert patch(admin, image, first).status_code == 200
    assert [one["url"] for one in located(demo, image)] == [URL + "#2"]
    refused = patch(admin, image, first)
    assert refused.status_code == 403 and refused.json()["message"] == "Cannot remove last location in the image."
    assert demo.get(f"/v2/images/{image['id']}").json()["status"] == "active"


def test_validation_data(demo: httpx.Client) -> None:
    image = made(demo)
    shown = patch(demo, image, add(validation_data=DIGESTS)).json()
    assert {name: shown[name] for name in DIGESTS} == DIGESTS and shown["status"] == "active"
    assert "validation_data" not in shown["locations"][0]
    assert patch(demo, image, add(URL + "#2", validation_data=DIGESTS)).status_code == 200
    for name, value in {"checksum": "2" * 32, "os_hash_value": "beefdead" * 16, "os_hash_algo": "sha256"}.items():
        answer = patch(demo, image, add(URL + "#3", validation_data={**DIGESTS, name: value}))
        assert answer.status_code == 409
        assert answer.json()["message"] == f"{name} is already set with a different value"
    assert len(located(demo, image)) == 2


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"os_hash_algo": "sha512", "os_hash_value": "xyz"}, 409),
        ({"os_hash_algo": "sha512", "os_hash_value": "ab"}, 409),
        ({"os_hash_algo": "sha256", "os_hash_value": "ab" * 32}, 409),
        ({**DIGESTS, "checksum": "z" * 32}, 409),
        ({**DIGESTS, "checksum": "ab"}, 400),
        ({"os_hash_algo": "sha512"}, 400),
        ({**DIGESTS, "extra": "x"}, 400),
        ("nonsense", 400),
    ],
)
def test_validation_data_that_makes_no_sense(demo: httpx.Client, given: Any, status: int) -> None:
    image = made(demo)
    assert patch(demo, image, add(validation_data=given)).status_code == status
    assert demo.get(f"/v2/images/{image['id']}").json() == image


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "filesystem:///etc/passwd",
        "FILE:///etc/passwd",
        "cumulet://file/5b4c2d1e-0000-4000-8000-000000000001",
        "gopher://images.example/",
        "http://elsewhere.example/disk.raw",
        "http://images.example/gone",
        "s3://key:secret@host/bucket/object",
        "rbd://fsid/pool/image/snap",
        "",
    ],
)
def test_addresses_that_are_refused(demo: httpx.Client, admin: httpx.Client, url: str) -> None:
    image = made(demo)
    for client in (demo, admin):
        for change in (add(url), {"op": "replace", "path": "/locations", "value": [{"url": url, "metadata": {}}]}):
            answer = patch(client, image, change)
            assert answer.status_code == 400 and answer.json()["message"] == "Invalid location"
    assert demo.get(f"/v2/images/{image['id']}").json() == image


def test_the_file_of_another_image_is_no_address(glance: Images, demo: httpx.Client, other: httpx.Client) -> None:
    theirs = made(other)
    other.put(f"/v2/images/{theirs['id']}/file", content=b"s" * 512, headers=OCTETS)
    mine = made(demo)
    for url in (f"file://{glance.context.folder}/{theirs['id']}", f"cumulet://file/{theirs['id']}"):
        assert patch(demo, mine, add(url)).status_code == 400


def test_strangers_make_nobody_ask_anything(
    web: WebServer, glance: Images, demo: httpx.Client, other: httpx.Client
) -> None:
    image = made(demo, visibility="community")
    assert patch(other, image, add()).status_code == 403
    private = made(demo, visibility="private")
    assert patch(other, private, add()).status_code == 404
    with glance.client("reader") as reader:
        assert patch(reader, image, add()).status_code == 403
    assert web.asked == []


def test_locations_of_an_image_on_its_way_stay(demo: httpx.Client, admin: httpx.Client) -> None:
    image = made(demo)
    patch(demo, image, add())
    demo.post(f"/v2/images/{image['id']}/actions/deactivate")
    answer = patch(demo, image, add(URL + "#2"))
    assert answer.status_code == 409
    assert answer.json()["message"] == "It's not allowed to add locations if image status is deactivated."
    assert patch(admin, image, {"op": "remove", "path": "/locations/0"}).status_code == 409


def test_an_upload_cannot_follow_an_address(demo: httpx.Client) -> None:
    image = made(demo)
    patch(demo, image, add())
    assert demo.put(f"/v2/images/{image['id']}/file", content=b"x" * 512, headers=OCTETS).status_code == 409
