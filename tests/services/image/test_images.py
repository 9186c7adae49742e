"""Image records and bytes over HTTP."""

from __future__ import annotations

import hashlib

import httpx

from tests.services.image.conftest import Images

OCTETS = {"Content-Type": "application/octet-stream"}
RAW = {"name": "r", "disk_format": "raw", "container_format": "bare"}


def made(client: httpx.Client, **values: object) -> dict:
    answer = client.post("/v2/images", json={**RAW, **values})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_upload_and_download(glance: Images, demo: httpx.Client) -> None:
    image = made(demo, tags=["b", "a"], hw_disk_bus="virtio")
    assert image["status"] == "queued" and image["tags"] == ["a", "b"] and image["hw_disk_bus"] == "virtio"
    assert demo.get(f"/v2/images/{image['id']}/file").status_code == 204
    data = bytes(range(256)) * 40000
    assert demo.put(f"/v2/images/{image['id']}/file", content=data, headers=OCTETS).status_code == 204
    shown = demo.get(f"/v2/images/{image['id']}").json()
    assert shown["status"] == "active" and shown["size"] == shown["virtual_size"] == len(data)
    assert shown["checksum"] == hashlib.md5(data).hexdigest()
    assert shown["os_hash_algo"] == "sha512" and shown["os_hash_value"] == hashlib.sha512(data).hexdigest()
    got = demo.get(f"/v2/images/{image['id']}/file")
    assert got.content == data and got.headers["content-md5"] == shown["checksum"]
    assert glance.files() == [image["id"]]
    again = demo.put(f"/v2/images/{image['id']}/file", content=data, headers=OCTETS)
    assert again.status_code == 409 and glance.files() == [image["id"]]
    assert demo.delete(f"/v2/images/{image['id']}").status_code == 204
    assert glance.files() == []
