"""Access rules of an application credential, and slashes that are part of a name (finding S17)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.auth import access_rules
from cumulet.http import app
from tests.assembled import Assembled

RULES = [
    {"service": "image", "method": "GET", "path": "/v2/metadefs/namespaces/*/objects"},
    {"service": "identity", "method": "GET", "path": "/v3/users/*/groups"},
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("rules") / "state")
    yield found
    found.close()


@pytest.fixture(scope="module")
def narrow(cloud: Assembled) -> str:
    """A token of the first user that is good for `RULES` only."""
    told = cloud.ask(
        "identity", "GET", "/v3/auth/tokens", token=cloud.member, headers={"x-subject-token": cloud.member}
    )
    path = f"/v3/users/{told.json['token']['user']['id']}/application_credentials"
    body = {"application_credential": {"name": "narrow", "access_rules": RULES}}
    made = cloud.ask("identity", "POST", path, token=cloud.member, body=body)
    assert made.status == 201, made.body
    by = {name: made.json["application_credential"][name] for name in ("id", "secret")}
    identity: dict[str, Any] = {"methods": ["application_credential"], "application_credential": by}
    answer = cloud.ask("identity", "POST", "/v3/auth/tokens", body={"auth": {"identity": identity}})
    assert answer.status == 201, answer.body
    return answer.headers["x-subject-token"]


@pytest.mark.parametrize(
    "path",
    [
        "/v3/users/x%2fv3%2fauth%2ftokens",
        "/v3/users/x%2Fv3%2Fauth%2Ftokens",
        "/v3/groups/x%2fv3%2fauth%2ftokens",
        "/v3/users/x%2fgroups",
        "/v3/users",
    ],
)
def test_what_looks_like_an_allowed_path_is_none(path: str, cloud: Assembled, narrow: str) -> None:
    """Finding S17: the rules refuse with 401 before policy answers with its 403."""
    assert cloud.ask("identity", "GET", path, token=narrow).status == 401


def test_a_name_with_slashes_is_one_step(cloud: Assembled, narrow: str) -> None:
    """Finding S17."""
    namespaces = "/v2/metadefs/namespaces"
    assert cloud.ask("image", "GET", f"{namespaces}/any%2fobjects", token=narrow).status == 401
    assert cloud.ask("image", "GET", f"{namespaces}/any%2fname/objects", token=narrow).status == 404
    assert cloud.ask("image", "GET", f"{namespaces}/any/objects", token=narrow).status == 404


def test_what_is_allowed_stays_it(cloud: Assembled, narrow: str) -> None:
    """Finding S17."""
    headers = {"x-subject-token": narrow, "openstack-identity-access-rules": "1.0"}
    told = cloud.ask("identity", "GET", "/v3/auth/tokens", token=narrow, headers=headers)
    assert told.status == 200
    user = told.json["token"]["user"]["id"]
    assert cloud.ask("identity", "GET", f"/v3/users/{user}/groups", token=narrow).status == 200


def test_rules_are_few(cloud: Assembled) -> None:
    """Finding S2's class: a request of a token with a thousand rules held the event loop for 0.25 s."""
    told = cloud.ask(
        "identity", "GET", "/v3/auth/tokens", token=cloud.member, headers={"x-subject-token": cloud.member}
    )
    path = f"/v3/users/{told.json['token']['user']['id']}/application_credentials"
    for count, status in ((101, 400), (100, 201)):
        rules = [{"service": "image", "method": "GET", "path": f"/v2/images/**{number}"} for number in range(count)]
        body = {"application_credential": {"name": "many", "access_rules": rules}}
        answer = cloud.ask("identity", "POST", path, token=cloud.member, body=body)
        assert answer.status == status, answer.body[:200]


def test_rules_are_compared_on_a_thread(cloud: Assembled, narrow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding S2's class: the event loop serves everybody."""
    where: list[int] = []

    def looked_at(*arguments: Any) -> bool:
        where.append(threading.get_ident())
        return access_rules.allows(*arguments)

    monkeypatch.setattr(app, "allows", looked_at)
    path = "/v2/metadefs/namespaces/any/objects"
    assert cloud.ask("image", "GET", path, token=narrow).status == 404
    assert len(where) == 1 and where[0] != threading.get_ident()


def test_no_rule_fits_a_path_without_end() -> None:
    assert access_rules.fits("/v2/**", "/v2/" + "a" * 1000)
    assert not access_rules.fits("/v2/**", "/v2/" + "a" * 16000)
