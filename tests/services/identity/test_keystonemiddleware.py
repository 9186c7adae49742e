"""The middleware that other services put in front of themselves, as it is on the package index, with our tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
from keystonemiddleware import auth_token
from msgspec.structs import replace
from webob import Request, Response

from cumulet.services.identity.model import payloads
from tests.services.identity.conftest import PASSWORD, Cloud, on_project
from tests.services.identity.test_nouns import fresh, made
from tests.services.identity.test_security import role_id


def _application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Tells what the middleware found out about who calls."""
    names = ("HTTP_X_USER_ID", "HTTP_X_PROJECT_ID", "HTTP_X_ROLES", "HTTP_X_IDENTITY_STATUS", "HTTP_X_SERVICE_ROLES")
    found = {name: environ.get(name) for name in names}
    return Response(json.dumps(found).encode(), content_type="application/json")(environ, start_response)


@pytest.fixture
def guarded(cloud: Cloud) -> Callable[..., Response]:
    """A small service behind the middleware, which logs in as one of the service project."""
    configuration = {
        "www_authenticate_uri": cloud.url,
        "auth_type": "password",
        "auth_url": f"{cloud.url}/v3",
        "username": "neutron",
        "password": PASSWORD,
        "project_name": "service",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": "RegionOne",
        "interface": "public",
        "service_type": "image",
        "service_token_roles_required": True,
    }
    middleware = auth_token.AuthProtocol(_application, configuration)

    def ask(token: str = "", path: str = "/v2/images", **headers: str) -> Response:
        request = Request.blank(path)
        if token:
            request.headers["X-Auth-Token"] = token
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        return request.get_response(middleware)

    return ask


def test_a_token_is_accepted_with_what_it_stands_for(cloud: Cloud, guarded: Callable[..., Response]) -> None:
    token = cloud.token("demo", project="demo")
    described = cloud.http.get("/v3/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token}).json()[
        "token"
    ]
    answer = guarded(token)
    assert answer.status_int == 200
    assert answer.json["HTTP_X_USER_ID"] == described["user"]["id"]
    assert answer.json["HTTP_X_PROJECT_ID"] == described["project"]["id"]
    assert set(answer.json["HTTP_X_ROLES"].split(",")) == {role["name"] for role in described["roles"]}
    assert answer.json["HTTP_X_IDENTITY_STATUS"] == "Confirmed"


def test_what_is_no_token_is_refused(cloud: Cloud, guarded: Callable[..., Response]) -> None:
    good = cloud.token("demo", project="demo")
    for token in ("", "forged", good[:-10], good[:-1] + ("A" if good[-1] != "A" else "B"), "x" * 5000):
        answer = guarded(token)
        assert answer.status_int == 401, token
        assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{cloud.url}"'
    assert guarded("", X_Identity_Status="Confirmed", X_Roles="admin", X_User_Id="f" * 32).status_int == 401


def test_a_revoked_and_an_expired_token_are_refused(cloud: Cloud, guarded: Callable[..., Response]) -> None:
    revoked, late = (cloud.token("demo", project="demo") for _ in range(2))
    cloud.http.delete("/v3/auth/tokens", headers={"X-Auth-Token": revoked, "X-Subject-Token": revoked})
    assert guarded(revoked).status_int == 401
    box = cloud.context.tokens.keys.box()
    payload = payloads.unseal(box, late)
    expired = payloads.seal(box, replace(payload, expires_at=payload.issued_at - 60))
    assert guarded(expired).status_int == 401
    service = cloud.token("nova", project="service")
    answer = guarded(expired, X_Service_Token=service)
    assert answer.status_int == 200, "a service may hand on a token that expired lately"
    assert "service" in answer.json["HTTP_X_SERVICE_ROLES"]
    nobody = cloud.token("demo", project="demo")
    assert guarded(expired, X_Service_Token=nobody).status_int == 401


def test_access_rules_are_kept_by_the_middleware(
    cloud: Cloud, admin: httpx.Client, guarded: Callable[..., Response]
) -> None:
    project = admin.get("/v3/projects", params={"name": "demo"}).json()["projects"][0]["id"]
    user = made(admin, "user", name=fresh(), password="pw")["id"]
    admin.put(f"/v3/projects/{project}/users/{user}/roles/{role_id(admin, 'member')}")
    name = admin.get(f"/v3/users/{user}").json()["user"]["name"]
    token = cloud.login(name, "pw", on_project("demo")).headers["x-subject-token"]
    rules = [{"service": "image", "method": "GET", "path": "/v2/images"}]
    with cloud.client(token) as mine:
        body = {"application_credential": {"name": "ro", "access_rules": rules}}
        credential = mine.post(f"/v3/users/{user}/application_credentials", json=body).json()["application_credential"]
    proof = {"id": credential["id"], "secret": credential["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": proof}
    limited = cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity}}).headers["x-subject-token"]
    assert guarded(limited).status_int == 200
    assert guarded(limited, "/v2/tasks").status_int == 401
