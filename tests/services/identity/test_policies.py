"""Policies kept for other services, and which endpoints they are for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from keystoneclient.v3.client import Client

from .conftest import Cloud
from .test_nouns import fresh, message

POLICIES = "/v3/policies"


def post(client: httpx.Client, noun: str, path: str | None = None, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"/v3/{path or noun + 's'}", json={noun: fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()[noun])


def policy(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    return post(client, "policy", "policies", **{"type": "application/json", "blob": "{}", **fields})


@pytest.fixture
def places(admin: httpx.Client) -> dict[str, str]:
    """A service with an endpoint in a region below another."""
    above = post(admin, "region", id=fresh())["id"]
    below = post(admin, "region", id=fresh(), parent_region_id=above)["id"]
    service = post(admin, "service", type="thing")["id"]
    where = {"interface": "public", "url": "http://a", "service_id": service}
    endpoint = post(admin, "endpoint", region_id=below, **where)["id"]
    other = post(admin, "endpoint", **where)["id"]
    return {"above": above, "below": below, "service": service, "endpoint": endpoint, "other": other}


def test_life_of_a_policy(admin: httpx.Client) -> None:
    kind = fresh()
    row = policy(admin, type=kind, blob='{"a": "role:b"}', colour="red")
    path = f"{POLICIES}/{row['id']}"
    assert (row["type"], row["blob"], row["colour"]) == (kind, '{"a": "role:b"}', "red")
    assert row["links"]["self"].endswith(path) and admin.get(path).json()["policy"] == row
    assert [each["id"] for each in admin.get(POLICIES, params={"type": kind}).json()["policies"]] == [row["id"]]
    changed = admin.patch(path, json={"policy": {"blob": "new", "shape": "round"}}).json()["policy"]
    assert (changed["blob"], changed["type"], changed["colour"], changed["shape"]) == ("new", kind, "red", "round")
    for refused in ({}, {"id": "other"}, {"blob": 5}, {"type": "t" * 256}):
        assert admin.patch(path, json={"policy": refused}).status_code == 400
    for refused in ({}, {"type": "t"}, {"blob": "b"}, {"type": "t", "blob": {}}):  # type: ignore[assignment]
        assert admin.post(POLICIES, json={"policy": refused}).status_code == 400
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    assert (gone.status_code, message(gone)) == (404, f"Could not find policy: {row['id']}.")
    assert admin.patch(path, json={"policy": {"blob": "b"}}).status_code == 404


def test_with_keystoneclient(cloud: Cloud, admin: httpx.Client, places: dict[str, str]) -> None:
    client = Client(session=Session(auth=Token(f"{cloud.url}/v3", cloud.token())))
    row = client.policies.create("{}", type="application/json")
    client.endpoint_policy.create_policy_association_for_endpoint(row.id, places["endpoint"])
    assert client.endpoint_policy.get_policy_for_endpoint(places["endpoint"]).id == row.id
    assert [each.id for each in client.endpoint_policy.list_endpoints_for_policy(row.id)] == [places["endpoint"]]


def paths(places: dict[str, str], policy_id: str) -> dict[str, str]:
    start = f"{POLICIES}/{policy_id}/OS-ENDPOINT-POLICY"
    service = f"{start}/services/{places['service']}"
    return {
        "service": service,
        "above": f"{service}/regions/{places['above']}",
        "below": f"{service}/regions/{places['below']}",
        "endpoint": f"{start}/endpoints/{places['endpoint']}",
    }


@pytest.mark.parametrize("kind", ["service", "above", "below", "endpoint"])
def test_life_of_an_association(kind: str, admin: httpx.Client, places: dict[str, str]) -> None:
    row = policy(admin)
    path = paths(places, row["id"])[kind]
    absent = admin.get(path)
    assert (absent.status_code, message(absent)) == (404, "Could not find policy association.")
    assert [admin.put(path).status_code for _ in range(2)] == [204, 204]
    assert admin.get(path).status_code == 204 and admin.head(path).status_code == 204
    listed = admin.get(f"{POLICIES}/{row['id']}/OS-ENDPOINT-POLICY/endpoints").json()["endpoints"]
    both = {places["endpoint"], places["other"]}
    assert {each["id"] for each in listed} == (both if kind == "service" else {places["endpoint"]})
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404 and admin.delete(path).status_code == 204


def test_the_closest_policy_is_for_an_endpoint(admin: httpx.Client, places: dict[str, str]) -> None:
    asked = f"/v3/endpoints/{places['endpoint']}/OS-ENDPOINT-POLICY/policy"
    nothing = admin.get(asked)
    assert (nothing.status_code, message(nothing)) == (
        404,
        f"No policy is associated with endpoint {places['endpoint']}.",
    )
    made = []
    for kind in ("service", "above", "below", "endpoint"):
        made.append(policy(admin)["id"])
        assert admin.put(paths(places, made[-1])[kind]).status_code == 204
        assert admin.get(asked).json()["policy"]["id"] == made[-1], kind
    elsewhere = admin.get(f"/v3/endpoints/{places['other']}/OS-ENDPOINT-POLICY/policy").json()["policy"]
    assert elsewhere["id"] == made[0]
    other = policy(admin)["id"]
    admin.put(paths(places, other)["endpoint"])  # one policy for each target: the newer one
    assert admin.get(asked).json()["policy"]["id"] == other
    assert admin.get(paths(places, made[-1])["endpoint"]).status_code == 404
    admin.delete(f"{POLICIES}/{other}")
    assert admin.get(asked).json()["policy"]["id"] == made[2]


def test_associations_go_with_what_they_name(admin: httpx.Client, places: dict[str, str]) -> None:
    row = policy(admin)["id"]
    for path in paths(places, row).values():
        admin.put(path)
    every = f"{POLICIES}/{row}/OS-ENDPOINT-POLICY/endpoints"
    assert len(admin.get(every).json()["endpoints"]) == 2
    assert admin.delete(f"/v3/endpoints/{places['endpoint']}").status_code == 204
    assert [each["id"] for each in admin.get(every).json()["endpoints"]] == [places["other"]]
    assert admin.delete(f"/v3/regions/{places['above']}").status_code == 204
    assert admin.delete(f"/v3/services/{places['service']}").status_code == 204
    assert admin.get(every).json()["endpoints"] == []


def test_what_is_not_there(admin: httpx.Client, places: dict[str, str]) -> None:
    row = policy(admin)["id"]
    for wrong, noun in (
        (paths(places, "0" * 32)["service"], "policy"),
        (f"{POLICIES}/{row}/OS-ENDPOINT-POLICY/endpoints/{'0' * 32}", "endpoint"),
        (f"{POLICIES}/{row}/OS-ENDPOINT-POLICY/services/{'0' * 32}", "service"),
        (f"{paths(places, row)['service']}/regions/{'0' * 32}", "region"),
    ):
        for method in ("PUT", "GET", "DELETE"):
            answer = admin.request(method, wrong)
            assert (answer.status_code, message(answer)) == (404, f"Could not find {noun}: {'0' * 32}.")
    assert admin.get(f"/v3/endpoints/{'0' * 32}/OS-ENDPOINT-POLICY/policy").status_code == 404
