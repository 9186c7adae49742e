"""Private flavors: which projects may use them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.services.compute.conftest import (
    Nova,
    message,
)
from tests.services.serving import PROJECTS

FLAVOR: dict[str, Any] = {"name": "gold", "ram": 256, "vcpus": 2, "disk": 3, "id": "gold"}


def test_private_flavors(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    body = {"flavor": {**FLAVOR, "os-flavor-access:is_public": False}}
    assert admin.post("/v2.1/flavors", json=body).status_code == 200
    assert demo.get("/v2.1/flavors/gold").status_code == 404
    assert demo.post("/v2.1/servers", json=nova.body(flavorRef="gold")).status_code == 400
    add = {"addTenantAccess": {"tenant": PROJECTS["demo"]}}
    access = admin.post("/v2.1/flavors/gold/action", json=add).json()["flavor_access"]
    assert {"flavor_id": "gold", "tenant_id": PROJECTS["demo"]} in access
    assert admin.post("/v2.1/flavors/gold/action", json=add).status_code == 409
    assert demo.get("/v2.1/flavors/gold").status_code == 200
    remove = {"removeTenantAccess": {"tenant": PROJECTS["demo"]}}
    assert demo.post("/v2.1/flavors/gold/action", json=remove).status_code == 403
    assert admin.post("/v2.1/flavors/gold/action", json=remove).status_code == 200
    assert admin.post("/v2.1/flavors/gold/action", json=remove).status_code == 404
    assert admin.get("/v2.1/flavors/1/os-flavor-access").status_code == 404


def test_access_to_what_needs_none_or_is_not_there(admin: httpx.Client) -> None:
    add = {"addTenantAccess": {"tenant": PROJECTS["demo"]}}
    answer = admin.post("/v2.1/flavors/1/action", json=add)
    assert (answer.status_code, message(answer)) == (409, "Can not add access to a public flavor.")
    assert admin.post("/v2.1/flavors/nope/action", json=add).status_code == 404
    assert admin.get("/v2.1/flavors/nope/os-flavor-access").status_code == 404
    answer = admin.post("/v2.1/flavors/1/action", json={"addTenantAccess": {"tenant": "nobody"}})
    assert (answer.status_code, message(answer)) == (400, "Project ID nobody is not a valid project.")
    assert admin.post("/v2.1/flavors/1/action", json={"removeTenantAccess": {"tenant": "nobody"}}).status_code == 400


def test_a_private_flavor_is_its_makers_and_goes_with_its_access(admin: httpx.Client, demo: httpx.Client) -> None:
    body = {"flavor": {**FLAVOR, "os-flavor-access:is_public": False}}
    admin.post("/v2.1/flavors", json=body)
    access = admin.get("/v2.1/flavors/gold/os-flavor-access").json()["flavor_access"]
    assert access == [{"flavor_id": "gold", "tenant_id": PROJECTS["admin"]}]
    assert "gold" not in str(demo.get("/v2.1/flavors").json())
    assert "gold" in str(admin.get("/v2.1/flavors?is_public=None").json())
    assert admin.delete("/v2.1/flavors/gold").status_code == 202
    assert admin.post("/v2.1/flavors", json={"flavor": FLAVOR}).status_code == 200
    assert admin.get("/v2.1/flavors/gold/os-flavor-access").status_code == 404, "public now"
