"""Quotas: of a project, of the class of defaults, and what of them is used."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.services.compute.conftest import (
    Nova,
    message,
)
from tests.services.serving import PROJECTS

PATH = f"/v2.1/os-quota-sets/{PROJECTS['demo']}"


def change(admin: httpx.Client, **values: Any) -> httpx.Response:
    return admin.put(PATH, json={"quota_set": values})


def test_quotas_are_set_and_reset(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    nova.active(demo)
    changed = change(admin, instances=2, cores="-1").json()["quota_set"]
    assert (changed["instances"], changed["cores"]) == (2, -1)
    detail = demo.get(f"{PATH}/detail").json()["quota_set"]
    assert detail["instances"] == {"limit": 2, "in_use": 1, "reserved": 0}
    assert demo.get(PATH).json()["quota_set"]["id"] == PROJECTS["demo"]
    assert demo.get(f"{PATH}/defaults").json()["quota_set"]["instances"] == 10
    assert admin.delete(PATH).status_code == 202
    assert demo.get(PATH).json()["quota_set"]["instances"] == 10


def test_less_than_is_used_must_be_forced(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    nova.active(demo)
    answer = change(admin, instances=0)
    assert answer.status_code == 400
    words = "Quota limit 0 for instances must be greater than or equal to already used and reserved 1."
    assert message(answer) == words
    assert change(admin, instances=0, force=True).json()["quota_set"]["instances"] == 0
    assert demo.post("/v2.1/servers", json=nova.body()).status_code == 403


@pytest.mark.parametrize(
    "values", [{"nope": 1}, {"instances": "x"}, {"instances": -2}, {"instances": 2**31}, {"cores": 1.5}, {"ram": None}]
)
def test_values_that_may_not_be(admin: httpx.Client, values: dict[str, Any]) -> None:
    assert change(admin, **values).status_code == 400
    assert admin.put(PATH, json={"quota_sets": values}).status_code == 400


def test_projects_that_are_not_there(admin: httpx.Client) -> None:
    for method in ("GET", "DELETE"):
        answer = admin.request(method, "/v2.1/os-quota-sets/nope")
        assert (answer.status_code, message(answer)) == (400, "Project ID nope is not a valid project.")
    assert admin.put("/v2.1/os-quota-sets/nope", json={"quota_set": {}}).status_code == 400


def test_who_may(demo: httpx.Client) -> None:
    assert demo.get(f"/v2.1/os-quota-sets/{PROJECTS['other']}").status_code == 403
    assert demo.put(PATH, json={"quota_set": {}}).status_code == 403
    assert demo.delete(PATH).status_code == 403
    assert demo.get("/v2.1/os-quota-class-sets/default").status_code == 403


@pytest.mark.parametrize(
    ("version", "gone"),
    [("2.35", set()), ("2.36", {"floating_ips", "fixed_ips"}), ("2.57", {"floating_ips", "injected_files"})],
)
def test_resources_that_newer_versions_have_not(nova: Nova, version: str, gone: set[str]) -> None:
    """As Nova's api_samples/os-quota-sets have them."""
    with nova.client("admin", version) as client:
        names = set(client.get(PATH).json()["quota_set"])
        assert not gone & names and (gone or {"floating_ips", "injected_files"} <= names)
        for name in gone:
            assert client.put(PATH, json={"quota_set": {name: 1}}).status_code == 400


def test_the_class_of_defaults(nova: Nova, admin: httpx.Client, demo: httpx.Client) -> None:
    path = "/v2.1/os-quota-class-sets/default"
    assert admin.get(path).json()["quota_class_set"]["instances"] == 10
    changed = admin.put(path, json={"quota_class_set": {"instances": 3}}).json()["quota_class_set"]
    assert changed["instances"] == 3 and "id" not in changed
    assert demo.get(PATH).json()["quota_set"]["instances"] == 3
    assert change(admin, instances=5).json()["quota_set"]["instances"] == 5
    assert demo.get(f"{PATH}/defaults").json()["quota_set"]["instances"] == 3
    with nova.client("admin", "2.49") as old:
        assert "server_groups" not in old.get(path).json()["quota_class_set"]
