"""Where each case of identity's past advisories is tried, and those that have no better place.

18  EC2 credentials of others and of limited scopes    `test_identity_advisories`, `test_credentials` of identity
19  signatures that last for ever, presigned requests  `test_identity_advisories`, `test_signed_requests`
20  application credentials that make EC2 credentials  `test_identity_advisories`, `test_application_credentials`
21  roles of OAuth 1.0a tokens and trusts              `test_oauth1`, `test_trusts`
22  revocation of a chain of tokens, mutated tokens    here, `test_security`, `test_revocation`
23  other people's credentials                         `test_credentials`, `test_domain_administrators`
24  who exists, who is locked out                      here, `test_security`, `test_password_rules`
25  a directory's text for enabled                     `test_directories`
26  forged headers                                     `test_security`, tests/http, tests/laws/test_operations.py
27  mappings that grant too much                       `test_federation_nouns`, `test_federation`, `test_mapping_rules`
28  administrators of other domains, second factors    `test_domain_administrators`, here, `test_security`
29  passwords longer than bcrypt looks                 `test_security`, `test_front_door`
44  a flood before anybody logs in                     `test_front_door`, `test_crowds_of_logins`
45  XML                                                here
46  unknown routes that grow memory                    here, tests/http/test_app.py
47  parsers that run what they read                    here, `test_mapping_rules`, tests/auth/test_policy_file.py
50  every route × every kind of caller                 tests/matrix
"""

from __future__ import annotations

import functools
import gc
import inspect
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import cumulet
from cumulet.cli import controller
from cumulet.services.identity.model import passwords
from tests.services.identity.conftest import PASSWORD, Cloud, on_project
from tests.services.identity.test_factors import Person
from tests.services.identity.test_nouns import fresh, made
from tests.services.identity.test_roles import role_id

# ---- 22: what was made from a token ends with it


def rescoped(cloud: Cloud, token: str, scope: Any) -> str:
    identity = {"methods": ["token"], "token": {"id": token}}
    answer = cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["x-subject-token"])


def chain(cloud: Cloud) -> list[str]:
    """An unscoped token, one of a project made from it, and one made from that."""
    first = cloud.token("demo", project=None)
    second = rescoped(cloud, first, on_project("demo"))
    return [first, second, rescoped(cloud, second, on_project("demo"))]


def alive(cloud: Cloud, tokens: list[str]) -> list[bool]:
    paths = [cloud.http.get("/v3/auth/projects", headers={"X-Auth-Token": token}) for token in tokens]
    assert {answer.status_code for answer in paths} <= {200, 401}
    return [answer.status_code == 200 for answer in paths]


@pytest.mark.parametrize(
    ("which", "query", "left"),
    [
        (0, "", [False, False, False]),
        (0, "?cascade=false", [False, True, True]),
        (1, "", [True, False, True]),  # Keystone's chain knows its first token, not who was made from whom
        (2, "", [True, True, False]),
    ],
)
def test_22_ossa_2016_008_a_chain_ends_with_its_first_token(
    which: int, query: str, left: list[bool], cloud: Cloud
) -> None:
    tokens = chain(cloud)
    assert alive(cloud, tokens) == [True, True, True]
    subject = {"X-Auth-Token": tokens[which], "X-Subject-Token": tokens[which]}
    assert cloud.http.delete(f"/v3/auth/tokens{query}", headers=subject).status_code == 204
    assert alive(cloud, tokens) == left
    identity = {"methods": ["token"], "token": {"id": tokens[which]}}
    again = cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity}})
    assert again.status_code == 404, "nor can the revoked one begin a new chain"


# ---- 24: nothing tells who exists


