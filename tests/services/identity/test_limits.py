"""Registered limits and limits: their life, both models, who sees which, and what other services read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cumulet.services.identity import door
from cumulet.services.identity.model.limits import FLAT, STRICT

from .conftest import Cloud
from .test_nouns import fresh, made, message
from .test_roles import role_id


@pytest.fixture
def strict(cloud: Cloud) -> Iterator[None]:
    cloud.context.limit_model = STRICT
    yield
    cloud.context.limit_model = FLAT


def registered(admin: httpx.Client, service: dict[str, Any], default: int = 10, **more: Any) -> dict[str, Any]:
    asked = {"service_id": service["id"], "resource_name": fresh(), "default_limit": default, **more}
    answer = admin.post("/v3/registered_limits", json={"registered_limits": [asked]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["registered_limits"][0])


def limited(admin: httpx.Client, limit: dict[str, Any], amount: int, **owner: str) -> httpx.Response:
    fields = {name: limit[name] for name in ("service_id", "region_id", "resource_name")}
    return admin.post("/v3/limits", json={"limits": [{**fields, "resource_limit": amount, **owner}]})


def test_life_of_registered_limits(admin: httpx.Client) -> None:
    service, region = made(admin, "service", type="x", name=fresh()), made(admin, "region", id=fresh())
    first = registered(admin, service, description="how many")
    second = registered(admin, service, resource_name=first["resource_name"], region_id=region["id"])
    assert first["region_id"] is None and second["region_id"] == region["id"]
    path = f"/v3/registered_limits/{first['id']}"
    assert admin.get(path).json()["registered_limit"] == first
    assert first["links"]["self"].endswith(path)
    found = admin.get("/v3/registered_limits", params={"service_id": service["id"]}).json()["registered_limits"]
    assert {row["id"] for row in found} == {first["id"], second["id"]}
    found = admin.get("/v3/registered_limits", params={"region_id": region["id"]}).json()["registered_limits"]
    assert [row["id"] for row in found] == [second["id"]]
    changed = admin.patch(path, json={"registered_limit": {"default_limit": 0}})
    assert changed.json()["registered_limit"] == {**first, "default_limit": 0}
    taken = admin.patch(path, json={"registered_limit": {"region_id": region["id"]}})
    assert (taken.status_code, message(taken)) == (
        409,
        "Conflict occurred attempting to store registered_limit - Duplicate entry.",
    )
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    assert (gone.status_code, message(gone)) == (404, f"Could not find registered limit for {first['id']}.")
    assert admin.delete(f"/v3/regions/{region['id']}").status_code == 204
    assert admin.get(f"/v3/registered_limits/{second['id']}").status_code == 404


def test_life_of_limits(cloud: Cloud, admin: httpx.Client) -> None:
    service, project = made(admin, "service", type=fresh("t"), name=fresh()), made(admin, "project", name=fresh())
    default = registered(admin, service)
    (limit,) = limited(admin, default, 5, project_id=project["id"]).json()["limits"]
    assert limit["project_id"] == project["id"] and limit["domain_id"] is None
    assert limit["resource_name"] == default["resource_name"] and limit["resource_limit"] == 5
    again = limited(admin, default, 6, project_id=project["id"])
    assert (again.status_code, message(again)) == (
        409,
        "Conflict occurred attempting to store limit - Duplicate entry.",
    )
    held = admin.delete(f"/v3/registered_limits/{default['id']}")
    assert held.status_code == 403 and "there are project limits associated with it" in message(held)
    path = f"/v3/limits/{limit['id']}"
    assert admin.get(path).json()["limit"] == limit
    listed = admin.get("/v3/limits", params={"project_id": project["id"]}).json()["limits"]
    assert listed == [limit]
    assert admin.get("/v3/limits", params={"resource_name": "none of it"}).json()["limits"] == []
    changed = admin.patch(path, json={"limit": {"resource_limit": 0, "description": "none"}}).json()["limit"]
    assert (changed["resource_limit"], changed["description"]) == (0, "none")
    with cloud.db.read() as tx:
        names = [default["resource_name"], "unregistered"]
        read = door.effective_limits(tx, project["id"], service["type"], names, "RegionOne")
        assert read == {default["resource_name"]: 0}
        read = door.effective_limits(tx, "another", service["type"], names, "RegionOne")
        assert read == {default["resource_name"]: 10}
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    assert (gone.status_code, message(gone)) == (404, f"Could not find limit for {limit['id']}.")
    for answer in (admin.patch(path, json={"limit": {}}), admin.delete(path)):
        assert answer.status_code == 404
    (limit,) = limited(admin, default, 5, project_id=project["id"]).json()["limits"]
    admin.delete(f"/v3/projects/{project['id']}")
    assert admin.get(f"/v3/limits/{limit['id']}").status_code == 404


def test_a_region_has_its_own_default(cloud: Cloud, admin: httpx.Client) -> None:
    service = made(admin, "service", type=fresh("t"), name=fresh())
    everywhere = registered(admin, service, 10)
    registered(admin, service, 20, resource_name=everywhere["resource_name"], region_id="RegionOne")
    with cloud.db.read() as tx:
        for region, amount in (("RegionOne", 20), ("RegionTwo", 10)):
            read = door.effective_limits(tx, "p", service["type"], [everywhere["resource_name"]], region)
            assert read == {everywhere["resource_name"]: amount}


@pytest.mark.parametrize(
    "wrong",
    [
        {"service_id": "nothing"},
        {"region_id": "nowhere"},
        {"resource_limit": -2},
        {"resource_limit": 2**31},
        {"resource_limit": "5"},
        {"project_id": "nobody"},
        {"domain_id": "default"},
        {"project_id": None},
        {"surprise": 1},
    ],
)
def test_what_makes_no_limit(wrong: dict[str, Any], admin: httpx.Client) -> None:
    service, project = made(admin, "service", type="x", name=fresh()), made(admin, "project", name=fresh())
    default = registered(admin, service)
    fields = {"service_id": service["id"], "resource_name": default["resource_name"], "resource_limit": 1}
    good = {**fields, "project_id": project["id"]}
    answer = admin.post("/v3/limits", json={"limits": [{**good, **wrong}]})
    assert answer.status_code == 400, answer.text
    both = admin.post("/v3/limits", json={"limits": [good, {**good, **wrong}]})
    assert both.status_code == 400 and not admin.get(f"/v3/limits?project_id={project['id']}").json()["limits"]
    assert admin.post("/v3/limits", json={"limits": []}).status_code == 400
    nothing = admin.post("/v3/limits", json={"limits": [{**good, "resource_name": "unregistered"}]})
    assert (nothing.status_code, message(nothing)) == (
        403,
        "Unable to create a limit that has no corresponding registered limit.",
    )
    bad = admin.post("/v3/registered_limits", json={"registered_limits": [{**fields, "default_limit": -2}]})
    assert bad.status_code == 400


def test_the_models(cloud: Cloud, admin: httpx.Client, strict: None) -> None:
    told = admin.get("/v3/limits/model").json()["model"]
    assert told["name"] == "strict_two_level" and "depth of two" in told["description"]
    domain = made(admin, "domain", name=fresh())
    project = made(admin, "project", name=fresh(), domain_id=domain["id"])
    default = registered(admin, made(admin, "service", type="x", name=fresh()), 10)
    assert limited(admin, default, 11, project_id=project["id"]).status_code == 403, "more than the default"
    (of_domain,) = limited(admin, default, 20, domain_id=domain["id"]).json()["limits"]
    assert of_domain["domain_id"] == domain["id"] and of_domain["project_id"] is None
    (of_project,) = limited(admin, default, 20, project_id=project["id"]).json()["limits"]
    refused = admin.patch(f"/v3/limits/{of_domain['id']}", json={"limit": {"resource_limit": 19}})
    assert refused.status_code == 403 and "doesn't satisfy current hierarchy model" in message(refused)
    path = f"/v3/limits/{of_project['id']}"
    assert admin.patch(path, json={"limit": {"resource_limit": 21}}).status_code == 403
    assert admin.patch(path, json={"limit": {"resource_limit": -1}}).status_code == 403
    assert admin.patch(path, json={"limit": {"resource_limit": 19}}).status_code == 200
    cloud.context.limit_model = FLAT
    assert admin.get("/v3/limits/model").json()["model"]["name"] == "flat"
    assert admin.patch(path, json={"limit": {"resource_limit": 21}}).status_code == 200
    admin.patch(f"/v3/domains/{domain['id']}", json={"domain": {"enabled": False}})
    admin.delete(f"/v3/domains/{domain['id']}")
    assert admin.get(path).status_code == admin.get(f"/v3/limits/{of_domain['id']}").status_code == 404


def test_who_sees_which(cloud: Cloud, admin: httpx.Client) -> None:
    domain = made(admin, "domain", name=fresh())
    project = made(admin, "project", name=fresh(), domain_id=domain["id"])
    other = made(admin, "project", name=fresh())
    user = made(admin, "user", name=fresh(), password="pw", domain_id=domain["id"])
    for place in (f"projects/{project['id']}", f"domains/{domain['id']}"):
        admin.put(f"/v3/{place}/users/{user['id']}/roles/{role_id(admin, 'reader')}")
    default = registered(admin, made(admin, "service", type="x", name=fresh()), 10)
    owners = {"p": {"project_id": project["id"]}, "d": {"domain_id": domain["id"]}, "o": {"project_id": other["id"]}}
    ids = {name: limited(admin, default, 1, **owner).json()["limits"][0]["id"] for name, owner in owners.items()}
    seen = {"project": "p", "domain": "pd"}
    for kind, row in (("project", project), ("domain", domain)):
        answer = cloud.login(user["name"], "pw", {kind: {"id": row["id"]}}, domain=domain["id"])
        with cloud.client(answer.headers["x-subject-token"]) as mine:
            listed = {each["id"] for each in mine.get("/v3/limits").json()["limits"]}
            assert listed == {ids[name] for name in seen[kind]}
            for name, identifier in ids.items():
                assert mine.get(f"/v3/limits/{identifier}").status_code == (200 if name in seen[kind] else 403)
            assert mine.get("/v3/limits/nothing").status_code == 403
            assert mine.delete(f"/v3/limits/{ids['p']}").status_code == 403
            assert mine.get("/v3/registered_limits").status_code == 200
