"""Whatever a server's creation names is looked up as its creator sees it: finding S3 (cases 7 and 50)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.db import Database, metadata
from cumulet.services.compute import door as compute
from cumulet.services.compute.tables import servers
from cumulet.services.image.tables import images
from tests.databases import KINDS, place
from tests.regressions.tenants import Tenants, new_id, words

SECRET = b"SECRET-A" * 200
AMI: dict[str, Any] = {"disk_format": "ami", "container_format": "ami"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    found = Tenants(tmp_path_factory.mktemp("named") / "state")
    yield found
    found.close()


@pytest.mark.parametrize("names", [("kernel_id", "ramdisk_id"), ("kernel_id",), ("ramdisk_id",)])
def test_another_projects_private_image_is_no_kernel(cloud: Tenants, names: tuple[str, ...]) -> None:
    """Finding S3, cases 7 and 50: the report's requests. Nova asks Glance for both as the caller, and answers so."""
    secret = cloud.alice.image(SECRET, visibility="private")
    assert cloud.bob.ask("image", "GET", f"/v2/images/{secret}").status == 404
    mine = cloud.bob.image(**AMI, **dict.fromkeys(names, secret))  # type: ignore[arg-type]
    answer = cloud.bob.server(mine)
    assert (answer.status, words(answer)) == (400, "Can not find requested image")
    assert cloud.fetched(secret).status == 404


@pytest.mark.parametrize("name", ["kernel_id", "ramdisk_id"])
def test_a_kernel_that_is_not_there(cloud: Tenants, name: str) -> None:
    """Finding S3: an id of nothing, a deleted and a hidden image are one answer; a queued one is not ready."""
    deleted = cloud.bob.image()
    assert cloud.bob.ask("image", "DELETE", f"/v2/images/{deleted}").status == 204
    for gone in (new_id(), deleted):
        answer = cloud.bob.server(cloud.bob.image(**AMI, **{name: gone}))  # type: ignore[arg-type]
        assert (answer.status, words(answer)) == (400, "Can not find requested image")
    queued = cloud.bob.make("image", "/v2/images", {"name": "q", "disk_format": "aki", "container_format": "aki"})["id"]
    answer = cloud.bob.server(cloud.bob.image(**AMI, **{name: queued}))
    assert (answer.status, words(answer)) == (400, f"Image {queued} is not active.")


def test_the_node_is_told_what_was_looked_up(cloud: Tenants) -> None:
    """Finding S3: checksums and sizes go along, and what the properties say afterwards changes nothing."""
    kernel, ramdisk = cloud.bob.image(b"kernel" * 100), cloud.bob.image(b"ramdisk" * 100)
    secret = cloud.alice.image(SECRET, visibility="private")
    mine = cloud.bob.image(**AMI, kernel_id=kernel, ramdisk_id=ramdisk)
    server_id = cloud.bob.server(mine).json["server"]["id"]

    def told() -> None:
        image = cloud.guest(server_id).image
        assert image is not None and image.kernel is not None and image.ramdisk is not None
        for part, data, image_id in ((image.kernel, b"kernel", kernel), (image.ramdisk, b"ramdisk", ramdisk)):
            digest = hashlib.sha512(data * 100).hexdigest()
            assert (part.id, part.size, part.os_hash_value) == (image_id, len(data) * 100, digest)

    told()
    assert cloud.fetched(kernel).body == b"kernel" * 100
    assert cloud.fetched(ramdisk).body == b"ramdisk" * 100
    changes = [{"op": "replace", "path": f"/{name}", "value": secret} for name in ("kernel_id", "ramdisk_id")]
    media = "application/openstack-images-v2.1-json-patch"
    assert cloud.bob.ask("image", "PATCH", f"/v2/images/{mine}", changes, content_type=media).status == 200
    told()
    assert cloud.fetched(secret).status == 404
    assert cloud.bob.server(mine).status == 400
    shown = cloud.operator.get("compute", f"/v2.1/servers/{server_id}")["server"]
    assert (shown["OS-EXT-SRV-ATTR:kernel_id"], shown["OS-EXT-SRV-ATTR:ramdisk_id"]) == (kernel, ramdisk)
    assert cloud.bob.ask("image", "DELETE", f"/v2/images/{kernel}").status == 204
    assert cloud.fetched(kernel).status == 404, "as a boot image that is deleted"


def test_shared_public_and_community_images_are_seen_as_in_glance(cloud: Tenants) -> None:
    """Finding S3: a member sees a shared image in whatever status the membership is, everybody community ones."""
    cases: list[tuple[dict[str, Any], str | None, int]] = [
        ({"visibility": "private"}, None, 400),
        ({"visibility": "shared"}, None, 400),
        ({"visibility": "shared"}, "pending", 202),
        ({"visibility": "shared"}, "rejected", 202),
        ({"visibility": "shared"}, "accepted", 202),
        ({"visibility": "community"}, None, 202),
    ]
    for values, status, expected in cases:
        kernel = cloud.alice.image(**values)
        if status is not None:
            member = {"member": cloud.bob.project_id}
            cloud.alice.make("image", f"/v2/images/{kernel}/members", member)
            path = f"/v2/images/{kernel}/members/{cloud.bob.project_id}"
            assert cloud.bob.ask("image", "PUT", path, {"status": status}).status == 200
        answer = cloud.bob.server(cloud.bob.image(**AMI, kernel_id=kernel))
        assert answer.status == expected, (values, status, answer.body)
        seen = cloud.bob.ask("image", "GET", f"/v2/images/{kernel}").status
        assert (seen == 200) == (expected == 202)


