"""Grants, what they imply, how they are listed, and how tokens follow them."""

from __future__ import annotations

from typing import Any

import httpx

from .conftest import Cloud
from .test_nouns import fresh, made, message


def role_id(admin: httpx.Client, name: str) -> str:
    return str(admin.get("/v3/roles", params={"name": name}).json()["roles"][0]["id"])


def roles_of(cloud: Cloud, user: dict[str, Any], scope: Any) -> list[str] | None:
    answer = cloud.login(user["name"], "pw", scope)
    if answer.status_code == 401:
        return None
    return [role["name"] for role in answer.json()["token"]["roles"]]


def test_grant_check_list_revoke(cloud: Cloud, admin: httpx.Client) -> None:
    user, group = made(admin, "user", name=fresh(), password="pw"), made(admin, "group", name=fresh())
    project, domain = made(admin, "project", name=fresh()), made(admin, "domain", name=fresh())
    member = role_id(admin, "member")
    for actor in (f"users/{user['id']}", f"groups/{group['id']}"):
        for target in (f"projects/{project['id']}", f"domains/{domain['id']}", "system"):
            path = f"/v3/{target}/{actor}/roles"
            absent = admin.head(f"{path}/{member}")
            assert absent.status_code == 404
            assert "Could not find role assignment with role" in message(admin.get(f"{path}/{member}"))
            assert admin.put(f"{path}/{member}").status_code == 204
            assert admin.put(f"{path}/{member}").status_code == 204
            assert admin.head(f"{path}/{member}").status_code == 204
            assert [role["name"] for role in admin.get(path).json()["roles"]] == ["member"]
            assert admin.delete(f"{path}/{member}").status_code == 204
            assert admin.delete(f"{path}/{member}").status_code == 404
    nobody = admin.put(f"/v3/projects/{project['id']}/users/nobody/roles/{member}")
    assert (nobody.status_code, message(nobody)) == (404, "Could not find user: nobody.")
    nothing = admin.put(f"/v3/projects/{project['id']}/users/{user['id']}/roles/none")
    assert message(nothing) == "Could not find role: none."


