"""Images: how image services have been broken, tried against ours. Each test is named after its advisory.

Imports from URLs have a file of their own, `test_image_import_advisories.py`. Of the cases that concern images, these
have no counterpart in the image service:
- OSSA-2016-001, OSSA-2016-007, OSSA-2026-002 (a guest writes an image header onto its own disk): the node's business,
  which gives every disk's format explicitly.
- OSSA-2016-012 (an image that keeps qemu-img busy): the image service runs no program on images at all.
- OSSA-2024-004 (a checksum that is looked at after the conversion): nothing converts images; an import compares bytes
  with the record's hashes before they become an image's.
- CloudStack CVE-2026-25077 (a file name that is executed): files are named by ids, names of clients are only rows.
"""

from __future__ import annotations

import os
import struct
import threading
import time
import uuid
from typing import Any

import httpx
import pytest

from cumulet.services.image import door
from cumulet.services.image.model import object_upload
from tests.services.image.conftest import OCTETS, Images, made

MIB = 1 << 20


def qcow2(*, backing: bytes = b"", incompatible: int = 0, version: int = 3) -> bytes:
    """A qcow2 header with these features and a cluster of zeroes."""
    head = bytearray(65536 * 4)
    offset = 512 if backing else 0
    struct.pack_into(">4sIQIIQ", head, 0, b"QFI\xfb", version, offset, len(backing), 16, 16 * MIB)
    struct.pack_into(">QQQ", head, 72, incompatible, 0, 0)
    struct.pack_into(">II", head, 96, 4, 104)
    head[512 : 512 + len(backing)] = backing
    return bytes(head)


def vmdk(descriptor: bytes, *, footer: bytes | None = None) -> bytes:
    """A sparse VMDK whose descriptor stands in its second sector."""
    where = 0xFFFFFFFFFFFFFFFF if footer is not None else 21
    head = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 3, 3, 20480, 128, 1, 20, 512, 0, where, 128)
    body = head.ljust(512, b"\0") + descriptor.ljust(20 * 512, b"\0")
    return body.ljust(MIB, b"\0") + (footer or b"")


def stream_optimised(extent: bytes) -> bytes:
    lines = (
        b"# Disk DescriptorFile",
        b"version=1",
        b"CID=7b3b0a4c",
        b"parentCID=ffffffff",
        b'createType="monolithicSparse"',
        extent,
        b"",
    )
    return b"\n".join(lines)


def gpt() -> bytes:
    """A disk with a boot sector and a protective partition."""
    sector = bytearray(512)
    sector[446:462] = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 255, 255, 255, 1, 2047)
    sector[510:512] = b"\x55\xaa"
    return bytes(sector).ljust(MIB, b"\0")


def vhdx(at: int) -> bytes:
    """A VHDX of 16 MiB whose metadata lie at `at`."""
    place = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
    regions = struct.pack("<4sIII", b"regi", 0, 1, 0) + place + struct.pack("<QII", at, MIB, 1)
    size = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
    items = struct.pack("<8sHH20x", b"metadata", 0, 1) + size + struct.pack("<IIII", 65536, 8, 6, 0)
    body = bytearray(at + MIB)
    body[:8] = b"vhdxfile"
    body[192 << 10 : (192 << 10) + len(regions)] = regions
    body[at : at + len(items)] = items
    struct.pack_into("<Q", body, at + 65536, 16 * MIB)
    return bytes(body)


def iso(body: bytes = b"") -> bytes:
    return body.ljust(0x8000, b"\0") + b"\x01CD001\x01".ljust(2048, b"\0") + bytes(MIB)


def refused(glance: Images, client: httpx.Client, data: bytes, **values: Any) -> str:
    """The image service refuses these bytes, and keeps none of them; why it did."""
    image = made(client, **values)
    answer = client.put(f"/v2/images/{image['id']}/file", content=data, headers=OCTETS)
    assert answer.status_code == 415, answer.text
    shown = client.get(f"/v2/images/{image['id']}").json()
    assert shown["status"] == "queued" and shown["size"] is None and shown["checksum"] is None
    assert glance.files() == []
    assert client.get(f"/v2/images/{image['id']}/file").status_code == 204
    return str(answer.json()["message"])


