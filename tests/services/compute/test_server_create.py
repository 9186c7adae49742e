"""POST /servers: what a careless or hostile caller sends gets Nova's status and words, and nothing is half-made."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from cumulet.services.compute.model import quotas
from cumulet.services.image.tables import images
from cumulet.services.network.tables import networks, subnets
from tests.services.compute.books import NOTHING, held, rows
from tests.services.compute.conftest import (
    Nova,
    image_row,
    message,
    network_row,
    new_id,
    subnet_row,
)
from tests.services.serving import PROJECTS

UNKNOWN = "99999999-9999-4999-8999-999999999999"


CASES: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown flavor": ({"flavorRef": "nope"}, 400, "Flavor nope could not be found."),
    "unknown image": ({"imageRef": UNKNOWN}, 400, "Can not find requested image"),
    "no image": ({"imageRef": ""}, 400, "Invalid imageRef provided."),
    "unknown network": ({"networks": [{"uuid": UNKNOWN}]}, 400, f"Network {UNKNOWN} could not be found."),
    "unknown port": ({"networks": [{"port": UNKNOWN}]}, 400, f"Port id {UNKNOWN} could not be found."),
    "unknown key": ({"key_name": "nope"}, 400, "Invalid key_name provided."),
    "unknown zone": ({"availability_zone": "mars"}, 400, "The requested availability zone is not available"),
    "unknown group": ({"security_groups": [{"name": "nope"}]}, 400, "Security group nope not found."),
    "long name": (
        {"name": "n" * 256},
        400,
        f"Invalid input for field/attribute name. Value: {'n' * 256}. '{'n' * 256}' is too long",
    ),
    "empty name": ({"name": ""}, 400, "Invalid input for field/attribute name. Value: . '' is too short"),
    "no networks": ({"networks": ...}, 400, "'networks' is a required property"),
    "counts": ({"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
    "user data": ({"user_data": "*not base64"}, 400, "User data must be base64-encoded."),
    "personality": ({"personality": []}, 400, "Additional properties are not allowed ('personality' was unexpected)"),
    "volume": (
        {"block_device_mapping_v2": [{"uuid": UNKNOWN, "source_type": "volume", "boot_index": 0}]},
        400,
        "Block Device Mapping is Invalid",
    ),
    "unknown field": ({"colour": "red"}, 400, "Additional properties are not allowed ('colour' was unexpected)"),
    "instances": (
        {"min_count": 11},
        403,
        "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances",
    ),
    "cores": ({"flavorRef": "5", "min_count": 3}, 403, "Quota exceeded for cores: Requested 24, but already used 0 of"),
    "metadata": ({"metadata": {str(i): "x" for i in range(129)}}, 403, "Maximum number of metadata items exceeds 128"),
}


@pytest.mark.parametrize("case", CASES)
def test_create_refuses(nova: Nova, demo: httpx.Client, case: str) -> None:
    values, status, words = CASES[case]
    answer = demo.post("/v2.1/servers", json=nova.body(**values))
    assert answer.status_code == status, answer.text
    assert words in message(answer)
    assert held(nova) == NOTHING


def test_body_that_is_no_json_or_no_object(demo: httpx.Client) -> None:
    assert demo.post("/v2.1/servers", content=b"{").status_code == 400
    assert demo.post("/v2.1/servers", json=[1]).status_code == 400
    assert demo.post("/v2.1/servers", json={}).status_code == 400
    assert demo.post("/v2.1/servers", json={"server": "x" * 200_000}).status_code == 413


def test_image_that_does_not_fit(nova: Nova, demo: httpx.Client) -> None:
    ids = {name: new_id() for name in ("queued", "ram", "disk", "big", "private")}
    with nova.db.transaction() as tx:
        tx.insert(images, image_row(ids["queued"], tx.now, status="queued"))
        tx.insert(images, image_row(ids["ram"], tx.now, min_ram=4096))
        tx.insert(images, image_row(ids["disk"], tx.now, min_disk=40))
        tx.insert(images, image_row(ids["big"], tx.now, virtual_size=3 << 30))
        tx.insert(images, image_row(ids["private"], tx.now, visibility="private", owner=PROJECTS["other"]))
    words = {
        "queued": f"Image {ids['queued']} is not active.",
        "ram": "Flavor's memory is too small for requested image.",
        "disk": "Flavor's disk is smaller than the minimum size specified in image metadata.",
        "big": "Flavor's disk is too small for requested image.",
        "private": "Can not find requested image",
    }
    for name, text in words.items():
        answer = demo.post("/v2.1/servers", json=nova.body(imageRef=ids[name]))
        assert (answer.status_code, message(answer).startswith(text)) == (400, True), answer.text
    assert held(nova) == NOTHING


def test_two_networks_and_none_chosen(nova: Nova, old: httpx.Client) -> None:
    with nova.db.transaction() as tx:
        tx.insert(networks, network_row(new_id(), "second", tx.now, PROJECTS["demo"], 2))
    answer = old.post("/v2.1/servers", json=nova.body(networks=...))
    assert answer.status_code == 409
    assert message(answer) == "Multiple possible networks found, use a Network ID to be more specific."
    assert held(nova) == NOTHING


def test_full_subnet(nova: Nova, demo: httpx.Client) -> None:
    small = new_id()
    pool = [{"start": "10.2.0.5", "end": "10.2.0.5"}]
    with nova.db.transaction() as tx:
        tx.insert(networks, network_row(small, "small", tx.now, PROJECTS["demo"], 3))
        tx.insert(subnets, subnet_row(new_id(), small, tx.now, "10.2.0.0/29", allocation_pools=pool, enable_dhcp=False))
    nova.active(demo, networks=[{"uuid": small}])
    before = held(nova)
    answer = demo.post("/v2.1/servers", json=nova.body(networks=[{"uuid": small}]))
    assert answer.status_code in (400, 403, 409), answer.text
    assert held(nova) == before


def test_quota_of_instances(nova: Nova, demo: httpx.Client) -> None:
    for _ in range(2):
        body = nova.body(min_count=5, max_count=5, return_reservation_id=True)
        assert "reservation_id" in demo.post("/v2.1/servers", json=body).json()
    answer = demo.post("/v2.1/servers", json=nova.body())
    assert answer.status_code == 403
    assert message(answer) == "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"
    assert held(nova)["usage"] == (10, 10, 5120)
    assert len(demo.get("/v2.1/servers").json()["servers"]) == 10


def test_names_of_several_servers_are_no_longer_than_names_may_be(nova: Nova, demo: httpx.Client) -> None:
    """A host refuses a guest with a longer one, and PostgreSQL the row."""
    assert demo.post("/v2.1/servers", json=nova.body(name="n" * 255, min_count=2, max_count=2)).status_code == 202
    names = sorted(server["name"] for server in demo.get("/v2.1/servers").json()["servers"])
    assert names == ["n" * 253 + "-1", "n" * 253 + "-2"]


def test_max_count_is_cut_to_what_fits(nova: Nova, demo: httpx.Client) -> None:
    assert demo.post("/v2.1/servers", json=nova.body(min_count=1, max_count=50)).status_code == 202
    names = sorted(s["name"] for s in demo.get("/v2.1/servers").json()["servers"])
    assert len(names) == 10 and "vm-1" in names


def test_user_data_too_long(nova: Nova, demo: httpx.Client) -> None:
    text = base64.b64encode(b"x" * 60_000).decode()
    answer = demo.post("/v2.1/servers", json=nova.body(user_data=text))
    assert answer.status_code == 400 and "is too long" in message(answer)


def test_a_create_takes_as_many_statements_however_many_servers_there_are(nova: Nova) -> None:
    counts = []
    with nova.db.transaction() as tx:
        quotas.set_limits(tx, PROJECTS["demo"], {"instances": -1, "cores": -1, "ram": -1})
    for already in (1, 100):
        rows(nova, already)
        with nova.client("demo") as client:
            nova.create(client)
            nova.served.statements.clear()
            nova.create(client)
            counts.append(sum(nova.served.statements))
    assert counts[0] == counts[1] <= 40
