"""Tokens: issue, show, check, revoke, rescope."""

from __future__ import annotations

import httpx

from .conftest import PASSWORD, Cloud, on_project, password_auth

REFUSED = "The request you have made requires authentication."


def test_discovery(cloud: Cloud) -> None:
    answer = cloud.http.get("/")
    assert answer.status_code == 300
    assert answer.json()["versions"]["values"][0]["id"] == "v3.14"
    for path in ("/v3", "/v3/"):
        version = cloud.http.get(path).json()["version"]
        assert version["status"] == "stable"
        assert version["links"] == [{"rel": "self", "href": f"{cloud.url}/v3/"}]


def test_a_project_token_has_roles_and_catalog(cloud: Cloud) -> None:
    answer = cloud.login(scope=on_project("admin"))
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert token["methods"] == ["password"]
    assert token["project"]["name"] == "admin" and token["project"]["domain"] == {"id": "default", "name": "Default"}
    assert [role["name"] for role in token["roles"]] == ["admin", "manager", "member", "reader"]
    assert {service["type"] for service in token["catalog"]} == {"identity", "image", "compute", "placement", "network"}
    compute = next(service for service in token["catalog"] if service["type"] == "compute")
    assert {each["interface"] for each in compute["endpoints"]} == {"public", "internal", "admin"}
    assert token["expires_at"].endswith(".000000Z") and len(token["audit_ids"]) == 1
    assert token["is_domain"] is False and token["user"]["password_expires_at"] is None


def test_show_and_check_tell_what_issue_told(cloud: Cloud, admin: httpx.Client) -> None:
    issued = cloud.login("demo", scope=on_project("demo"))
    subject = {"X-Subject-Token": issued.headers["x-subject-token"]}
    shown = admin.get("/v3/auth/tokens", headers=subject)
    assert shown.status_code == 200 and shown.json() == issued.json()
    assert shown.headers["x-subject-token"] == subject["X-Subject-Token"]
    head = admin.head("/v3/auth/tokens", headers=subject)
    assert head.status_code == 200 and head.content == b""
    bare = admin.get("/v3/auth/tokens?nocatalog", headers=subject).json()["token"]
    assert "catalog" not in bare and bare["roles"]


def test_revoke(cloud: Cloud, admin: httpx.Client) -> None:
    token = cloud.token("demo", project="demo")
    with cloud.client(token) as mine:
        assert mine.get("/v3/auth/projects").status_code in (200, 404)
        assert mine.delete("/v3/auth/tokens", headers={"X-Subject-Token": token}).status_code == 204
        assert mine.get("/v3/auth/tokens", headers={"X-Subject-Token": token}).status_code == 401
    gone = admin.get("/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert gone.status_code == 404 and gone.json()["error"]["title"] == "Not Found"


def test_a_wrong_password_and_an_unknown_user_read_the_same(cloud: Cloud) -> None:
    answers = [cloud.login("admin", "wrong"), cloud.login("nobody", "wrong"), cloud.login(domain="nowhere")]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.json() == {"error": {"code": 401, "message": REFUSED, "title": "Unauthorized"}}


def test_scopes(cloud: Cloud) -> None:
    unscoped = cloud.login().json()["token"]
    assert not {"project", "roles", "catalog", "domain", "system"} & set(unscoped)
    system = cloud.login(scope={"system": {"all": True}}).json()["token"]
    assert system["system"] == {"all": True} and system["roles"][0]["name"] == "admin" and system["catalog"]
    assert cloud.login(scope={"domain": {"id": "default"}}).status_code == 401
    assert cloud.login("demo", scope=on_project("admin")).status_code == 401
    both = cloud.login(scope={"domain": {"id": "default"}, **on_project("admin")})
    assert both.status_code == 400


def test_rescoping_keeps_the_chain_and_the_end(cloud: Cloud) -> None:
    first = cloud.login()
    parent = first.json()["token"]
    identity = {"methods": ["token"], "token": {"id": first.headers["x-subject-token"]}}
    again = cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": on_project("admin")}})
    child = again.json()["token"]
    assert child["methods"] == ["password", "token"]
    assert child["expires_at"] == parent["expires_at"]
    assert child["audit_ids"][1] == parent["audit_ids"][0] and child["audit_ids"][0] != parent["audit_ids"][0]


def test_malformed_logins(cloud: Cloud) -> None:
    def post(body: object) -> httpx.Response:
        return cloud.http.post("/v3/auth/tokens", json=body)

    assert post({}).status_code == 400
    missing = post({"auth": {}})
    assert missing.status_code == 400 and "'identity' is a required property" in missing.json()["error"]["message"]
    odd = password_auth("admin", PASSWORD)
    odd["auth"]["identity"]["methods"] = ["magic"]
    assert post(odd).status_code == 401
    assert cloud.http.post("/v3/auth/tokens", content=b"{").status_code == 400