def test_24_cve_2021_38155_every_refusal_costs_one_hash(
    cloud: Cloud, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is what the hash takes; so whether it is made is counted, and no clock is read."""
    counted: list[str] = []
    real = passwords._argon2

    def counting(raw: bytes, hashed: str) -> bool:
        counted.append(hashed)
        return real(raw, hashed)

    closed = made(admin, "domain", name=fresh(), enabled=False)["id"]
    there = {
        "wrong": made(admin, "user", name=fresh(), password=PASSWORD),
        "disabled": made(admin, "user", name=fresh(), password=PASSWORD, enabled=False),
        "without a password": made(admin, "user", name=fresh()),
        "of a disabled domain": made(admin, "user", name=fresh(), password=PASSWORD, domain_id=closed),
        "with a project that is not there": made(admin, "user", name=fresh(), password=PASSWORD),
    }
    absent = {"name": fresh(), "domain_id": "default"}
    cases = {**there, "absent": absent, "of no domain": {**absent, "domain_id": "0" * 32}}
    monkeypatch.setattr(passwords, "_argon2", counting)
    bodies = set()
    for name, user in cases.items():
        counted.clear()
        scope = {"project": {"id": "0" * 32}} if "project" in name else None
        password = "x" if name == "wrong" else PASSWORD
        answer = cloud.login(user["name"], password, scope, domain=user["domain_id"])
        assert (answer.status_code, len(counted)) == (401, 1), name
        bodies.add(answer.content)
    assert len(bodies) == 1
    for path in (there["wrong"]["id"], "0" * 32):
        counted.clear()
        body = {"user": {"original_password": "x", "password": "y"}}
        assert cloud.http.post(f"/v3/users/{path}/password", json=body).status_code == 401
        assert len(counted) == 1


# ---- 28: a second factor is not put off by who has only the first


def test_28_cve_2026_59799_nobody_puts_off_the_own_second_factor(cloud: Cloud, admin: httpx.Client) -> None:
    person = Person(cloud, admin, [["password", "totp"]])
    login = person.login(person.password(), person.totp(person.code()))
    assert login.status_code == 201
    path = f"/v3/users/{person.id}"
    with cloud.client(login.headers["x-subject-token"]) as mine:
        for options in ({"multi_factor_auth_rules": None}, {"multi_factor_auth_enabled": False}):
            assert mine.patch(path, json={"user": {"options": options}}).status_code == 403
        secrets = mine.get("/v3/credentials").json()["credentials"]
        assert [row["type"] for row in secrets] == ["totp"]
        assert mine.delete(f"/v3/credentials/{secrets[0]['id']}").status_code == 204
    assert person.login(person.password()).status_code == 401, "without its generator, who must use it gets in no more"


def test_28_who_governs_another_domain_puts_off_nobodys_second_factor(cloud: Cloud, admin: httpx.Client) -> None:
    """Finding S5, case 28."""
    person = Person(cloud, admin, [["password", "totp"]])
    domain = made(admin, "domain", name=fresh())["id"]
    user = made(admin, "user", name=fresh(), password=PASSWORD, domain_id=domain)
    for role in ("manager", "admin"):
        admin.put(f"/v3/domains/{domain}/users/{user['id']}/roles/{role_id(admin, role)}")
        login = cloud.login(user["name"], PASSWORD, {"domain": {"id": domain}}, domain=domain)
        with cloud.client(login.headers["x-subject-token"]) as client:
            change = {"user": {"options": {"multi_factor_auth_rules": None}}}
            assert client.patch(f"/v3/users/{person.id}", json=change).status_code == 403
            assert client.patch(f"/v3/users/{user['id']}", json=change).status_code == 200, "but of its own"
    assert person.login(person.password()).status_code == 401


# ---- 45: there is no XML to be read

_EVIL = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><credentials>&e;</credentials>"""


@pytest.mark.parametrize("path", ["/v3/s3tokens", "/v3/ec2tokens", "/v3/auth/tokens", "/v3/users"])
@pytest.mark.parametrize("kind", ["text/xml", "application/xml", "application/json"])
def test_45_cve_2022_47950_xml_is_no_request(path: str, kind: str, admin: httpx.Client) -> None:
    answer = admin.post(path, content=_EVIL, headers={"Content-Type": kind})
    assert answer.status_code in (400, 415)
    assert "root:" not in answer.text and answer.headers["content-type"].startswith("application/json")


def test_45_nothing_that_answers_requests_has_an_xml_parser() -> None:
    """What hosts run on (`node`) writes libvirt's XML and reads only libvirt's."""
    root = Path(cumulet.__file__).parent
    parser = re.compile(r"^\s*(import|from) (xml|lxml|defusedxml)\b", re.MULTILINE)
    found = [path for path in root.rglob("*.py") if parser.search(path.read_text())]
    assert all(path.relative_to(root).parts[0] == "node" for path in found), found


# ---- 46: what strangers send is remembered nowhere


def test_46_cve_2021_40797_no_memory_grows_without_bound(cloud: Cloud) -> None:
    """Functions that remember their answers are bounded, take nothing, or take what the source declares, not what is
    sent. All that a controller has loaded is looked at, whichever tests came before."""
    assert [load() for load in controller.loaders().values()]
    declared = {
        *("cumulet.http.shapes", "cumulet.http.bodies", "cumulet.http.app", "cumulet.services.identity.wire.fields"),
        "cumulet.services.network.extensions",
    }

    def memories() -> dict[str, Any]:
        found = [each for each in gc.get_objects() if isinstance(each, functools._lru_cache_wrapper)]
        return {f"{each.__module__}.{each.__name__}": each for each in found if each.__module__.startswith("cumulet")}

    def sizes() -> dict[str, int]:
        return {name: each.cache_info().currsize for name, each in memories().items() if each.__module__ in declared}

    unbounded = [each for each in memories().values() if each.cache_info().maxsize is None]
    assert {each.__module__ for each in unbounded if inspect.signature(each).parameters} <= declared
    before = sizes()
    for number in range(300):
        name = f"x{number}"
        headers = {"Host": f"{name}.example", "X-Auth-Token": name, "Accept": f"a/{name}", "Origin": f"http://{name}"}
        assert cloud.http.get(f"/{name}/{name}", headers=headers).status_code == 404
        assert cloud.http.request("PUT", f"/v3/users/{name}?{name}={name}", headers=headers).status_code in (401, 405)
    assert sizes() == before


def test_46_cve_2021_40797_what_is_counted_is_what_is_declared(cloud: Cloud) -> None:
    """A number for each declared route and status; never for a path, a host, a token or a method that is made up."""
    measures = cloud.app.measures
    (service,) = {mount.service for mount in cloud.app.mounts.values()}
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"]
    sent = [*methods[:-1], "MKCOL", "PROPFIND", "PURGE", "UNLINK"]  # words that the server's parser lets through
    declared = {(service.type, each.method, each.path) for each in service.operations}
    declared |= {(service.type, "HEAD", path) for _, method, path in declared if method == "GET"}
    declared |= {(service.type, method, "") for method in methods}

    def attack(name: str, method: str) -> None:
        headers = {"Host": f"{name}.example", "X-Auth-Token": name, "User-Agent": name, "X-OpenStack-Request-ID": name}
        assert cloud.http.request(method, f"/{name}/{name}?{name}", headers=headers).status_code == 404
        assert cloud.http.request(name, f"/{name}", headers=headers).status_code in (400, 404, 405)
        assert cloud.http.get(f"/v3/users/{name}", headers=headers).status_code == 401
        assert cloud.http.put(f"/v3/users/{name}", headers=headers).status_code == 405
        cloud.http.get("/")  # a request is counted after its answer, and before the next one's

    for method in sent:
        attack("first", method)
    answers, times = set(measures.answers), set(measures.times)
    assert (service.type, "other", "") in times and (service.type, "GET", "/v3/users/{user_id}") in times
    for number in range(300):
        attack(f"x{number}", sent[number % len(sent)])
    assert set(measures.answers) == answers and set(measures.times) == times
    assert times <= declared and {route for route, _ in answers} <= declared


# ---- 47: no text of a request is a program


@pytest.mark.parametrize(
    "text", ["{0.__class__}", "%(admin_token)s", "$(admin_token)s", "{{7*7}}", "${7*7}", "!!python/x"]
)
def test_47_texts_are_kept_as_they_are(text: str, admin: httpx.Client) -> None:
    row = made(admin, "project", name=f"{text}{fresh()}", description=text)
    shown = admin.get(f"/v3/projects/{row['id']}").json()["project"]
    assert (shown["description"], shown["name"]) == (text, row["name"])


@pytest.mark.parametrize("text", ["{0.__class__}", "%(admin_token)s", "$(admin_token)s", "%(__class__)s"])
def test_47_an_address_tells_nothing_of_what_runs(text: str, cloud: Cloud, admin: httpx.Client) -> None:
    """Keystone fills holes of endpoints' addresses; only the ids of the token may fill them."""
    service = made(admin, "service", type=fresh(), name="x")["id"]
    body = {"endpoint": {"service_id": service, "interface": "public", "url": f"http://a.example/{text}"}}
    answer = admin.post("/v3/endpoints", json=body)
    assert answer.status_code in (201, 400)
    catalog = cloud.login("admin", scope=on_project("admin")).json()["token"]["catalog"]
    urls = [each["url"] for entry in catalog if entry["id"] == service for each in entry["endpoints"]]
    assert all(url == f"http://a.example/{text}" for url in urls)
    admin.delete(f"/v3/services/{service}")
