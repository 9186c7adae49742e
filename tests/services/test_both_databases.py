"""Whatever the database: values that no column holds, cases of texts and orders are answered alike.

What runs on SQLite alone otherwise is run on PostgreSQL too by `CUMULET_TEST_DATABASE=postgresql`; what is here runs
on both each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.image.api import load as load_image
from cumulet.services.image.context import ImageContext
from cumulet.services.placement.api import load as load_placement
from tests.databases import KINDS
from tests.services.identity.conftest import cloud_in
from tests.services.serving import running

NIL = "00000000-0000-4000-8000-000000000000"
PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
HUGE = (2**31, 2**63, 2**70, -(2**70))
RAW = {"name": "r", "disk_format": "raw", "container_format": "bare"}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def identity(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with cloud_in(tmp_path_factory.mktemp("identity"), kind) as cloud, cloud.client(cloud.token()) as client:
        yield client


@pytest.fixture(scope="module")
def image(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("image")
    context = ImageContext(folder / "images")
    with running(load_image(), context, folder / "s.db", kind) as served, served.client("admin") as client:
        yield client


@pytest.fixture(scope="module")
def placement(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("placement")
    with running(load_placement(), None, folder / "s.db", kind) as served, served.client("admin", **PLACEMENT) as it:
        yield it


def refused(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, (answer.request.method, answer.request.url, answer.text)


def stock(generation: int, records: dict[str, Any]) -> dict[str, Any]:
    return {"resource_provider_generation": generation, "inventories": records}


def identity_bodies(value: Any) -> list[tuple[str, Any]]:
    """Numbers that a client may send."""
    limit = {"service_id": NIL.replace("-", ""), "resource_name": "x", "default_limit": value}
    trust = {"trustor_user_id": "a", "trustee_user_id": "b", "impersonation": False, "remaining_uses": value}
    return [
        ("registered_limits", {"registered_limits": [limit]}),
        ("limits", {"limits": [{**limit, "resource_limit": value}]}),
        ("OS-TRUST/trusts", {"trust": trust}),
        ("users", {"user": {"name": value}}),
    ]


@pytest.mark.parametrize("value", HUGE)
def test_identity_refuses_numbers_beyond_its_columns(identity: httpx.Client, value: int) -> None:
    service = identity.get("/v3/services").json()["services"][0]["id"]
    for path, body in identity_bodies(value):
        text = httpx.Request("POST", "http://x", json=body).content.replace(
            NIL.replace("-", "").encode(), service.encode()
        )
        refused(identity.post(f"/v3/{path}", content=text, headers={"Content-Type": "application/json"}))
    me = identity.get("/v3/users", params={"name": "admin"}).json()["users"][0]["id"]
    project = identity.get("/v3/projects", params={"name": "admin"}).json()["projects"][0]["id"]
    role = identity.get("/v3/roles", params={"name": "admin"}).json()["roles"][0]["id"]
    trust = {
        "trustor_user_id": me,
        "trustee_user_id": me,
        "impersonation": False,
        "project_id": project,
        "roles": [{"id": role}],
        "remaining_uses": value,
    }
    refused(identity.post("/v3/OS-TRUST/trusts", json={"trust": trust}))
    provider = {"enabled": True, "authorization_ttl": value}
    answer = identity.put(f"/v3/OS-FEDERATION/identity_providers/p{abs(value)}", json={"identity_provider": provider})
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("value", HUGE)
def test_image_refuses_numbers_beyond_its_columns(image: httpx.Client, value: int) -> None:
    for name in ("min_disk", "min_ram"):
        refused(image.post("/v2/images", json={**RAW, name: value}))
    made = image.post("/v2/images", json=RAW).json()["id"]
    for name in ("min_disk", "min_ram"):
        patch = [{"op": "replace", "path": f"/{name}", "value": value}]
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        refused(
            image.patch(f"/v2/images/{made}", content=httpx.Request("P", "http://x", json=patch).content, headers=kind)
        )
    for query in ({"min_ram": value}, {"size_min": value}, {"size_max": value}, {"limit": value}):
        assert image.get("/v2/images", params=query).status_code < 500, query


@pytest.mark.parametrize("value", HUGE)
def test_placement_refuses_numbers_beyond_its_columns(placement: httpx.Client, value: int) -> None:
    provider = placement.post("/resource_providers", json={"name": f"p{value}"}).json()
    base, generation = f"/resource_providers/{provider['uuid']}", provider["generation"]
    for name in ("total", "reserved", "min_unit", "max_unit", "step_size"):
        records = {"VCPU": {"total": 10, name: value}}
        refused(placement.put(f"{base}/inventories", json=stock(generation, records)))
    refused(placement.put(f"{base}/inventories", json=stock(value, {"VCPU": {"total": 10}})))
    assert placement.put(f"{base}/inventories", json=stock(generation, {"VCPU": {"total": 10}})).status_code == 200
    refused(placement.put(f"{base}/traits", json={"resource_provider_generation": value, "traits": []}))
    claim = {"consumer_generation": None, "project_id": "p", "user_id": "u", "consumer_type": "X"}
    held = {**claim, "allocations": {provider["uuid"]: {"resources": {"VCPU": value}}}}
    refused(placement.put(f"/allocations/{NIL}", json=held))
    for query in ({"resources": f"VCPU:{value}"}, {"resources": "VCPU:1", "limit": value}):
        assert placement.get("/allocation_candidates", params=query).status_code in (200, 400), query  # type: ignore[arg-type]


def test_capacity_is_as_large_as_the_ratio_makes_it(placement: httpx.Client) -> None:
    provider = placement.post("/resource_providers", json={"name": "vast"}).json()
    records = {"VCPU": {"total": 2147483647, "allocation_ratio": 3.4e38}}
    answer = placement.put(f"/resource_providers/{provider['uuid']}/inventories", json=stock(0, records))
    assert answer.status_code == 200, answer.text
    found = placement.get("/allocation_candidates", params={"resources": "VCPU:2147483647"}).json()
    assert provider["uuid"] in found["provider_summaries"]


@pytest.mark.parametrize("size", [256, 70_000])
def test_texts_too_long(identity: httpx.Client, image: httpx.Client, placement: httpx.Client, size: int) -> None:
    long = "x" * size
    for noun, body in (
        ("users", {"name": long}),
        ("groups", {"name": long}),
        ("projects", {"name": long}),
        ("domains", {"name": long}),
        ("roles", {"name": long}),
        ("regions", {"id": long}),
        ("services", {"type": long, "name": "n"}),
        ("credentials", {"type": long, "blob": "b", "user_id": NIL}),
        ("policies", {"type": long, "blob": "b"}),
    ):
        plural, single = noun, {"policies": "policy"}.get(noun, noun[:-1])
        refused(identity.post(f"/v3/{plural}", json={single: body}))
    for body in ({"name": long}, {"os_version": long, "name": long}, {"id": long}, {"tags": [long]}):  # type: ignore[assignment]
        refused(image.post("/v2/images", json={**RAW, **body}))
    for path, body in (
        ("resource_providers", {"name": long}),
        ("resource_classes", {"name": f"CUSTOM_{long.upper()}"}),
    ):
        refused(placement.post(f"/{path}", json=body))
    refused(placement.put(f"/traits/CUSTOM_{'X' * min(size, 9000)}"))


def test_nul_and_half_characters(identity: httpx.Client, image: httpx.Client, placement: httpx.Client) -> None:
    kind = {"Content-Type": "application/json"}
    for text in (r"\u0000", r"\ud800", "\0"):
        name = f'{{"name": "a{text}"}}'
        refused(identity.post("/v3/users", content=f'{{"user": {name}}}', headers=kind))
        refused(identity.post("/v3/users", content=f'{{"user": {{"name": "a", "more": {name}}}}}', headers=kind))
        refused(image.post("/v2/images", content=name, headers=kind))
        refused(placement.post("/resource_providers", content=name, headers=kind))
    for client, path in (
        (identity, "/v3/users/a%00"),
        (identity, "/v3/users?name=%00"),
        (identity, "/v3/users?name__contains=%00"),
        (image, "/v2/images/a%00/file"),
        (image, "/v2/images?name=%00"),
        (image, "/v2/images?marker=%00"),
        (placement, "/resource_providers?name=%00"),
        (placement, "/allocations/%00"),
    ):
        refused(client.get(path))
    refused(image.put("/v2/images/a%00/file", content=b"x", headers={"Content-Type": "application/octet-stream"}))
    for client, path in ((identity, "/v3/users"), (image, "/v2/images"), (placement, "/resource_providers")):
        refused(client.get(path, headers={"X-Auth-Token": b"gAAA\xff\xfe"}))  # type: ignore[arg-type]


def test_text_searches_of_names_fold_the_case_alike(identity: httpx.Client) -> None:
    for name in ("Apple", "apple pie", "a%b", "a_b", "Äpfel"):
        assert identity.post("/v3/groups", json={"group": {"name": name}}).status_code == 201

    def found(**query: str) -> list[str]:
        return sorted(each["name"] for each in identity.get("/v3/groups", params=query).json()["groups"])

    assert found(name="apple") == ["Apple"]
    assert found(name="äPFEL") == ["Äpfel"]
    assert found(name__contains="PP") == ["Apple", "apple pie"]
    assert found(name__startswith="a") == ["Apple", "a%b", "a_b", "apple pie"]
    assert found(name__startswith="ä") == ["Äpfel"]
    assert found(name__istartswith="a") == ["Apple", "a%b", "a_b", "apple pie"]
    assert found(name__contains="%") == ["a%b"]
    assert found(name__contains="_") == ["a_b"]
    assert found(name__icontains="APP") == ["Apple", "apple pie"]


def test_orders_and_pages_alike(image: httpx.Client) -> None:
    names = ["b", "a", "B", "_", "ä", "Z", "", "a b"]
    for name in names:
        assert image.post("/v2/images", json={**RAW, "name": name, "tags": ["order"]}).status_code == 201
    for direction in ("asc", "desc"):
        query: dict[str, Any] = {"tag": "order", "sort": f"name:{direction}", "limit": 3}
        seen: list[str] = []
        path: str | None = str(httpx.URL("/v2/images", params=query))
        while path:
            page = image.get(path).json()
            seen += [each["name"] for each in page["images"]]
            path = page.get("next")
        assert seen == sorted(names, reverse=direction == "desc")