def test_tokens_follow_grants_groups_and_inheritance(cloud: Cloud, admin: httpx.Client) -> None:
    user = made(admin, "user", name=fresh(), password="pw")
    group = made(admin, "group", name=fresh())
    project = made(admin, "project", name=fresh())
    child = made(admin, "project", name=fresh(), parent_id=project["id"])
    here, below = {"project": {"id": project["id"]}}, {"project": {"id": child["id"]}}
    assert roles_of(cloud, user, here) is None
    admin.put(f"/v3/groups/{group['id']}/users/{user['id']}")
    admin.put(f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{role_id(admin, 'member')}")
    assert roles_of(cloud, user, here) == ["member", "reader"] and roles_of(cloud, user, below) is None
    path = f"/v3/OS-INHERIT/projects/{project['id']}/users/{user['id']}/roles/{role_id(admin, 'reader')}"
    assert admin.put(f"{path}/inherited_to_projects").status_code == 204
    assert roles_of(cloud, user, below) == ["reader"]
    with cloud.client(cloud.token(user["name"], "pw", None)) as mine:
        reachable = {each["id"] for each in mine.get("/v3/auth/projects").json()["projects"]}
        assert reachable == {project["id"], child["id"]}
        assert mine.get("/v3/auth/domains").json()["domains"] == []
        assert mine.get("/v3/auth/system").json()["system"] == []
        assert mine.get("/v3/auth/catalog").status_code == 403
    admin.delete(f"/v3/groups/{group['id']}/users/{user['id']}")
    assert roles_of(cloud, user, here) is None


def test_the_list_of_assignments(admin: httpx.Client) -> None:
    user, group = made(admin, "user", name=fresh()), made(admin, "group", name=fresh())
    project = made(admin, "project", name=fresh())
    admin.put(f"/v3/groups/{group['id']}/users/{user['id']}")
    grant = f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{role_id(admin, 'member')}"
    admin.put(grant)

    def listed(query: str) -> list[dict[str, Any]]:
        answer = admin.get(f"/v3/role_assignments?{query}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["role_assignments"])

    assert listed(f"user.id={user['id']}") == []
    (entry,) = listed(f"scope.project.id={project['id']}")
    assert entry["group"] == {"id": group["id"]} and entry["scope"] == {"project": {"id": project["id"]}}
    assert entry["links"]["assignment"].endswith(grant)
    effective = listed(f"user.id={user['id']}&effective&include_names")
    assert {each["role"]["name"] for each in effective} == {"member", "reader"}
    assert effective[0]["user"] == {
        "id": user["id"],
        "name": user["name"],
        "domain": {"id": "default", "name": "Default"},
    }
    assert effective[0]["scope"]["project"]["domain"]["name"] == "Default"
    assert all("/groups/" in each["links"]["membership"] for each in effective)
    only = listed(f"scope.project.id={project['id']}&effective&role.id={role_id(admin, 'reader')}")
    assert len(only) == 1 and "prior_role" in only[0]["links"]
    for bad in ("user.id=a&group.id=b", "scope.project.id=a&scope.domain.id=b", "group.id=a&effective"):
        assert admin.get(f"/v3/role_assignments?{bad}").status_code == 400


def test_implied_roles(cloud: Cloud, admin: httpx.Client) -> None:
    prior, implied = made(admin, "role", name=fresh()), made(admin, "role", name=fresh())
    path = f"/v3/roles/{prior['id']}/implies/{implied['id']}"
    assert admin.get(path).status_code == 404
    assert admin.put(path).status_code == 201
    assert admin.head(path).status_code == 204
    told = admin.get(f"/v3/roles/{prior['id']}/implies").json()["role_inference"]
    assert [role["id"] for role in told["implies"]] == [implied["id"]]
    assert admin.put(f"/v3/roles/{implied['id']}/implies/{prior['id']}").status_code == 403, "a circle"
    assert admin.put(f"/v3/roles/{prior['id']}/implies/{role_id(admin, 'admin')}").status_code == 403
    rules = admin.get("/v3/role_inferences").json()["role_inferences"]
    assert prior["id"] in {rule["prior_role"]["id"] for rule in rules}
    assert admin.delete(path).status_code == 204 and admin.delete(path).status_code == 404


def test_a_role_of_a_domain_stays_in_it(cloud: Cloud, admin: httpx.Client) -> None:
    domain, project = made(admin, "domain", name=fresh()), made(admin, "project", name=fresh())
    own = made(admin, "role", name="member", domain_id=domain["id"])
    user = made(admin, "user", name=fresh(), password="pw")
    assert admin.put(f"/v3/projects/{project['id']}/users/{user['id']}/roles/{own['id']}").status_code == 403
    inside = made(admin, "project", name=fresh(), domain_id=domain["id"])
    assert admin.put(f"/v3/projects/{inside['id']}/users/{user['id']}/roles/{own['id']}").status_code == 204
    assert roles_of(cloud, user, {"project": {"id": inside["id"]}}) is None, "it shows only what it implies"
    assert own["id"] not in {role["id"] for role in admin.get("/v3/roles").json()["roles"]}
    found = admin.get("/v3/roles", params={"domain_id": domain["id"]}).json()["roles"]
    assert [role["id"] for role in found] == [own["id"]]


def test_roles_of_a_domain_are_no_effective_ones(admin: httpx.Client) -> None:
    """They count for what they imply alone, as in tokens."""
    domain = made(admin, "domain", name=fresh())["id"]
    user, project, role = (
        made(admin, noun, name=fresh(), domain_id=domain)["id"] for noun in ("user", "project", "role")
    )
    assert admin.put(f"/v3/projects/{project}/users/{user}/roles/{role}").status_code == 204
    asked = {"user.id": user, "scope.project.id": project}

    def listed(**more: str) -> list[str]:
        found = admin.get("/v3/role_assignments", params=asked | more).json()["role_assignments"]
        return [each["role"]["id"] for each in found]

    assert listed() == [role] and listed(effective="") == []
    admin.put(f"/v3/roles/{role}/implies/{role_id(admin, 'reader')}")
    assert listed() == [role] and listed(effective="") == [role_id(admin, "reader")]