def taken(client: httpx.Client, data: bytes, **values: Any) -> dict[str, Any]:
    image = made(client, **values)
    answer = client.put(f"/v2/images/{image['id']}/file", content=data, headers=OCTETS)
    assert answer.status_code == 204, answer.text
    shown: dict[str, Any] = client.get(f"/v2/images/{image['id']}").json()
    assert shown["status"] == "active"
    return shown


def test_honest_images_are_taken(demo: httpx.Client) -> None:
    assert taken(demo, qcow2(), disk_format="qcow2")["virtual_size"] == 16 * MIB
    assert taken(demo, bytes(MIB), disk_format="raw")["virtual_size"] == MIB
    assert taken(demo, gpt(), disk_format="raw")["virtual_size"] == MIB
    assert taken(demo, iso(), disk_format="iso")
    assert taken(demo, iso(gpt()[:512]), disk_format="iso"), "a bootable ISO has a boot sector as well"
    for at in (MIB, 2 * MIB, 5 * MIB):
        assert taken(demo, vhdx(at), disk_format="vhdx")["virtual_size"] == 16 * MIB
    extent = b'RW 20480 SPARSE "disk.vmdk"'
    assert taken(demo, vmdk(stream_optimised(extent)), disk_format="vmdk")


def test_ossa_2024_001_qcow2_data_file(glance: Images, demo: httpx.Client) -> None:
    assert "data_file" in refused(glance, demo, qcow2(incompatible=4), disk_format="qcow2")
    refused(glance, demo, qcow2(incompatible=4), disk_format="raw")


@pytest.mark.parametrize("declared", ["raw", "iso", "vmdk", "ami", "gpt", "vdi", "vhd", "vhdx", "ploop", "luks"])
def test_ossa_2024_002_qcow2_by_another_name(glance: Images, demo: httpx.Client, declared: str) -> None:
    refused(glance, demo, qcow2(backing=b"/etc/passwd"), disk_format=declared)


@pytest.mark.parametrize("declared", ["qcow2", "vmdk", "vdi", "iso", "vhdx", "gpt"])
def test_ossa_2024_002_raw_by_another_name(glance: Images, demo: httpx.Client, declared: str) -> None:
    refused(glance, demo, bytes(2 * MIB), disk_format=declared)
    refused(glance, demo, b"", disk_format=declared)


@pytest.mark.parametrize(
    "extent",
    [
        b'RW 20480 FLAT "/etc/passwd" 0',
        b'RW 20480 SPARSE "/etc/passwd"',
        b'RW 20480 SPARSE "../../secret.vmdk"',
        b'RW 20480 SPARSE "disk.vmdk"\nRW 20480 FLAT "/dev/sda" 0',
    ],
)
def test_ossa_2023_002_vmdk_names_a_host_file(glance: Images, demo: httpx.Client, extent: bytes) -> None:
    refused(glance, demo, vmdk(stream_optimised(extent)), disk_format="vmdk")
    refused(glance, demo, stream_optimised(extent).ljust(MIB, b"\0"), disk_format="vmdk")


@pytest.mark.parametrize("version", [2, 3])
def test_ossa_2015_014_qcow2_backing_file(glance: Images, demo: httpx.Client, version: int) -> None:
    why = refused(glance, demo, qcow2(backing=b"/etc/passwd", version=version), disk_format="qcow2")
    assert "backing_file" in why


def test_unknown_qcow2_features(glance: Images, demo: httpx.Client) -> None:
    refused(glance, demo, qcow2(incompatible=1 << 40), disk_format="qcow2")


def test_qed_has_no_name_to_come_in_by(glance: Images, demo: httpx.Client) -> None:
    assert demo.post("/v2/images", json={"disk_format": "qed", "container_format": "bare"}).status_code == 400
    refused(glance, demo, b"QED\0".ljust(MIB, b"\0"), disk_format="raw")


