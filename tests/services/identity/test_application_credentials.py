"""Application credentials and access rules: their life, their faults, and what a token of one may do and may not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from keystoneauth1.exceptions import http as faults
from keystoneauth1.identity.v3 import ApplicationCredential
from keystoneauth1.session import Session
from sqlalchemy import select

from cumulet.db import iso
from cumulet.db.times import now_us
from cumulet.services.identity.tables import application_credentials

from .conftest import PASSWORD, Cloud
from .test_credentials import ec2_blob, me
from .test_nouns import fresh, made, message
from .test_roles import role_id

SERVERS = {"service": "compute", "path": "/v2.1/servers/*", "method": "GET"}


def path_of(client: httpx.Client) -> str:
    return f"/v3/users/{me(client)['user']['id']}/application_credentials"


def create(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    body = {"application_credential": {"name": fresh(), **fields}}
    answer = client.post(path_of(client), json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["application_credential"])


def log_in(cloud: Cloud, block: dict[str, Any], **auth: Any) -> httpx.Response:
    identity = {"methods": ["application_credential"], "application_credential": block}
    return cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity, **auth}})


def token_of(cloud: Cloud, credential: dict[str, Any]) -> str:
    answer = log_in(cloud, {"id": credential["id"], "secret": credential["secret"]})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["x-subject-token"])


@contextmanager
def using(cloud: Cloud, credential: dict[str, Any]) -> Iterator[httpx.Client]:
    with cloud.client(token_of(cloud, credential)) as client:
        yield client


@pytest.fixture
def somebody(cloud: Cloud, admin: httpx.Client) -> Iterator[httpx.Client]:
    """A member of a project of its own."""
    user, project = made(admin, "user", name=fresh(), password=PASSWORD), made(admin, "project", name=fresh())
    admin.put(f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role_id(admin, 'member')}")
    with cloud.client(cloud.token(user["name"], project=project["name"])) as client:
        yield client


def test_life_of_an_application_credential(cloud: Cloud, admin: httpx.Client, somebody: httpx.Client) -> None:
    told, path = me(somebody), path_of(somebody)
    found = create(somebody, name="backup", description="for the nightly run")
    secret = found.pop("secret")
    assert len(secret) >= 86
    expected = {
        "name": "backup",
        "description": "for the nightly run",
        "user_id": told["user"]["id"],
        "project_id": told["project"]["id"],
        "system": None,
        "expires_at": None,
        "unrestricted": False,
    }
    assert {key: found[key] for key in expected} == expected
    assert {role["name"] for role in found["roles"]} == {"member", "reader"}
    one = f"{path}/{found['id']}"
    assert found["links"]["self"].endswith(one) and "access_rules" not in found
    assert somebody.get(one).json()["application_credential"] == found
    assert admin.get(one).json()["application_credential"] == found
    second = create(somebody)
    assert {each["id"] for each in somebody.get(path).json()["application_credentials"]} == {found["id"], second["id"]}
    assert somebody.get(path, params={"name": "backup"}).json()["application_credentials"] == [found]
    again = somebody.post(path, json={"application_credential": {"name": "backup"}})
    assert again.status_code == 409
    assert message(again).startswith("Conflict occurred attempting to store application_credential")
    assert somebody.delete(one).status_code == 204
    gone = somebody.get(one)
    assert gone.status_code == 404 and message(gone) == f"Could not find Application Credential: {found['id']}."
    assert somebody.delete(one).status_code == 404
    with cloud.db.read() as tx:
        row = tx.row(select(application_credentials).where(application_credentials.c.id == second["id"]))
    assert row is not None and row.secret_hash.startswith("$argon2id$")


def test_a_token_by_it(cloud: Cloud, somebody: httpx.Client) -> None:
    found = create(somebody, secret="mine to choose", unrestricted=True)
    assert found["secret"] == "mine to choose"
    told = me(somebody)
    user = {"name": told["user"]["name"], "domain": {"id": "default"}}
    for block in (
        {"id": found["id"]},
        {"name": found["name"], "user": {"id": told["user"]["id"]}},
        {"name": found["name"], "user": user},
    ):
        answer = log_in(cloud, {**block, "secret": "mine to choose"})
        assert answer.status_code == 201, answer.text
        token = answer.json()["token"]
        assert token["methods"] == ["application_credential"] and token["project"] == told["project"]
        assert token["application_credential"] == {"id": found["id"], "name": found["name"], "restricted": False}
        assert {role["name"] for role in token["roles"]} == {"member", "reader"} and token["catalog"]


def test_proofs_that_fail_read_the_same(cloud: Cloud, somebody: httpx.Client, demo: httpx.Client) -> None:
    found = create(somebody, secret="right")
    told = me(somebody)
    wrong = [
        {"id": found["id"], "secret": "wrong"},
        {"id": "0" * 32, "secret": "right"},
        {"id": found["id"], "secret": ""},
        {"name": found["name"], "user": {"id": me(demo)["user"]["id"]}, "secret": "right"},
        {"name": "other", "user": {"id": told["user"]["id"]}, "secret": "right"},
        {"name": found["name"], "user": {"id": "nobody"}, "secret": "right"},
    ]
    answers = [log_in(cloud, block) for block in wrong]
    assert {answer.status_code for answer in answers} == {401} and len({answer.content for answer in answers}) == 1
    for block in ({"secret": "right"}, {"name": found["name"], "secret": "right"}, {"id": found["id"]}):
        assert log_in(cloud, block).status_code == 400
    scope = {"project": {"id": told["project"]["id"]}}
    scoped = log_in(cloud, {"id": found["id"], "secret": "right"}, scope=scope)
    assert scoped.status_code == 401 and "cannot request a scope" in message(scoped)


def test_whose_it_is_says_the_credential_and_not_the_request(cloud: Cloud, somebody: httpx.Client) -> None:
    found = create(somebody, secret="right")
    block = {"id": found["id"], "secret": "right", "user": {"name": "admin", "domain": {"id": "default"}}}
    assert log_in(cloud, block).json()["token"]["user"]["id"] == found["user_id"]


def test_it_ends_when_it_says(cloud: Cloud, somebody: httpx.Client) -> None:
    path = path_of(somebody)
    at = now_us() + 2_500_000
    found = create(somebody, expires_at=iso(at, micro=True, zone=""))
    assert found["expires_at"] == iso(at, micro=True, zone="")
    token = log_in(cloud, {"id": found["id"], "secret": found["secret"]})
    assert token.json()["token"]["expires_at"] <= iso(at, micro=True)
    for bad in ("soon", "2001-01-01T00:00:00", "9999-99-99", "x" * 300, "0001-01-01T00:00:00+23:59"):
        answer = somebody.post(path, json={"application_credential": {"name": fresh(), "expires_at": bad}})
        assert answer.status_code == 400, answer.text
    time.sleep(2.6)
    assert log_in(cloud, {"id": found["id"], "secret": found["secret"]}).status_code == 401
    with cloud.client(token.headers["x-subject-token"]) as client:
        assert client.get("/v3/auth/projects").status_code == 401


def test_it_has_the_roles_it_was_given_and_no_others(cloud: Cloud, admin: httpx.Client, somebody: httpx.Client) -> None:
    path = path_of(somebody)
    for reference in ({"name": "reader"}, {"id": role_id(admin, "reader")}):
        found = create(somebody, roles=[reference])
        answer = log_in(cloud, {"id": found["id"], "secret": found["secret"]})
        assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]
    for roles, status in (
        ([{"name": "admin"}], 400),
        ([{"id": role_id(admin, "admin")}], 400),
        ([{"name": "no such role"}], 404),
        ([{"id": "0" * 32}], 404),
        ([{}], 400),
        ([{"name": "reader", "id": role_id(admin, "reader")}], 400),
        ([{"name": "reader", "domain_id": "x"}], 400),
    ):
        answer = somebody.post(path, json={"application_credential": {"name": fresh(), "roles": roles}})
        assert answer.status_code == status, (roles, answer.text)
    refused = somebody.post(path, json={"application_credential": {"name": fresh(), "roles": [{"name": "admin"}]}})
    assert message(refused).startswith("Invalid application credential: Cannot create an application credential")


def test_what_does_not_fit(somebody: httpx.Client) -> None:
    path = path_of(somebody)
    for fields in (
        {},
        {"name": ""},
        {"name": "n" * 256},
        {"name": "n", "colour": "red"},
        {"name": "n", "unrestricted": "yes"},
        {"name": "n", "secret": 7},
        {"name": "n", "secret": "s" * 5000},
        {"name": "n", "roles": "member"},
        {"name": "n", "access_rules": [{"service": "compute", "path": "/x"}]},
        {"name": "n", "access_rules": [{**SERVERS, "method": "BREW"}]},
        {"name": "n", "access_rules": [{**SERVERS, "path": "servers"}]},
        {"name": "n", "access_rules": [{**SERVERS, "path": "/" + "s" * 225}]},
    ):
        answer = somebody.post(path, json={"application_credential": fields})
        assert answer.status_code == 400, (fields, answer.text)
        assert "sssssss" not in answer.text or "path" in str(fields)
    assert somebody.get(path).json()["application_credentials"] == []
    assert somebody.get(path.replace("application_credentials", "access_rules")).json()["access_rules"] == []


def test_others_neither_see_nor_end_nor_make_it(cloud: Cloud, somebody: httpx.Client, demo: httpx.Client) -> None:
    found = create(somebody)
    theirs, own = path_of(somebody), path_of(demo)
    for path in (theirs, own):
        one = f"{path}/{found['id']}"
        assert demo.get(one).status_code == 403 and demo.delete(one).status_code == 403
    assert demo.get(theirs).status_code == 403
    body = {"application_credential": {"name": fresh()}}
    assert demo.post(theirs, json=body).status_code == 403
    assert cloud.http.get(theirs).status_code == 401 and cloud.http.post(theirs, json=body).status_code == 401
    assert found["id"] not in [each["id"] for each in demo.get(own).json()["application_credentials"]]
    with cloud.client(cloud.token("demo", project=None)) as unscoped:
        assert unscoped.post(own, json=body).status_code == 403


def test_an_administrator_ends_it_but_makes_none_for_others(admin: httpx.Client, somebody: httpx.Client) -> None:
    found, path = create(somebody), path_of(somebody)
    assert admin.post(path, json={"application_credential": {"name": fresh()}}).status_code == 403
    assert admin.delete(f"{path}/{found['id']}").status_code == 204


def test_deleting_it_ends_its_tokens_and_only_those(cloud: Cloud, somebody: httpx.Client) -> None:
    first, second = create(somebody), create(somebody)
    with using(cloud, first) as ended, using(cloud, second) as kept:
        assert ended.get("/v3/auth/projects").status_code == kept.get("/v3/auth/projects").status_code == 200
        somebody.delete(f"{path_of(somebody)}/{first['id']}")
        assert ended.get("/v3/auth/projects").status_code == 401
        assert kept.get("/v3/auth/projects").status_code == 200
        assert somebody.get("/v3/auth/projects").status_code == 200


def test_it_is_worth_what_its_user_still_has(cloud: Cloud, admin: httpx.Client, somebody: httpx.Client) -> None:
    told = me(somebody)
    grants = f"/v3/projects/{told['project']['id']}/users/{told['user']['id']}/roles"
    group = made(admin, "group", name=fresh())
    admin.put(f"/v3/groups/{group['id']}/users/{told['user']['id']}")
    by_group = f"/v3/projects/{told['project']['id']}/groups/{group['id']}/roles/{role_id(admin, 'manager')}"
    admin.put(by_group)
    found = create(somebody)
    assert {role["name"] for role in found["roles"]} == {"manager", "member", "reader"}
    with using(cloud, found) as client:
        assert {role["name"] for role in me(client)["roles"]} == {"manager", "member", "reader"}
        assert admin.delete(by_group).status_code == 204
        assert {role["name"] for role in me(client)["roles"]} == {"member", "reader"}
        assert admin.delete(f"{grants}/{role_id(admin, 'member')}").status_code == 204
        assert client.get("/v3/auth/projects").status_code == 401
    assert log_in(cloud, {"id": found["id"], "secret": found["secret"]}).status_code == 401
    admin.put(f"{grants}/{role_id(admin, 'reader')}")
    with using(cloud, found) as client:
        assert {role["name"] for role in me(client)["roles"]} == {"reader"}, "it stays, and is worth what is left"


@pytest.mark.parametrize("end", ["user disabled", "user deleted", "project disabled", "project deleted"])
def test_it_ends_with_its_user_and_its_project(end: str, cloud: Cloud, admin: httpx.Client, somebody: Any) -> None:
    told, found = me(somebody), create(somebody)
    noun, how = end.split()
    path = f"/v3/{noun}s/{told[noun]['id']}"
    with using(cloud, found) as client:
        if how == "deleted":
            assert admin.delete(path).status_code == 204
        else:
            assert admin.patch(path, json={noun: {"enabled": False}}).status_code == 200
        assert client.get("/v3/auth/projects").status_code == 401
        assert log_in(cloud, {"id": found["id"], "secret": found["secret"]}).status_code == 401


def test_20_a_delegation_makes_no_other(cloud: Cloud, admin: httpx.Client, somebody: httpx.Client) -> None:
    """CVE-2026-33551, OSSA-2026-005, and CVE-2020-12689: neither EC2 credentials nor trusts nor credentials, and
    application credentials by an unrestricted one only."""
    told, path = me(somebody), path_of(somebody)
    user, project = told["user"]["id"], told["project"]["id"]
    restricted, unrestricted = create(somebody, roles=[{"name": "reader"}]), create(somebody, unrestricted=True)
    owned = made(somebody, "credential", blob="x", type="cert", user_id=user)
    ec2 = somebody.post(f"/v3/users/{user}/credentials/OS-EC2", json={"tenant_id": project}).json()["credential"]
    trust = {"trustor_user_id": user, "trustee_user_id": me(admin)["user"]["id"], "impersonation": False}
    for credential in (restricted, unrestricted):
        with using(cloud, credential) as client:
            refusals = [
                client.post(f"/v3/users/{user}/credentials/OS-EC2", json={"tenant_id": project}),
                client.get(f"/v3/users/{user}/credentials/OS-EC2"),
                client.get(f"/v3/users/{user}/credentials/OS-EC2/{ec2['access']}"),
                client.delete(f"/v3/users/{user}/credentials/OS-EC2/{ec2['access']}"),
                client.get(f"/v3/credentials/{owned['id']}"),
                client.patch(f"/v3/credentials/{owned['id']}", json={"credential": {"blob": "y"}}),
                client.delete(f"/v3/credentials/{owned['id']}"),
                client.post("/v3/credentials", json={"credential": {"blob": "x", "type": "cert", "user_id": user}}),
                client.post(
                    "/v3/credentials",
                    json={"credential": {"blob": ec2_blob(), "type": "ec2", "user_id": user, "project_id": project}},
                ),
                client.post("/v3/OS-TRUST/trusts", json={"trust": trust}),
                client.get("/v3/OS-TRUST/trusts", params={"trustor_user_id": user}),
            ]
            assert [answer.status_code for answer in refusals] == [403] * len(refusals)
            assert client.get("/v3/credentials").json()["credentials"] == []
            identity = {"methods": ["token"], "token": {"id": client.headers["X-Auth-Token"]}}
            again = cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": "unscoped"}})
            assert again.status_code == 403
    with using(cloud, restricted) as client:
        refused = client.post(path, json={"application_credential": {"name": fresh()}})
        assert refused.status_code == 403 and "'application_credential' is not allowed" in message(refused)
        assert client.delete(f"{path}/{restricted['id']}").status_code == 403
        assert client.get(path).status_code == 200
    with using(cloud, unrestricted) as client:
        child = create(client)
        assert client.delete(f"{path}/{child['id']}").status_code == 204


def test_access_rules(somebody: httpx.Client, demo: httpx.Client) -> None:
    other = {"service": "image", "path": "/v2/images", "method": "POST"}
    first = create(somebody, access_rules=[SERVERS, other, SERVERS])
    rules = {rule["service"]: rule for rule in first["access_rules"]}
    assert {key: rules["compute"][key] for key in SERVERS} == SERVERS and len(first["access_rules"]) == 2
    second = create(somebody, access_rules=[SERVERS, {"id": rules["image"]["id"]}])
    assert {rule["id"] for rule in second["access_rules"]} == {rule["id"] for rule in first["access_rules"]}
    path = path_of(somebody).replace("application_credentials", "access_rules")
    listed = somebody.get(path).json()["access_rules"]
    assert {rule["id"] for rule in listed} == {rule["id"] for rule in rules.values()}
    assert [rule["id"] for rule in somebody.get(path, params={"method": "POST"}).json()["access_rules"]] == [
        rules["image"]["id"]
    ]
    one = f"{path}/{rules['image']['id']}"
    shown = somebody.get(one).json()["access_rule"]
    assert shown["links"]["self"].endswith(one) and {key: shown[key] for key in other} == other
    for client, wanted in ((demo, 403),):
        assert client.get(path).status_code == client.get(one).status_code == client.delete(one).status_code == wanted
    foreign = demo.post(
        path_of(demo),
        json={"application_credential": {"name": fresh(), "access_rules": [{"id": rules["image"]["id"]}]}},
    )
    assert foreign.status_code == 404 and message(foreign).startswith("Could not find Access Rule: ")
    held = somebody.delete(one)
    assert held.status_code == 403 and message(held) == "May not delete access rule in use"
    for found in (first, second):
        somebody.delete(f"{path_of(somebody)}/{found['id']}")
    assert somebody.get(one).status_code == 200, "rules outlive the credentials that had them"
    assert somebody.delete(one).status_code == 204
    assert somebody.get(one).status_code == somebody.delete(one).status_code == 404


def test_access_rules_are_kept_here_and_reach_who_keeps_them_elsewhere(cloud: Cloud, somebody: Any, admin: Any) -> None:
    rule = {"service": "identity", "path": "/v3/auth/projects", "method": "GET"}
    found = create(somebody, access_rules=[rule])
    with using(cloud, found) as client:
        assert client.get("/v3/auth/projects").status_code == 200
        assert client.get("/v3/auth/domains").status_code == 401
        assert client.get(path_of(somebody)).status_code == 401
        subject = {"X-Subject-Token": client.headers["X-Auth-Token"]}
        assert admin.get("/v3/auth/tokens", headers=subject).status_code == 404, "for who does not know of rules"
        for version, status in (("1.0", 200), ("2", 200), ("0.9", 404), ("x", 404), ("", 404), ("nan", 404)):
            headers = {**subject, "OpenStack-Identity-Access-Rules": version}
            assert admin.get("/v3/auth/tokens", headers=headers).status_code == status, version
        headers = {**subject, "OpenStack-Identity-Access-Rules": "1.0"}
        told = admin.get("/v3/auth/tokens", headers=headers).json()["token"]["application_credential"]
        assert told["access_rules"] == found["access_rules"] and told["restricted"] is True


def test_keystoneauth_logs_in_with_it(cloud: Cloud, somebody: httpx.Client) -> None:
    found = create(somebody)
    auth = ApplicationCredential(
        auth_url=f"{cloud.url}/v3",
        application_credential_id=found["id"],
        application_credential_secret=found["secret"],
    )
    session = Session(auth=auth)
    assert session.get_project_id() == found["project_id"] and session.get_user_id() == found["user_id"]
    by_name = ApplicationCredential(
        auth_url=f"{cloud.url}/v3",
        application_credential_name=found["name"],
        application_credential_secret=found["secret"],
        user_id=found["user_id"],
    )
    assert Session(auth=by_name).get_project_id() == found["project_id"]
    wrong = ApplicationCredential(
        auth_url=f"{cloud.url}/v3", application_credential_id=found["id"], application_credential_secret="guess"
    )
    with pytest.raises(faults.Unauthorized):
        Session(auth=wrong).get_token()
