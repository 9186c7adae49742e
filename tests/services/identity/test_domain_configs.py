"""The configuration of a domain: its life, what is refused, what is never shown, and that logins follow it."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from keystoneclient.v3.client import Client
from sqlalchemy import select

from cumulet.services.identity.model import domain_configs
from cumulet.services.identity.model.backends.ldap_settings import LdapSettings
from cumulet.services.identity.model.domain_options import DEFAULTS
from cumulet.services.identity.model.password_rules import PasswordRules
from cumulet.services.identity.tables import domain_options, domain_secrets

from .conftest import Cloud
from .test_nouns import fresh, made, message

SECRET = "the-reader's-word"
CONFIG: dict[str, Any] = {
    "identity": {"driver": "ldap"},
    "ldap": {"url": "ldap://127.0.0.1:1", "user_tree_dn": "ou=Users,dc=a"},
}


@pytest.fixture
def path(admin: httpx.Client) -> str:
    return f"/v3/domains/{made(admin, 'domain', name=fresh())['id']}/config"


def put(client: httpx.Client, path: str, config: Any = CONFIG) -> httpx.Response:
    return client.put(path, json={"config": config})


def patch(client: httpx.Client, path: str, config: Any) -> httpx.Response:
    return client.patch(path, json={"config": config})


def missing(path: str, what: str) -> str:
    return f"Could not find {what} in domain configuration for domain {path.split('/')[3]}."


def test_life_of_a_configuration(admin: httpx.Client, path: str) -> None:
    nothing = admin.get(path)
    assert (nothing.status_code, message(nothing)) == (404, missing(path, "any options"))
    answer = put(admin, path)
    assert (answer.status_code, answer.json()) == (201, {"config": CONFIG})
    assert admin.get(path).json() == {"config": CONFIG} and admin.head(path).status_code == 200
    assert admin.get(f"{path}/ldap").json() == {"config": {"ldap": CONFIG["ldap"]}}
    assert admin.get(f"{path}/ldap/url").json() == {"config": {"url": CONFIG["ldap"]["url"]}}
    changed = copy.deepcopy(CONFIG)
    changed["ldap"].update(page_size=5)
    answer = patch(admin, path, {"ldap": {"page_size": 5}})
    assert (answer.status_code, answer.json()) == (200, {"config": changed})
    less = {"identity": {"driver": "sql"}}
    answer = put(admin, path, less)
    assert (answer.status_code, answer.json()) == (200, {"config": less})
    assert admin.get(path).json() == {"config": less}
    assert admin.delete(path).status_code == 204 and admin.get(path).status_code == 404
    assert admin.delete(path).status_code == 204


def test_values_of_any_kind_are_kept(admin: httpx.Client, path: str) -> None:
    values = {
        "user": None,
        "page_size": 5,
        "use_tls": True,
        "user_attribute_ignore": ["a", "b"],
        "pool_retry_delay": 0.5,
    }
    assert put(admin, path, {"ldap": values}).json() == {"config": {"ldap": values}}
    assert admin.get(f"{path}/ldap/user").json() == {"config": {"user": None}}


def test_groups_and_options_one_by_one(admin: httpx.Client, path: str) -> None:
    put(admin, path)
    answer = patch(admin, f"{path}/ldap", {"ldap": {"suffix": "dc=a"}})
    assert answer.status_code == 200 and answer.json()["config"]["ldap"]["suffix"] == "dc=a"
    answer = patch(admin, f"{path}/ldap/url", {"url": "ldap://b"})
    assert answer.json()["config"]["ldap"] == {**CONFIG["ldap"], "suffix": "dc=a", "url": "ldap://b"}
    assert admin.delete(f"{path}/ldap/url").status_code == 204
    for again in (admin.delete(f"{path}/ldap/url"), admin.get(f"{path}/ldap/url")):
        assert (again.status_code, message(again)) == (404, missing(path, "option url in group ldap"))
    absent = patch(admin, f"{path}/ldap/url", {"url": "ldap://b"})
    assert (absent.status_code, message(absent)) == (404, missing(path, "option url in group ldap"))
    assert admin.delete(f"{path}/identity").status_code == 204
    for again in (admin.delete(f"{path}/identity"), patch(admin, f"{path}/identity", {"identity": {"driver": "x"}})):
        assert (again.status_code, message(again)) == (404, missing(path, "group identity"))
    assert set(admin.get(path).json()["config"]) == {"ldap"}


@pytest.mark.parametrize(
    ("below", "config", "words"),
    [
        ("", {}, "No options specified"),
        ("", {"ldap": {}}, "The value of group ldap specified in the config should be a dictionary of options"),
        ("", {"ldap": [1]}, "The value of group ldap specified in the config should be a dictionary of options"),
        ("", {"token": {"a": 1}}, "Group token is not supported for domain specific configurations"),
        ("", {"ldap": {"a": 1}}, "Option a in group ldap is not supported for domain specific configurations"),
        ("", {"ldap": {"password": 1}}, "The value of option password in group ldap should be a text"),
        ("/token", {"token": {"a": 1}}, "Group token is not supported for domain specific configurations"),
        (
            "/ldap",
            {"identity": {"driver": "a"}},
            "request to update group ldap, but config provided contains group identity instead",
        ),
        (
            "/ldap/url",
            {"suffix": "a"},
            "Trying to update option url in group ldap, but config provided contains option suffix instead",
        ),
        (
            "/ldap/url",
            {"url": "a", "suffix": "a"},
            "Trying to update option url in group ldap, so that, and only that, option must be specified  in the "
            "config",
        ),
        (
            "/ldap",
            CONFIG,
            "Trying to update group ldap, so that, and only that, group must be specified in the config",
        ),
    ],
)
def test_what_is_refused(admin: httpx.Client, path: str, below: str, config: Any, words: str) -> None:
    put(admin, path)
    answer = patch(admin, path + below, config)
    assert (answer.status_code, message(answer)) == (403, f"Invalid domain specific configuration: {words}.")
    if not below:
        assert put(admin, path, config).status_code == 403
    assert admin.get(path).json() == {"config": CONFIG}
    for junk in ({}, {"config": None}, {"config": [1]}, []):
        assert admin.put(path, json=junk).status_code == 400


def test_a_password_is_sealed_and_never_shown(cloud: Cloud, admin: httpx.Client, path: str) -> None:
    config = {**CONFIG, "ldap": {**CONFIG["ldap"], "password": SECRET, "user": "cn=%(password)s"}}
    answers = [
        put(admin, path, config),
        patch(admin, path, {"ldap": {"password": SECRET}}),
        patch(admin, f"{path}/ldap", {"ldap": {"password": SECRET}}),
        patch(admin, f"{path}/ldap/password", {"password": SECRET}),
        *(admin.get(path + below) for below in ("", "/ldap", "/ldap/user", "/ldap/password")),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200, 200, 404]
    assert not any(SECRET in answer.text for answer in answers)
    domain_id = path.split("/")[3]
    with cloud.db.read() as tx:
        rows = repr([tx.rows(select(table)) for table in (domain_options, domain_secrets)])
        assert "gAAAA" in rows and SECRET not in rows
        read = domain_configs.of_directory(cloud.context.vault, tx, domain_id)
    assert read["ldap"]["password"] == SECRET and read["ldap"]["user"] == f"cn={SECRET}"
    assert cloud.context.vault.rotate(cloud.db) > 0
    with cloud.db.read() as tx:
        assert domain_configs.of_directory(cloud.context.vault, tx, domain_id) == read
    assert admin.delete(f"{path}/ldap/password").status_code == 204
    assert admin.delete(f"{path}/ldap/password").status_code == 404


def test_the_users_of_such_a_domain_are_a_directorys(cloud: Cloud, admin: httpx.Client, path: str) -> None:
    domain_id = path.split("/")[3]
    user = made(admin, "user", name=fresh(), domain_id=domain_id, password="pw")
    assert cloud.login(user["name"], "pw", domain=domain_id).status_code == 201
    put(admin, path)
    assert cloud.login(user["name"], "pw", domain=domain_id).status_code == 401  # which does not answer
    refused = admin.post("/v3/users", json={"user": {"name": fresh(), "domain_id": domain_id}})
    assert (refused.status_code, message(refused)) == (403, "LDAP does not support write operations")
    assert admin.get("/v3/users", params={"domain_id": domain_id}).status_code == 503
    patch(admin, f"{path}/identity/driver", {"driver": "sql"})
    assert cloud.login(user["name"], "pw", domain=domain_id).status_code == 201


def test_the_domain_of_the_clouds_own_users_stays_ours(admin: httpx.Client) -> None:
    refused = put(admin, "/v3/domains/default/config")
    assert refused.status_code == 403 and "cannot be a directory's" in message(refused)
    assert admin.get("/v3/users").status_code == 200


def test_a_configuration_goes_with_its_domain(cloud: Cloud, admin: httpx.Client, path: str) -> None:
    put(admin, path, {**CONFIG, "ldap": {"password": SECRET}})
    domain_id = path.split("/")[3]
    admin.patch(f"/v3/domains/{domain_id}", json={"domain": {"enabled": False}})
    assert admin.delete(f"/v3/domains/{domain_id}").status_code == 204
    with cloud.db.read() as tx:
        for table in (domain_options, domain_secrets):
            assert tx.rows(select(table).where(table.c.domain_id == domain_id)) == []
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"config": CONFIG} if method in ("PUT", "PATCH") else None
        answer = admin.request(method, path, json=body)
        assert (answer.status_code, message(answer)) == (404, f"Could not find domain: {domain_id}.")


def test_defaults(admin: httpx.Client, demo: httpx.Client) -> None:
    every = admin.get("/v3/domains/config/default").json()["config"]
    assert set(every) == {"identity", "ldap"} and "password" not in every["ldap"]
    assert admin.get("/v3/domains/config/identity/default").json() == {"config": {"identity": every["identity"]}}
    for option, value in every["ldap"].items():
        assert admin.get(f"/v3/domains/config/ldap/{option}/default").json() == {"config": {option: value}}
    for below in ("token/default", "ldap/password/default", "ldap/odd/default"):
        assert admin.get(f"/v3/domains/config/{below}").status_code == 403
    assert demo.get("/v3/domains/config/default").status_code == 403


def test_defaults_are_those_that_directories_have() -> None:
    ours = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(LdapSettings()).items()}
    shared = set(ours) & set(DEFAULTS["ldap"])
    assert len(shared) > 20
    assert {name: ours[name] or None for name in shared} == {name: DEFAULTS["ldap"][name] or None for name in shared}


def test_everybody_may_know_how_passwords_have_to_look(cloud: Cloud, demo: httpx.Client) -> None:
    path = "/v3/domains/default/config/security_compliance"
    rules = cloud.context.password_rules
    cloud.context.password_rules = PasswordRules(password_regex="^a", password_regex_description="begins with a")
    try:
        told = {"password_regex": "^a", "password_regex_description": "begins with a"}
        assert demo.get(path).json() == {"config": {"security_compliance": told}}
        assert demo.get(f"{path}/password_regex").json() == {"config": {"password_regex": "^a"}}
    finally:
        cloud.context.password_rules = rules
    assert demo.get(f"{path}/password_regex").json() == {"config": {"password_regex": None}}
    assert demo.get(f"{path}/lockout_duration").status_code == 403
    other = demo.get("/v3/domains/other/config/security_compliance")
    assert other.status_code == 404
    assert cloud.http.get(path).status_code == 401


def test_only_of_the_first_domain(admin: httpx.Client, path: str) -> None:
    refused = admin.get(f"{path}/security_compliance")
    assert refused.status_code == 403 and "other than the default domain" in message(refused)
    assert (
        patch(admin, f"{path}/security_compliance", {"security_compliance": {"password_regex": "a"}}).status_code == 403
    )


def test_with_keystoneclient(cloud: Cloud, path: str) -> None:
    client = Client(session=Session(auth=Token(f"{cloud.url}/v3", cloud.token())))
    domain = path.split("/")[3]
    assert client.domain_configs.create(domain, CONFIG).ldap == CONFIG["ldap"]
    assert client.domain_configs.get(domain).identity == {"driver": "ldap"}
    assert client.domain_configs.update(domain, {"ldap": {"page_size": 5}}).ldap["page_size"] == 5
    client.domain_configs.delete(domain)
