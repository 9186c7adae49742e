"""Flavors: made, listed, changed and deleted; a server keeps a snapshot of its own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.services.compute.conftest import (
    Nova,
    message,
    show,
)

FLAVOR: dict[str, Any] = {"name": "gold", "ram": 256, "vcpus": 2, "disk": 3, "id": "gold"}


def test_flavor_life(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    made = admin.post("/v2.1/flavors", json={"flavor": {**FLAVOR, "description": "good"}}).json()["flavor"]
    assert (made["id"], made["swap"], made["rxtx_factor"], made["extra_specs"]) == ("gold", 0, 1.0, {})
    for same in ({**FLAVOR, "id": "other"}, {**FLAVOR, "name": "other"}):
        answer = admin.post("/v2.1/flavors", json={"flavor": same})
        assert (answer.status_code, "already exists." in message(answer)) == (409, True)
    assert admin.put("/v2.1/flavors/gold", json={"flavor": {"description": "best"}}).json()["flavor"]["description"]
    server_id = nova.active(demo, flavorRef="gold")
    assert admin.delete("/v2.1/flavors/gold").status_code == 202
    answer = demo.get("/v2.1/flavors/gold")
    assert (answer.status_code, message(answer)) == (404, "Flavor gold could not be found.")
    assert show(demo, server_id)["flavor"]["original_name"] == "gold"


def test_flavor_lists(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    def ids(query: str) -> list[str]:
        return [flavor["id"] for flavor in demo.get(f"/v2.1/flavors?{query}").json()["flavors"]]

    assert ids("") == ["0", "1", "2", "3", "4", "5"]
    assert ids("minRam=4096") == ["3", "4", "5"]
    assert ids("minDisk=80") == ["4", "5"]
    assert ids("sort_key=name&sort_dir=asc&limit=2") == ["4", "3"]
    assert ids("limit=2&marker=3") == ["4", "5"]
    for bad in ("marker=nope", "minRam=x", "minDisk=x", "sort_key=x", "limit=-2"):
        assert demo.get(f"/v2.1/flavors?{bad}").status_code == 400
    flavor = old.get("/v2.1/flavors/1").json()["flavor"]
    assert flavor["swap"] == "" and "description" not in flavor and "extra_specs" not in flavor


@pytest.mark.parametrize(
    "values", [{"ram": 0}, {"vcpus": -1}, {"disk": -1}, {"name": ""}, {"name": " x"}, {"ram": 2**31}, {"id": "a/b"}]
)
def test_bad_flavors(admin: httpx.Client, values: dict[str, Any]) -> None:
    assert admin.post("/v2.1/flavors", json={"flavor": {**FLAVOR, **values}}).status_code == 400


def test_numbers_may_be_texts(admin: httpx.Client) -> None:
    """Nova's schema takes `'256'` for 256 (nova/api/openstack/compute/schemas/flavor_manage.py)."""
    values = {"ram": "256", "vcpus": "2", "disk": "0", "swap": "64", "rxtx_factor": "1.5", "id": "text"}
    made = admin.post("/v2.1/flavors", json={"flavor": {"name": "text", **values}}).json()["flavor"]
    assert (made["ram"], made["vcpus"], made["disk"], made["swap"], made["rxtx_factor"]) == (256, 2, 0, 64, 1.5)
    for bad in ({"ram": "2 56"}, {"swap": "-1"}, {"rxtx_factor": 0}, {"os-flavor-access:is_public": "maybe"}):
        assert admin.post("/v2.1/flavors", json={"flavor": {**FLAVOR, **bad}}).status_code == 400, bad


@pytest.mark.parametrize("id", ["auto", "", None])
def test_without_an_id_it_gets_one(admin: httpx.Client, id: str | None) -> None:
    made = admin.post("/v2.1/flavors", json={"flavor": {**FLAVOR, "id": id}}).json()["flavor"]
    assert len(made["id"]) == 36


def test_details_and_pages(demo: httpx.Client, admin: httpx.Client) -> None:
    detail = demo.get("/v2.1/flavors/detail").json()["flavors"]
    assert [flavor["id"] for flavor in detail] == ["0", "1", "2", "3", "4", "5"]
    assert all(flavor["swap"] == 0 and flavor["description"] is None for flavor in detail)
    seen: list[str] = []
    url: str | None = "/v2.1/flavors?limit=2"
    while url is not None:
        body = demo.get(url).json()
        seen += [flavor["id"] for flavor in body["flavors"]]
        url = {link["rel"]: link["href"] for link in body.get("flavors_links", [])}.get("next")
    assert seen == ["0", "1", "2", "3", "4", "5"]
    assert demo.get("/v2.1/flavors?is_public=False").json()["flavors"] == demo.get("/v2.1/flavors").json()["flavors"]
    assert admin.get("/v2.1/flavors?is_public=False").json()["flavors"] == []
    assert admin.get("/v2.1/flavors?is_public=perhaps").status_code == 400


def test_only_the_description_changes(nova: Nova, admin: httpx.Client, demo: httpx.Client) -> None:
    assert demo.put("/v2.1/flavors/1", json={"flavor": {"description": "mine"}}).status_code == 403
    assert admin.put("/v2.1/flavors/1", json={"flavor": {"description": None}}).json()["flavor"]["description"] is None
    assert admin.put("/v2.1/flavors/1", json={"flavor": {"description": "d", "ram": 1}}).status_code == 400
    assert admin.put("/v2.1/flavors/nope", json={"flavor": {"description": "d"}}).status_code == 404
    with nova.client("admin", "2.54") as before:
        assert before.put("/v2.1/flavors/1", json={"flavor": {"description": "d"}}).status_code == 404


def test_who_may_not_make_them(demo: httpx.Client) -> None:
    assert demo.post("/v2.1/flavors", json={"flavor": FLAVOR}).status_code == 403
    assert demo.delete("/v2.1/flavors/1").status_code == 403
    assert demo.delete("/v2.1/flavors/nope").status_code == 403
