"""OAuth 2.0 client credentials: a bearer token for an application credential, and every refusal in the RFC's body."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from oauthlib.oauth2 import BackendApplicationClient

from .conftest import Cloud
from .test_application_credentials import create, somebody
from .test_credentials import me

__all__ = ["somebody"]

PATH = "/v3/OS-OAUTH2/token"
GRANT = {"grant_type": "client_credentials"}


def ask(cloud: Cloud, form: dict[str, Any], auth: tuple[str, str] | None = None) -> httpx.Response:
    return cloud.http.post(PATH, data=form, auth=auth if auth else httpx.USE_CLIENT_DEFAULT)


def test_a_bearer_token_is_a_token_of_the_credential(cloud: Cloud, somebody: httpx.Client) -> None:
    credential = create(somebody)
    pair = (credential["id"], credential["secret"])
    answer = ask(cloud, GRANT, pair)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["token_type"] == "Bearer" and 3590 <= told["expires_in"] <= 3600
    assert answer.headers["cache-control"] == "no-store"
    with cloud.client(told["access_token"]) as client:
        found = me(client)
    assert found["methods"] == ["application_credential"]
    assert found["application_credential"]["id"] == credential["id"]
    application = BackendApplicationClient(pair[0])
    body = application.prepare_request_body(include_client_id=True, client_secret=pair[1])
    by_form = cloud.http.post(PATH, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert application.parse_request_body_response(by_form.text)["access_token"]
    assert somebody.delete(f"/v3/users/{found['user']['id']}/application_credentials/{pair[0]}").status_code == 204
    with cloud.client(told["access_token"]) as client:
        assert client.get("/v3/auth/tokens", headers={"X-Subject-Token": told["access_token"]}).status_code == 401
    assert ask(cloud, GRANT, pair).status_code == 401


@pytest.mark.parametrize(
    ("form", "pair", "status", "error"),
    [
        ({}, ("a", "b"), 400, "invalid_request"),
        ({"grant_type": "password"}, ("a", "b"), 400, "unsupported_grant_type"),
        ({"grant_type": "client\0"}, ("a", "b"), 400, "invalid_request"),
        (GRANT | {"x": "y" * 20_000}, ("a", "b"), 413, "invalid_request"),
        (GRANT, None, 401, "invalid_client"),
        (GRANT, ("a", ""), 401, "invalid_client"),
        (GRANT, ("a\0b", "secret"), 401, "invalid_client"),
        (GRANT, ("a" * 64, "secret"), 401, "invalid_client"),
    ],
)
def test_what_is_wrong_is_refused(
    cloud: Cloud, form: dict[str, str], pair: tuple[str, str] | None, status: int, error: str
) -> None:
    answer = ask(cloud, form, pair)
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json()["error_description"]
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_header_that_is_no_basic_authentication_is_refused(cloud: Cloud) -> None:
    for given in ("Basic !!!", "Basic /w==", "Basic", "Bearer x"):
        answer = cloud.http.post(PATH, data=GRANT, headers={"Authorization": given})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), given
