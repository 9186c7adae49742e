"""Placement over HTTP: what clients rely on, its errors and its codes."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.services.serving import Running

STOCK = {
    "VCPU": {"total": 8, "allocation_ratio": 2.0},
    "MEMORY_MB": {"total": 4096, "reserved": 512},
    "DISK_GB": {"total": 100},
}


def made(api: httpx.Client, name: str, stock: dict[str, Any] | None = None) -> str:
    body = api.post("/resource_providers", json={"name": name}).json()
    answer = api.put(
        f"/resource_providers/{body['uuid']}/inventories",
        json={"resource_provider_generation": body["generation"], "inventories": STOCK if stock is None else stock},
    )
    assert answer.status_code == 200, answer.text
    return str(body["uuid"])


def taking(provider: str, generation: int | None = None, **resources: int) -> dict[str, Any]:
    return {
        "allocations": {provider: {"resources": resources}},
        "project_id": "p1",
        "user_id": "u1",
        "consumer_generation": generation,
        "consumer_type": "INSTANCE",
    }


def code(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["errors"][0]
    assert error["status"] == answer.status_code and error["request_id"].startswith("req-")
    return answer.status_code, error["code"]


def test_discovery_needs_no_token(served: Running) -> None:
    with served.client("") as client:
        version = client.get("/").json()["versions"][0]
    assert (version["id"], version["min_version"], version["max_version"]) == ("v1.0", "1.0", "1.39")


@pytest.mark.parametrize(("token", "status"), [("admin", 200), ("service", 200), ("demo", 403), ("reader", 403)])
def test_only_admins_and_services(served: Running, token: str, status: int) -> None:
    with served.client(token) as client:
        assert client.get("/resource_providers").status_code == status
        assert client.put(f"/allocations/{uuid.uuid4()}", json={}).status_code in (400, status)


def test_nobody_without_a_token(served: Running) -> None:
    with served.client("") as client:
        assert client.get("/resource_providers").status_code == 401


def test_provider_life(api: httpx.Client) -> None:
    answer = api.post("/resource_providers", json={"name": "h1"})
    provider = answer.json()
    assert answer.status_code == 200 and answer.headers["location"].endswith(provider["uuid"])
    assert provider["generation"] == 0 and provider["root_provider_uuid"] == provider["uuid"]
    assert {link["rel"] for link in provider["links"]} >= {"self", "inventories", "usages", "traits", "allocations"}
    assert code(api.post("/resource_providers", json={"name": "h1"})) == (409, "placement.duplicate_name")
    renamed = api.put(f"/resource_providers/{provider['uuid']}", json={"name": "h2"})
    assert renamed.json()["name"] == "h2"
    assert [p["name"] for p in api.get("/resource_providers?name=h2").json()["resource_providers"]] == ["h2"]
    assert api.delete(f"/resource_providers/{provider['uuid']}").status_code == 204
    assert code(api.get(f"/resource_providers/{provider['uuid']}")) == (404, "placement.resource_provider.not_found")
    assert api.post("/resource_providers", json={"name": "x" * 201}).status_code == 400
    assert api.post("/resource_providers", json={"name": "x", "uuid": "nope"}).status_code == 400


def test_old_microversions(served: Running) -> None:
    with served.client("admin") as client:
        answer = client.post("/resource_providers", json={"name": "h1"})
        assert answer.status_code == 201 and answer.content == b""
        assert client.get("/allocation_candidates?resources=VCPU:1").status_code == 404
        shown = client.get("/resource_providers").json()["resource_providers"][0]
        assert "root_provider_uuid" not in shown and len(shown["links"]) == 3
        bad = client.post("/resource_providers", json={"name": "h2", "parent_provider_uuid": shown["uuid"]})
        assert bad.status_code == 400
        refused = client.get("/resource_providers", headers={"OpenStack-API-Version": "placement 1.99"})
        assert refused.status_code == 406 and refused.json()["errors"][0]["max_version"] == "1.39"


def test_tree(api: httpx.Client) -> None:
    root = api.post("/resource_providers", json={"name": "root"}).json()["uuid"]
    child = api.post("/resource_providers", json={"name": "child", "parent_provider_uuid": root}).json()
    assert child["root_provider_uuid"] == root
    found = api.get(f"/resource_providers?in_tree={child['uuid']}").json()["resource_providers"]
    assert {p["name"] for p in found} == {"root", "child"}
    refused = api.delete(f"/resource_providers/{root}")
    assert code(refused) == (409, "placement.resource_provider.cannot_delete_parent")
    loop = api.put(f"/resource_providers/{root}", json={"name": "root", "parent_provider_uuid": child["uuid"]})
    assert loop.status_code == 400
    moved = api.put(f"/resource_providers/{child['uuid']}", json={"name": "child", "parent_provider_uuid": None})
    assert moved.json()["root_provider_uuid"] == child["uuid"]


def test_inventory_generations(api: httpx.Client) -> None:
    provider = made(api, "h1")
    path = f"/resource_providers/{provider}/inventories"
    shown = api.get(path).json()
    assert shown["resource_provider_generation"] == 1
    assert shown["inventories"]["MEMORY_MB"]["reserved"] == 512
    assert shown["inventories"]["DISK_GB"]["max_unit"] == 2147483647
    stale = api.put(path, json={"resource_provider_generation": 0, "inventories": {}})
    assert code(stale) == (409, "placement.concurrent_update")
    one = api.put(f"{path}/VCPU", json={"resource_provider_generation": 1, "total": 16})
    assert one.status_code == 200 and one.json()["total"] == 16 and one.json()["resource_provider_generation"] == 2
    assert set(api.get(path).json()["inventories"]) == set(STOCK)
    unknown = api.put(path, json={"resource_provider_generation": 2, "inventories": {"CUSTOM_X": {"total": 1}}})
    assert unknown.status_code == 400 and "No such resource class CUSTOM_X" in unknown.text
    over = api.put(path, json={"resource_provider_generation": 2, "inventories": {"VCPU": {"total": 1, "reserved": 2}}})
    assert over.status_code == 400
    assert (
        api.put(path, json={"resource_provider_generation": 2, "inventories": {"VCPU": {"total": 0}}}).status_code
        == 400
    )
    assert api.delete(f"{path}/DISK_GB").status_code == 204
    assert api.get(f"{path}/DISK_GB").status_code == 404
    assert api.delete(path).status_code == 204 and api.get(path).json()["inventories"] == {}


def test_inventory_in_use(api: httpx.Client) -> None:
    provider, consumer = made(api, "h1"), str(uuid.uuid4())
    assert api.put(f"/allocations/{consumer}", json=taking(provider, VCPU=1)).status_code == 204
    path = f"/resource_providers/{provider}/inventories"
    generation = api.get(path).json()["resource_provider_generation"]
    gone = api.put(path, json={"resource_provider_generation": generation, "inventories": {"DISK_GB": {"total": 1}}})
    assert code(gone) == (409, "placement.inventory.inuse")
    assert code(api.delete(path)) == (409, "placement.inventory.inuse")
    assert api.delete(f"{path}/VCPU").status_code == 409
    assert code(api.delete(f"/resource_providers/{provider}")) == (409, "placement.resource_provider.inuse")
    assert set(api.get(path).json()["inventories"]) == set(STOCK)


def test_allocation_life(api: httpx.Client) -> None:
    provider, consumer = made(api, "h1"), str(uuid.uuid4())
    assert api.get(f"/allocations/{consumer}").json() == {"allocations": {}}
    assert api.put(f"/allocations/{consumer}", json=taking(provider, VCPU=2, MEMORY_MB=512)).status_code == 204
    held = api.get(f"/allocations/{consumer}").json()
    assert held["allocations"][provider]["resources"] == {"VCPU": 2, "MEMORY_MB": 512}
    assert (held["consumer_generation"], held["consumer_type"], held["project_id"]) == (1, "INSTANCE", "p1")
    stale = api.put(f"/allocations/{consumer}", json=taking(provider, VCPU=1))
    assert code(stale) == (409, "placement.concurrent_update")
    assert api.put(f"/allocations/{consumer}", json=taking(provider, 1, VCPU=3)).status_code == 204
    assert api.get(f"/resource_providers/{provider}/usages").json()["usages"] == {
        "VCPU": 3,
        "MEMORY_MB": 0,
        "DISK_GB": 0,
    }
    assert api.get("/usages?project_id=p1").json()["usages"] == {"INSTANCE": {"VCPU": 3, "consumer_count": 1}}
    on = api.get(f"/resource_providers/{provider}/allocations").json()
    assert on["allocations"][consumer] == {"resources": {"VCPU": 3}, "consumer_generation": 2}
    assert api.delete(f"/allocations/{consumer}").status_code == 204
    assert api.delete(f"/allocations/{consumer}").status_code == 404
    assert api.get(f"/resource_providers/{provider}/usages").json()["usages"]["VCPU"] == 0


def test_allocation_refusals_write_nothing(api: httpx.Client) -> None:
    provider, consumer = made(api, "h1"), str(uuid.uuid4())
    full = api.put(f"/allocations/{consumer}", json=taking(provider, VCPU=17))
    assert code(full) == (409, "placement.undefined_code") and "would exceed the capacity" in full.text
    assert api.put(f"/allocations/{consumer}", json=taking(str(uuid.uuid4()), VCPU=1)).status_code == 400
    assert api.put(f"/allocations/{consumer}", json=taking(provider, CUSTOM_NONE=1)).status_code == 400
    assert api.put(f"/allocations/{consumer}", json=taking(provider, VGPU=1)).status_code == 409
    assert api.put(f"/allocations/{consumer}", json=taking(provider, VCPU=0)).status_code == 400
    assert api.put("/allocations/nope", json=taking(provider, VCPU=1)).status_code == 400
    several = {str(uuid.uuid4()): taking(provider, VCPU=10), str(uuid.uuid4()): taking(provider, VCPU=10)}
    assert api.post("/allocations", json=several).status_code == 409
    assert api.get(f"/resource_providers/{provider}/usages").json()["usages"]["VCPU"] == 0
    assert api.get(f"/resource_providers/{provider}/allocations").json()["allocations"] == {}


def test_moving_between_providers_in_one_post(api: httpx.Client) -> None:
    one, two, server, migration = made(api, "h1"), made(api, "h2"), str(uuid.uuid4()), str(uuid.uuid4())
    assert api.put(f"/allocations/{server}", json=taking(one, VCPU=16)).status_code == 204
    both = {server: taking(two, 1, VCPU=16), migration: taking(one, VCPU=16)}
    assert api.post("/allocations", json=both).status_code == 204
    for provider in (one, two):
        assert api.get(f"/resource_providers/{provider}/usages").json()["usages"]["VCPU"] == 16
    empty = {**taking(one, 1), "allocations": {}}
    assert api.post("/allocations", json={migration: empty}).status_code == 204
    assert api.get(f"/resource_providers/{one}/usages").json()["usages"]["VCPU"] == 0


def test_old_allocation_form(served: Running, api: httpx.Client) -> None:
    provider, consumer = made(api, "h1"), str(uuid.uuid4())
    body = {"allocations": [{"resource_provider": {"uuid": provider}, "resources": {"VCPU": 1}}]}
    with served.client("admin") as client:
        assert client.put(f"/allocations/{consumer}", json=body).status_code == 204
        shown = client.get(f"/allocations/{consumer}").json()
        assert shown["allocations"][provider]["resources"] == {"VCPU": 1} and "project_id" not in shown
        newer = client.put(f"/allocations/{consumer}", json=body, headers={"OpenStack-API-Version": "placement 1.8"})
        assert newer.status_code == 400


def test_candidates(api: httpx.Client) -> None:
    small, big = made(api, "small"), made(api, "big", {**STOCK, "MEMORY_MB": {"total": 9000}})
    found = api.get("/allocation_candidates?resources=VCPU:1,MEMORY_MB:100").json()
    assert [list(one["allocations"]) for one in found["allocation_requests"]] == [[big], [small]]
    assert found["allocation_requests"][0]["mappings"] == {"": [big]}
    assert found["provider_summaries"][small]["resources"]["VCPU"] == {"capacity": 16, "used": 0}
    request = found["allocation_requests"][0] | {"project_id": "p", "user_id": "u"}
    request |= {"consumer_generation": None, "consumer_type": "INSTANCE"}
    assert api.put(f"/allocations/{uuid.uuid4()}", json=request).status_code == 204
    few = api.get("/allocation_candidates?resources=VCPU:1&limit=1").json()
    assert len(few["allocation_requests"]) == len(few["provider_summaries"]) == 1
    none = api.get("/allocation_candidates?resources=VCPU:17").json()
    assert none == {"allocation_requests": [], "provider_summaries": {}}
    for query in (
        "",
        "resources=VCPU",
        "resources=VCPU:x",
        "resources=VCPU:0",
        "resources=CUSTOM_NO:1",
        "resources1=VCPU:1&resources2=VCPU:1",
    ):
        assert api.get(f"/allocation_candidates?{query}").status_code == 400, query


def test_candidates_by_trait_and_aggregate(api: httpx.Client) -> None:
    one, two, group = made(api, "h1"), made(api, "h2"), str(uuid.uuid4())
    assert api.put("/traits/CUSTOM_FAST").status_code == 201
    assert api.put("/traits/CUSTOM_FAST").status_code == 204
    put = api.put(
        f"/resource_providers/{one}/traits",
        json={"resource_provider_generation": 1, "traits": ["CUSTOM_FAST", "HW_CPU_X86_AVX2"]},
    )
    assert put.status_code == 200 and put.json()["resource_provider_generation"] == 2
    put = api.put(
        f"/resource_providers/{two}/aggregates", json={"aggregates": [group], "resource_provider_generation": 1}
    )
    assert put.status_code == 200

    def having(query: str) -> set[str]:
        answer = api.get(f"/allocation_candidates?resources=VCPU:1&{query}")
        assert answer.status_code == 200, answer.text
        return set(answer.json()["provider_summaries"])

    assert having("required=CUSTOM_FAST") == {one} and having("required=!CUSTOM_FAST") == {two}
    assert having("required=in:CUSTOM_FAST,HW_CPU_X86_AVX") == {one}
    assert having("required=CUSTOM_FAST,HW_CPU_X86_AVX") == set()
    assert having(f"member_of={group}") == {two} and having(f"member_of=!{group}") == {one}
    assert having(f"in_tree={two}") == {two}
    assert api.get("/allocation_candidates?resources=VCPU:1&required=CUSTOM_SLOW").status_code == 400
    assert api.delete("/traits/CUSTOM_FAST").status_code == 409
    assert api.delete("/traits/HW_CPU_X86_AVX2").status_code == 400
    listed = api.get("/resource_providers?required=CUSTOM_FAST").json()["resource_providers"]
    assert [provider["uuid"] for provider in listed] == [one]


def test_resource_classes(api: httpx.Client) -> None:
    names = [one["name"] for one in api.get("/resource_classes").json()["resource_classes"]]
    assert names[:3] == ["VCPU", "MEMORY_MB", "DISK_GB"]
    assert api.put("/resource_classes/CUSTOM_GOLD").status_code == 201
    assert api.put("/resource_classes/CUSTOM_GOLD").status_code == 204
    assert api.post("/resource_classes", json={"name": "CUSTOM_GOLD"}).status_code == 409
    assert api.put("/resource_classes/GOLD").status_code == 400
    assert api.get("/resource_classes/CUSTOM_GOLD").json()["name"] == "CUSTOM_GOLD"
    provider = made(api, "h1", {"CUSTOM_GOLD": {"total": 2, "min_unit": 2, "step_size": 2}})
    assert api.delete("/resource_classes/CUSTOM_GOLD").status_code == 409
    assert api.delete("/resource_classes/VCPU").status_code == 400
    odd = api.put(f"/allocations/{uuid.uuid4()}", json=taking(provider, CUSTOM_GOLD=1))
    assert odd.status_code == 409 and "would violate inventory constraints" in odd.text