def test_no_kernel_is_neither(cloud: Tenants) -> None:
    """Nova's word for an image that wants neither kernel nor ramdisk; the API's schema does not take it any more."""
    mine = cloud.bob.image(**AMI)
    with cloud.controller.db.transaction() as tx:
        values = {"kernel_id": "nokernel", "ramdisk_id": new_id()}
        tx.update(images, images.c.id == mine, properties=values)
    server_id = cloud.bob.server(mine).json["server"]["id"]
    image = cloud.guest(server_id).image
    assert image is not None and image.kernel is None and image.ramdisk is None


def test_ids_in_other_properties_are_only_texts(cloud: Tenants) -> None:
    """Finding S3: no property but the two makes the node fetch anything, and none is refused for what it names."""
    secret = cloud.alice.image(SECRET, visibility="private")
    named = dict.fromkeys(("base_image_ref", "image_base", "img_signature_certificate_uuid", "instance_uuid"), secret)
    devices = f'[{{"source_type": "image", "uuid": "{secret}", "boot_index": 0, "destination_type": "local"}}]'
    mine = cloud.bob.image(**named, block_device_mapping=devices, img_block_device_mapping=devices)  # type: ignore[arg-type]
    assert cloud.bob.server(mine).status == 202
    assert cloud.fetched(secret).status == 404


def test_block_devices_name_what_the_caller_sees(cloud: Tenants) -> None:
    """Finding S3: an image in block_device_mapping_v2 is looked up as the caller sees it; other sources are refused."""
    secret = cloud.alice.image(SECRET, visibility="private")
    local = {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": secret}
    for devices in (
        [local],
        [local | {"uuid": cloud.bob.image()}, local | {"boot_index": 1}],
        [{"source_type": "volume", "destination_type": "volume", "boot_index": 0, "uuid": new_id()}],
        [{"source_type": "snapshot", "destination_type": "volume", "boot_index": 0, "uuid": new_id()}],
    ):
        for image_id in ("", secret):
            answer = cloud.bob.server(image_id, block_device_mapping_v2=devices)
            assert answer.status == 400, answer.body
    assert cloud.fetched(secret).status == 404


@pytest.mark.parametrize("hint", ["same_host", "different_host", "group", "query", "target_cell", "build_near_host_ip"])
def test_scheduler_hints_tell_nothing_of_other_servers(cloud: Tenants, hint: str) -> None:
    """Finding S3: a hint with a neighbour's server is answered as one with an id of nothing."""
    victim = cloud.alice.server(cloud.alice.image()).json["server"]["id"]
    found = []
    for named in (victim, new_id()):
        body = {"server": {"name": "vm", "imageRef": cloud.bob.image(), "flavorRef": "tiny", "networks": "none"}}
        answer = cloud.bob.ask("compute", "POST", "/v2.1/servers", {**body, "os:scheduler_hints": {hint: named}})
        found.append((answer.status, answer.body.decode().replace(named, "ID") if answer.status >= 400 else ""))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_node_may_fetch(tmp_path: Path, kind: str) -> None:
    """Finding S3: what the server's row holds, on either database; the properties kept beside it open nothing."""
    db = Database(place(tmp_path / "x.db", kind), durable=False)
    metadata.create_all(db.engine)
    parts = {
        "kernel": {"id": "k", "size": 1, "os_hash_value": ""},
        "ramdisk": {"id": "r", "size": 1, "os_hash_value": ""},
    }
    row = {
        "project_id": "p",
        "user_id": "u",
        "vm_state": "active",
        "flavor_id": "1",
        "flavor": {},
        "vcpus": 1,
        "ram": 1,
    }
    row |= {"name": "n", "hostname": "h", "meta": {}, "personality": [], "reservation_id": "r", "seed": "s"}
    row |= {"created_at": 1, "updated_at": 1, "link_id": "link", "launched_at": None, "power_state": 1}
    kept = {"id": "i", "properties": {"kernel_id": "secret", "ramdisk_id": "secret"}}
    with db.transaction() as tx:
        tx.insert(servers, {**row, "id": "1", "image_id": "i", "image": {**kept, **parts}})
        tx.insert(servers, {**row, "id": "2", "image_id": "j", "image": {**kept, "kernel": None, "ramdisk": None}})
    with db.read() as tx:
        assert [one for one in "ijkrx" if compute.boots_from(tx, "link", one)] == ["i", "j", "k", "r"]
        assert not compute.boots_from(tx, "link", "secret") and not compute.boots_from(tx, "other", "k")
    db.close()
