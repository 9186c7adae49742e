"""Create, show, list, update and delete of every noun, with Keystone's errors."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from .conftest import Cloud, on_project


def fresh(prefix: str = "x") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


def made(client: httpx.Client, noun: str, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"/v3/{noun}s", json={noun: fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()[noun])


NOUNS: dict[str, dict[str, Any]] = {
    "user": {},
    "project": {},
    "domain": {"enabled": False},
    "group": {},
    "role": {},
    "service": {"type": "thing"},
}


@pytest.mark.parametrize("noun", NOUNS)
def test_life_of(noun: str, admin: httpx.Client) -> None:
    name = fresh()
    row = made(admin, noun, name=name, flavour="plum", **NOUNS[noun])
    path = f"/v3/{noun}s/{row['id']}"
    assert len(row["id"]) == 32 and row["links"]["self"].endswith(path) and row["flavour"] == "plum"
    assert admin.get(path).json()[noun] == row
    assert admin.head(path).status_code == 200
    changed = admin.patch(path, json={noun: {"name": name + "2", "colour": "red"}}).json()[noun]
    assert changed["name"] == name + "2" and changed["colour"] == "red" and changed["flavour"] == "plum"
    listed = admin.get(f"/v3/{noun}s", params={"name": name + "2"}).json()
    assert [each["id"] for each in listed[f"{noun}s"]] == [row["id"]]
    assert set(listed["links"]) == {"self", "next", "previous"}
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    assert gone.status_code == 404 and message(gone) == f"Could not find {noun}: {row['id']}."
    assert admin.patch(path, json={noun: {}}).status_code == 404 and admin.delete(path).status_code == 404


def test_names_are_taken_once(admin: httpx.Client) -> None:
    name = fresh()
    words = {
        "user": f"Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain ID "
        "default.",
        "group": f"Conflict occurred attempting to store group - Duplicate entry found with name {name} at domain ID "
        "default.",
        "role": f"Conflict occurred attempting to store role - Duplicate entry found with name {name}.",
        "project": "Conflict occurred attempting to store project - it is not permitted to have two projects with the "
        f"same name in the same domain : {name}.",
        "domain": "Conflict occurred attempting to store project - it is not permitted to have two projects acting as "
        f"domains with the same name: {name}.",
    }
    for noun, text in words.items():
        made(admin, noun, name=name)
        again = admin.post(f"/v3/{noun}s", json={noun: {"name": name}})
        assert (again.status_code, message(again)) == (409, text)
        other = made(admin, noun, name=fresh())
        renamed = admin.patch(f"/v3/{noun}s/{other['id']}", json={noun: {"name": name}})
        assert renamed.status_code == 409


def test_what_does_not_fit_the_schema(admin: httpx.Client) -> None:
    def refused(noun: str, **fields: Any) -> str:
        answer = admin.post(f"/v3/{noun}s", json={noun: fields})
        assert answer.status_code == 400, answer.text
        return message(answer)

    long = "n" * 256
    assert refused("user", name=long) == f"Invalid input for field 'name': '{long}' is too long"
    assert refused("user") == "'name' is a required property"
    assert refused("user", name="  ").startswith("Invalid input for field 'name': '  ' does not match")
    assert refused("user", name="a", enabled="yes") == (
        "Invalid input for field 'enabled': 'yes' is not of type 'boolean'"
    )
    assert "hunter2" not in refused("user", name="a", password=["hunter2"])
    assert refused("project", name="p" * 65).endswith("is too long")
    assert "options" in refused("user", name="a", options={"nonsense": True})
    assert refused("endpoint", interface="sideways", service_id="x", url="http://a")
    assert refused("endpoint", interface="public", service_id="x", url="nonsense")


def test_a_domain_goes_only_when_disabled_and_takes_what_is_in_it(cloud: Cloud, admin: httpx.Client) -> None:
    domain = made(admin, "domain", name=fresh())
    user = made(admin, "user", name=fresh(), domain_id=domain["id"], password="pw")
    project = made(admin, "project", name=fresh(), domain_id=domain["id"])
    refusal = admin.delete(f"/v3/domains/{domain['id']}")
    assert refusal.status_code == 403
    assert message(refusal) == "Cannot delete a domain that is enabled, please disable it first."
    admin.patch(f"/v3/domains/{domain['id']}", json={"domain": {"enabled": False}})
    assert cloud.login(user["name"], "pw", domain=domain["id"]).status_code == 401
    assert admin.delete(f"/v3/domains/{domain['id']}").status_code == 204
    assert admin.get(f"/v3/users/{user['id']}").status_code == 404
    assert admin.get(f"/v3/projects/{project['id']}").status_code == 404


def test_the_tree_of_projects(admin: httpx.Client) -> None:
    parent = made(admin, "project", name=fresh(), description=None, tags=["b", "a"])
    assert parent["parent_id"] == "default" and parent["description"] == "" and parent["tags"] == ["a", "b"]
    child = made(admin, "project", name=fresh(), parent_id=parent["id"])
    assert child["domain_id"] == "default"
    path = f"/v3/projects/{parent['id']}"
    assert "not a leaf" in message(admin.delete(path))
    assert "enabled projects" in message(admin.patch(path, json={"project": {"enabled": False}}))
    moved = admin.patch(path, json={"project": {"parent_id": child["id"]}})
    assert (moved.status_code, message(moved)) == (403, "Update of `parent_id` is not allowed.")
    for query, expected in {"tags=a,b": True, "tags=a,c": False, "tags-any=a,c": True, "not-tags=a": False}.items():
        ids = [row["id"] for row in admin.get(f"/v3/projects?{query}").json()["projects"]]
        assert (parent["id"] in ids) is expected, query
    for wrong in ({"domain_id": "nowhere"}, {"parent_id": "nothing"}):
        assert admin.post("/v3/projects", json={"project": {"name": "z", **wrong}}).status_code == 400


def test_pages(admin: httpx.Client) -> None:
    names = {made(admin, "user", name=fresh("page"))["name"] for _ in range(5)}
    seen: list[str] = []
    path = "/v3/users?name__startswith=page&limit=2"
    while path:
        answer = admin.get(path).json()
        seen += [user["name"] for user in answer["users"]]
        path = answer["links"]["next"]
    assert sorted(seen) == sorted(names)
    assert admin.get("/v3/users?limit=x").status_code == 400
    assert admin.get("/v3/users?marker=nobody").status_code == 400


def test_groups_and_their_users(admin: httpx.Client) -> None:
    group, user = made(admin, "group", name=fresh()), made(admin, "user", name=fresh())
    path = f"/v3/groups/{group['id']}/users/{user['id']}"
    assert admin.head(path).status_code == 404
    assert admin.put(path).status_code == 204 and admin.put(path).status_code == 204
    assert admin.head(path).status_code == 204
    assert [u["id"] for u in admin.get(f"/v3/groups/{group['id']}/users").json()["users"]] == [user["id"]]
    assert [g["id"] for g in admin.get(f"/v3/users/{user['id']}/groups").json()["groups"]] == [group["id"]]
    assert admin.delete(path).status_code == 204 and admin.delete(path).status_code == 404
    assert message(admin.put(f"/v3/groups/{group['id']}/users/nobody")) == "Could not find user: nobody."


def test_services_endpoints_and_regions(cloud: Cloud, admin: httpx.Client) -> None:
    region = made(admin, "region", id=fresh("region"))
    again = admin.post("/v3/regions", json={"region": {"id": region["id"]}})
    assert message(again) == f"Conflict occurred attempting to store region - Duplicate ID, {region['id']}."
    service = made(admin, "service", type="odd", name=fresh())
    fields = {"interface": "public", "service_id": service["id"], "region_id": region["id"]}
    endpoint = made(admin, "endpoint", url="http://a/$(project_id)s", **fields)
    assert endpoint["region"] == region["id"]
    catalog = cloud.login(scope=on_project("admin")).json()["token"]
    odd = next(each for each in catalog["catalog"] if each["type"] == "odd")
    assert odd["endpoints"][0]["url"] == f"http://a/{catalog['project']['id']}"
    system = cloud.login(scope={"system": {"all": True}}).json()["token"]["catalog"]
    assert next(each for each in system if each["type"] == "odd")["endpoints"] == []
    with cloud.client(cloud.token()) as mine:
        assert any(each["type"] == "odd" for each in mine.get("/v3/auth/catalog").json()["catalog"])
    bad = admin.post("/v3/endpoints", json={"endpoint": {"url": "http://a/$(home)s", **fields}})
    assert message(bad) == "Cannot create an endpoint with an invalid URL: http://a/$(home)s."
    held = admin.delete(f"/v3/regions/{region['id']}")
    assert held.status_code == 403 and "associated endpoints" in message(held)
    assert admin.delete(f"/v3/services/{service['id']}").status_code == 204
    assert admin.get(f"/v3/endpoints/{endpoint['id']}").status_code == 404
    child = made(admin, "region", parent_region_id=region["id"])
    circle = admin.patch(f"/v3/regions/{region['id']}", json={"region": {"parent_region_id": child["id"]}})
    assert circle.status_code == 400
    assert admin.delete(f"/v3/regions/{region['id']}").status_code == 204
    assert admin.get(f"/v3/regions/{child['id']}").status_code == 404


def test_own_password(cloud: Cloud, admin: httpx.Client) -> None:
    user = made(admin, "user", name=fresh(), password="first")
    path = f"/v3/users/{user['id']}/password"
    wrong = cloud.http.post(path, json={"user": {"password": "second", "original_password": "guess"}})
    assert wrong.status_code == 401
    right = cloud.http.post(path, json={"user": {"password": "second", "original_password": "first"}})
    assert right.status_code == 204
    assert cloud.login(user["name"], "first").status_code == 401
    assert cloud.login(user["name"], "second").status_code == 201


def test_unknown_routes_and_methods(admin: httpx.Client) -> None:
    assert admin.get("/v3/nonsense").status_code == 404
    assert admin.put("/v3/users").status_code == 405


@pytest.mark.parametrize("noun", ["role", "project", "domain"])
def test_what_is_immutable(noun: str, admin: httpx.Client) -> None:
    row = made(
        admin, noun, name=fresh(), options={"immutable": True}, **({"enabled": False} if noun == "domain" else {})
    )
    path = f"/v3/{noun}s/{row['id']}"
    words = f'immutable {noun} resource: `{row["id"]}. Set resource option "immutable" to false first.'
    renamed = admin.patch(path, json={noun: {"name": fresh()}})
    assert (renamed.status_code, message(renamed)) == (403, f"Unable to update {words}")
    deleted = admin.delete(path)
    assert (deleted.status_code, message(deleted)) == (403, f"Unable to delete {words}")
    assert admin.patch(path, json={noun: {"options": {"immutable": None}}}).json()[noun]["options"] == {}
    assert admin.delete(path).status_code == 204


def test_the_default_domain_stays(admin: httpx.Client) -> None:
    assert admin.delete("/v3/domains/default").status_code == 403


def test_projects_above_and_below(admin: httpx.Client) -> None:
    top = made(admin, "project", name=fresh())
    middle = made(admin, "project", name=fresh(), parent_id=top["id"])
    leaf = made(admin, "project", name=fresh(), parent_id=middle["id"])

    def shown(project: dict[str, Any], query: str) -> Any:
        return admin.get(f"/v3/projects/{project['id']}?{query}").json()["project"]

    assert shown(leaf, "parents_as_ids")["parents"] == {middle["id"]: {top["id"]: {"default": None}}}
    assert shown(top, "subtree_as_ids")["subtree"] == {middle["id"]: {leaf["id"]: None}}
    assert shown(leaf, "subtree_as_ids")["subtree"] is None
    assert shown(leaf, "parents_as_list")["parents"] == [], "no role on them"
    me = admin.get("/v3/users", params={"name": "admin"}).json()["users"][0]["id"]
    role = admin.get("/v3/roles", params={"name": "reader"}).json()["roles"][0]["id"]
    admin.put(f"/v3/projects/{middle['id']}/users/{me}/roles/{role}")
    (parent,) = shown(leaf, "parents_as_list")["parents"]
    assert parent["project"]["name"] == middle["name"]
    (child,) = shown(top, "subtree_as_list")["subtree"]
    assert child["project"]["id"] == middle["id"]
    both = admin.get(f"/v3/projects/{leaf['id']}?parents_as_ids&parents_as_list")
    assert both.status_code == 400


def test_of_many_who_want_one_name_one_gets_it(cloud: Cloud, admin: httpx.Client) -> None:
    name = fresh()
    with ThreadPoolExecutor(8) as pool:
        wanted = [pool.submit(admin.post, "/v3/projects", json={"project": {"name": name}}) for _ in range(16)]
        answers = sorted(each.result().status_code for each in wanted)
    assert answers == [201] + [409] * 15
    assert len(admin.get("/v3/projects", params={"name": name}).json()["projects"]) == 1


def test_others_are_served_while_many_log_in(cloud: Cloud, admin: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        logins = [pool.submit(cloud.login, "admin", "guess") for _ in range(24)]
        time.sleep(0.1)
        begun = time.perf_counter()
        assert admin.get("/v3/projects").status_code == 200
        taken = time.perf_counter() - begun
        busy = sum(not each.done() for each in logins)
        assert {each.result().status_code for each in logins} == {401}
    assert taken < 0.5 and busy > 2, (taken, busy)


def test_a_locked_password_stays(cloud: Cloud, admin: httpx.Client) -> None:
    user = made(admin, "user", name=fresh(), password="first", options={"lock_password": True})
    body = {"user": {"password": "second", "original_password": "first"}}
    refused = cloud.http.post(f"/v3/users/{user['id']}/password", json=body)
    assert refused.status_code == 400 and "disallowing password changes" in message(refused)
    assert admin.patch(f"/v3/users/{user['id']}", json={"user": {"password": "third"}}).status_code == 200
    assert cloud.login(user["name"], "third").status_code == 201


def test_a_default_project_is_the_default_scope(cloud: Cloud, admin: httpx.Client) -> None:
    project = made(admin, "project", name=fresh())
    user = made(admin, "user", name=fresh(), password="pw", default_project_id=project["id"])
    assert "project" not in cloud.login(user["name"], "pw").json()["token"]
    role = admin.get("/v3/roles", params={"name": "reader"}).json()["roles"][0]["id"]
    admin.put(f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role}")
    assert cloud.login(user["name"], "pw").json()["token"]["project"]["id"] == project["id"]
    assert "project" not in cloud.login(user["name"], "pw", "unscoped").json()["token"]
    admin.delete(f"/v3/projects/{project['id']}")
    assert "default_project_id" not in admin.get(f"/v3/users/{user['id']}").json()["user"]