def test_two_formats_at_once(glance: Images, demo: httpx.Client) -> None:
    both = bytearray(iso())
    both[:512] = qcow2(backing=b"/etc/passwd")[:512]
    for declared in ("iso", "qcow2", "raw"):
        refused(glance, demo, bytes(both), disk_format=declared)
    refused(glance, demo, iso(gpt()[:512]), disk_format="raw")


def test_a_boot_sector_that_is_not_only_protective(glance: Images, demo: httpx.Client) -> None:
    """A GPT whose boot sector has partitions of its own shows two contents, as the reader likes."""
    both = bytearray(gpt())
    both[462:478] = struct.pack("<BBBBBBBBII", 0x80, 0, 2, 0, 0x83, 255, 255, 255, 2048, 2048)
    for declared in ("raw", "gpt"):
        assert "mbr" in refused(glance, demo, bytes(both), disk_format=declared)


def luks(version: int = 1) -> bytes:
    """The head of an encrypted disk."""
    head = struct.pack(">6sH32s32s32sI", b"LUKS\xba\xbe", version, b"aes", b"xts-plain64", b"sha256", 4096)
    return head.ljust(MIB, b"\0")


def test_luks(glance: Images, demo: httpx.Client) -> None:
    """An encrypted disk says that it is one, in a version that is understood; what is inside nobody here can read."""
    assert taken(demo, luks(), disk_format="luks")
    demo.delete(f"/v2/images/{demo.get('/v2/images').json()['images'][0]['id']}")
    assert "version" in refused(glance, demo, luks(2), disk_format="luks")
    for declared in ("raw", "qcow2"):
        refused(glance, demo, luks(), disk_format=declared)


def test_vmdk_footer_that_contradicts_its_header(glance: Images, demo: httpx.Client) -> None:
    descriptor = stream_optimised(b'RW 20480 SPARSE "disk.vmdk"')
    footer = vmdk(stream_optimised(b'RW 20480 FLAT "/etc/passwd" 0'))[:512].rjust(1024, b"\0").ljust(1536, b"\0")
    refused(glance, demo, vmdk(descriptor, footer=footer), disk_format="vmdk")


def test_ossa_2024_003_unscreened_bytes_reach_no_converter(glance: Images, demo: httpx.Client) -> None:
    """Containers whose inside is not looked at are kept, and never handed to a node."""
    for container in ("ova", "ovf", "docker", "compressed"):
        image = taken(demo, qcow2(backing=b"/etc/passwd"), container_format=container)
        with glance.running.db.read() as tx:
            assert door.data_path(tx, glance.context, image["id"]) is None
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        change = [{"op": "replace", "path": "/container_format", "value": "bare"}]
        assert demo.patch(f"/v2/images/{image['id']}", json=change, headers=patch).status_code == 403


def test_ossa_2024_003_the_format_cannot_change_under_an_upload(
    glance: Images,
    demo: httpx.Client,
) -> None:
    """What is screened is what the record says when the upload begins, and the record keeps it."""
    image = made(demo, disk_format="raw")
    path = f"/v2/images/{image['id']}"
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    answers: list[int] = []

    def pieces():  # type: ignore[no-untyped-def]
        yield bytes(MIB)
        end = time.monotonic() + 10
        with glance.client("demo") as beside:
            while beside.get(path).json()["status"] != "saving" and time.monotonic() < end:
                time.sleep(0.01)
            for value in ("qcow2", "vmdk"):
                change = [{"op": "replace", "path": "/disk_format", "value": value}]
                answers.append(beside.patch(path, json=change, headers=patch).status_code)
        yield bytes(MIB)

    assert demo.put(f"{path}/file", content=pieces(), headers=OCTETS).status_code == 204
    assert answers == [403, 403] and demo.get(path).json()["disk_format"] == "raw"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "filesystem:///etc/passwd", "http://127.0.0.1:8774/"])
def test_ossa_2015_002_ossa_2025_001_locations(admin: httpx.Client, url: str) -> None:
    assert admin.post("/v2/images", json={"locations": [{"url": url, "metadata": {}}]}).status_code == 403
    assert admin.post("/v2/images", json={"location": url}).status_code == 403
    image = made(admin)
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    entry = {"url": url, "metadata": {}}
    changes = (("add", "/locations/-", entry), ("replace", "/locations", [entry]), ("add", "/location", url))
    for operation, path, value in changes:
        change = [{"op": operation, "path": path, "value": value}]
        answer = admin.patch(f"/v2/images/{image['id']}", json=change, headers=patch)
        assert answer.status_code == (403 if path == "/location" else 400), answer.text
    assert admin.get(f"/v2/images/{image['id']}").json()["status"] == "queued"


