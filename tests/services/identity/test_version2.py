"""The v2.0 API, as clients of its time use it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v2

from tests.services.identity.conftest import PASSWORD, Cloud
from tests.services.identity.test_nouns import fresh, made


def login(cloud: Cloud, **auth: Any) -> httpx.Response:
    return cloud.http.post("/v2.0/tokens", json={"auth": auth})


def test_keystoneauth_logs_in(cloud: Cloud) -> None:
    auth = v2.Password(f"{cloud.url}/v2.0", username="demo", password=PASSWORD, tenant_name="demo")
    found = session.Session(auth)
    access = auth.get_access(found)
    assert (access.username, access.project_name) == ("demo", "demo")
    assert "member" in (access.role_names or [])
    assert access.service_catalog.url_for(service_type="image", interface="public") == "http://127.0.0.1:9292"
    own = cloud.http.get("/v3/auth/projects", headers={"X-Auth-Token": access.auth_token or ""})
    assert own.status_code == 200, "it is a token like any other"


def test_tenants_are_those_of_the_token(cloud: Cloud) -> None:
    unscoped = login(cloud, passwordCredentials={"username": "demo", "password": PASSWORD})
    assert unscoped.status_code == 200
    token = unscoped.json()["access"]["token"]["id"]
    tenants = cloud.http.get("/v2.0/tenants", headers={"X-Auth-Token": token}).json()["tenants"]
    assert [tenant["name"] for tenant in tenants] == ["demo"]
    scoped = login(cloud, token={"id": token}, tenantId=tenants[0]["id"]).json()["access"]
    assert scoped["token"]["tenant"]["name"] == "demo" and scoped["serviceCatalog"]
    assert cloud.http.get("/v2.0/tenants").status_code == 401


def test_discovery_names_it_as_deprecated(cloud: Cloud) -> None:
    listed = {each["id"]: each["status"] for each in cloud.http.get("/").json()["versions"]["values"]}
    assert listed == {"v3.14": "stable", "v2.0": "deprecated"}
    assert cloud.http.get("/v2.0/").json()["version"]["id"] == "v2.0"


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        ({}, 400),
        ({"passwordCredentials": {"username": "demo"}}, 400),
        ({"passwordCredentials": {"username": "demo", "password": "wrong"}}, 401),
        ({"passwordCredentials": {"username": "nobody", "password": "wrong"}}, 401),
        ({"passwordCredentials": {"username": "demo", "password": PASSWORD}, "tenantName": "admin"}, 401),
        ({"token": {"id": "forged"}}, 401),
    ],
)
def test_what_is_wrong_is_refused(cloud: Cloud, auth: dict[str, Any], status: int) -> None:
    answer = login(cloud, **auth)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == status


def test_users_of_other_domains_and_of_two_factors_have_no_way_in(cloud: Cloud, admin: httpx.Client) -> None:
    domain = made(admin, "domain", name=fresh())["id"]
    stranger = made(admin, "user", name=fresh(), password="pw", domain_id=domain)["id"]
    assert login(cloud, passwordCredentials={"userId": stranger, "password": "pw"}).status_code == 401
    options = {"multi_factor_auth_rules": [["password", "totp"]]}
    careful = made(admin, "user", name=fresh(), password="pw", options=options)["id"]
    answer = login(cloud, passwordCredentials={"userId": careful, "password": "pw"})
    assert answer.status_code == 401 and "openstack-auth-receipt" not in answer.headers