def test_ossa_2015_019_ossa_2016_006_content_is_never_swapped(glance: Images, demo: httpx.Client) -> None:
    image = taken(demo, b"good" * 256, disk_format="raw")
    path = f"/v2/images/{image['id']}"
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    changes: list[dict[str, Any]] = [
        {"op": "replace", "path": "/status", "value": "queued"},
        {"op": "remove", "path": "/locations/0"},
        {"op": "replace", "path": "/locations", "value": []},
    ]
    unknown = [{"op": "replace", "path": "/upload_id", "value": "x"}]  # a column of ours is no property of the image
    assert demo.patch(path, json=unknown, headers=patch).status_code == 409
    for change in changes:
        assert demo.patch(path, json=[change], headers=patch).status_code == 403
    header = {**OCTETS, "x-image-meta-status": "queued"}
    assert demo.put(f"{path}/file", content=b"evil" * 256, headers=header).status_code == 409
    assert demo.post(f"{path}/actions/deactivate").status_code == 204
    assert demo.put(f"{path}/file", content=b"evil" * 256, headers=OCTETS).status_code == 409
    assert demo.post(f"{path}/actions/reactivate").status_code == 204
    assert demo.get(f"{path}/file").content == b"good" * 256 and glance.files() == [image["id"]]
    assert demo.get(path).json()["checksum"] == image["checksum"]


def test_ossa_2015_003_ossa_2015_004_ossa_2015_013_upload_racing_delete(
    glance: Images,
    demo: httpx.Client,
) -> None:
    """Whoever deletes while an upload runs has the last word: no bytes stay, the upload is told."""
    image = made(demo)
    path = f"/v2/images/{image['id']}"

    def pieces():  # type: ignore[no-untyped-def]
        yield b"x" * (5 * MIB)
        end = time.monotonic() + 10
        with glance.client("demo") as beside:
            while beside.get(path).json()["status"] != "saving" and time.monotonic() < end:
                time.sleep(0.01)
            assert beside.delete(path).status_code == 204
        yield b"x" * MIB

    answer = demo.put(f"{path}/file", content=pieces(), headers=OCTETS)
    assert answer.status_code == 410 and "deleted during the upload" in answer.json()["message"]
    assert glance.files() == [] and demo.get(path).status_code == 404


def test_ossa_2015_020_delete_at_the_last_moment(
    glance: Images,
    demo: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The delete comes when the file has its name already and the record is not yet active."""
    image = made(demo)
    path, complete, deleted = f"/v2/images/{image['id']}", object_upload.ObjectUpload.finish, threading.Event()

    def finish(part: object_upload.ObjectUpload) -> object_upload.Stored:
        stored = complete(part)
        with glance.client("demo") as beside:
            assert beside.delete(path).status_code == 204
        deleted.set()
        return stored

    monkeypatch.setattr(object_upload.ObjectUpload, "finish", finish)
    answer = demo.put(f"{path}/file", content=b"x" * MIB, headers=OCTETS)
    assert deleted.is_set() and answer.status_code == 410
    assert glance.files() == [] and demo.get(path).status_code == 404


def test_a_full_disk_leaves_nothing(
    glance: Images,
    demo: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    image = made(demo)
    monkeypatch.setattr(os, "write", full)
    answer = demo.put(f"/v2/images/{image['id']}/file", content=b"x" * MIB, headers=OCTETS)
    assert answer.status_code == 413 and "not enough disk space" in answer.json()["message"]
    assert glance.files() == []
    monkeypatch.undo()
    assert demo.get(f"/v2/images/{image['id']}").json()["status"] == "queued"
    assert demo.put(f"/v2/images/{image['id']}/file", content=b"x" * MIB, headers=OCTETS).status_code == 204
