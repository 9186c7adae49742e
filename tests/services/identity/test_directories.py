"""Users and groups of a real directory: OpenLDAP's slapd, started here, with a folder and a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.services.identity.conftest import Cloud, on_project
from tests.services.identity.test_nouns import fresh, made
from tests.services.identity.test_roles import role_id

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(SLAPD is None, reason="needs slapd (Debian package)")

BASE = "dc=example,dc=org"
SETTINGS = f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "{BASE}"
rootdn "cn=admin,{BASE}"
rootpw the-reader's-word
maxsize 10485760
"""


def _person(uid: str, password: str, **more: str) -> str:
    lines = {"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": uid, "userPassword": password, **more}
    return f"dn: uid={uid},ou=People,{BASE}\n" + "".join(f"{name}: {value}\n" for name, value in lines.items()) + "\n"


def _unit(name: str) -> str:
    return f"dn: ou={name},{BASE}\nobjectClass: organizationalUnit\nou: {name}\n\n"


ENTRIES = (
    f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n"
    + _unit("People")
    + _unit("Groups")
    + _person("ada", "lovelace", mail="ada@example.org", employeeType="TRUE")
    + _person("bob", "builder", employeeType="FALSE")
    + _person("eve", "dropper", employeeType="maybe")
    + f"dn: cn=engineers,ou=Groups,{BASE}\nobjectClass: groupOfNames\ncn: engineers\n"
    + f"member: uid=ada,ou=People,{BASE}\nmember: uid=bob,ou=People,{BASE}\n\n"
)


@dataclass
class Company:
    """A domain whose users are in a directory."""

    cloud: Cloud
    domain: str
    process: subprocess.Popen[bytes]

    def login(self, name: str, password: str, scope: Any = None) -> httpx.Response:
        return self.cloud.login(name, password, scope, domain=self.domain)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    folder = tmp_path_factory.mktemp("slapd")
    (folder / "db").mkdir()
    configuration = folder / "slapd.conf"
    configuration.write_text(f"{SETTINGS}directory {folder / 'db'}\n")
    (folder / "entries.ldif").write_text(ENTRIES)
    slapadd = [str(Path(str(SLAPD)).with_name("slapadd")), "-f", str(configuration), "-l", str(folder / "entries.ldif")]
    subprocess.run(slapadd, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [str(SLAPD), "-d", "0", "-f", str(configuration), "-h", f"ldap://127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            assert process.poll() is None and time.monotonic() < end, "slapd does not answer"
            time.sleep(0.05)
        yield port, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def company(cloud: Cloud, directory: tuple[int, subprocess.Popen[bytes]]) -> Company:
    with cloud.client(cloud.token()) as admin:
        domain = made(admin, "domain", name=fresh())["id"]
    options = {
        "url": f"ldap://127.0.0.1:{directory[0]}",
        "user": f"cn=admin,{BASE}",
        "password": "the-reader's-word",
        "suffix": BASE,
        "user_tree_dn": f"ou=People,{BASE}",
        "user_id_attribute": "uid",
        "user_name_attribute": "uid",
        "user_enabled_attribute": "employeeType",
        "group_tree_dn": f"ou=Groups,{BASE}",
        "group_name_attribute": "cn",
    }
    folder = cloud.secrets.parent / "domains"
    folder.mkdir(exist_ok=True)
    file = folder / f"{domain}.yaml"
    file.write_text(yaml.safe_dump({"identity": {"driver": "ldap"}, "ldap": options}))
    os.chmod(file, 0o600)
    return Company(cloud, domain, directory[1])


def ids(company: Company, admin: httpx.Client, noun: str) -> dict[str, str]:
    """Name → id of the domain's users or groups."""
    found = admin.get(f"/v3/{noun}", params={"domain_id": company.domain})
    assert found.status_code == 200, found.text
    return {row["name"]: row["id"] for row in found.json()[noun]}


def test_users_and_groups_are_listed_with_ids_that_stay(company: Company, admin: httpx.Client) -> None:
    users, groups = ids(company, admin, "users"), ids(company, admin, "groups")
    assert set(users) == {"ada", "bob", "eve"} and set(groups) == {"engineers"}
    assert ids(company, admin, "users") == users
    assert all(len(each) == 64 for each in (*users.values(), *groups.values()))
    ada = admin.get(f"/v3/users/{users['ada']}").json()["user"]
    assert (ada["enabled"], ada["domain_id"], ada["email"]) == (True, company.domain, "ada@example.org")
    inside = admin.get(f"/v3/groups/{groups['engineers']}/users").json()["users"]
    assert {row["name"] for row in inside} == {"ada", "bob"}
    assert [row["name"] for row in admin.get(f"/v3/users/{users['ada']}/groups").json()["groups"]] == ["engineers"]
    assert admin.head(f"/v3/groups/{groups['engineers']}/users/{users['ada']}").status_code == 204
    assert admin.head(f"/v3/groups/{groups['engineers']}/users/{users['eve']}").status_code == 404


def test_the_api_may_declare_a_directory(cloud: Cloud, company: Company, admin: httpx.Client) -> None:
    declared = yaml.safe_load((cloud.secrets.parent / "domains" / f"{company.domain}.yaml").read_text())
    domain = made(admin, "domain", name=fresh())["id"]
    path = f"/v3/domains/{domain}/config"
    assert admin.put(path, json={"config": declared}).status_code == 201
    assert cloud.login("ada", "lovelace", domain=domain).status_code == 201
    assert cloud.login("ada", "wrong", domain=domain).status_code == 401
    users = admin.get("/v3/users", params={"domain_id": domain}).json()["users"]
    assert {user["name"] for user in users} == {"ada", "bob", "eve"}
    assert admin.patch(f"{path}/ldap/password", json={"config": {"password": "wrong"}}).status_code == 200
    assert admin.get("/v3/users", params={"domain_id": domain}).status_code == 503


def test_a_bind_proves_a_user_and_a_group_gives_roles(company: Company, admin: httpx.Client) -> None:
    users, groups = ids(company, admin, "users"), ids(company, admin, "groups")
    assert company.login("ada", "lovelace").status_code == 201
    project = admin.get("/v3/projects", params={"name": "demo"}).json()["projects"][0]["id"]
    scope = on_project("demo")
    assert company.login("ada", "lovelace", scope).status_code == 401
    path = f"/v3/projects/{project}/groups/{groups['engineers']}/roles/{role_id(admin, 'reader')}"
    assert admin.put(path).status_code == 204
    token = company.login("ada", "lovelace", scope)
    assert token.status_code == 201
    assert token.json()["token"]["user"]["id"] == users["ada"]
    assert [role["name"] for role in token.json()["token"]["roles"]] == ["reader"]
    assert admin.delete(path).status_code == 204
    assert company.login("ada", "lovelace", scope).status_code == 401


def test_ossa_2026_007_disabled_is_what_the_text_says(company: Company, admin: httpx.Client) -> None:
    """Text is true to Python whatever it says; what is neither a yes nor a no is a no."""
    users = ids(company, admin, "users")
    for name, password in (("bob", "builder"), ("eve", "dropper")):
        assert company.login(name, password).status_code == 401
        assert admin.get(f"/v3/users/{users[name]}").json()["user"]["enabled"] is False


@pytest.mark.parametrize("password", ["", "wrong", "lovelace ", "é" * 5000])
def test_wrong_and_empty_passwords_are_refused(company: Company, password: str) -> None:
    """An empty password is an anonymous bind to a directory, which succeeds."""
    assert company.login("ada", password).status_code == 401


@pytest.mark.parametrize("name", ["*", "a*", "ada)(uid=*", "(|(uid=*))", "\\2a", "ada,ou=People", "nobody"])
def test_names_are_never_patterns(company: Company, admin: httpx.Client, name: str) -> None:
    assert company.login(name, "lovelace").status_code == 401
    found = admin.get("/v3/users", params={"domain_id": company.domain, "name": name})
    assert found.json()["users"] == []


def test_what_the_directory_keeps_is_only_read(company: Company, admin: httpx.Client) -> None:
    users, groups = ids(company, admin, "users"), ids(company, admin, "groups")
    user, group = f"/v3/users/{users['ada']}", f"/v3/groups/{groups['engineers']}"
    new = {"name": fresh(), "domain_id": company.domain}
    answers = [
        admin.post("/v3/users", json={"user": new}),
        admin.post("/v3/groups", json={"group": new}),
        admin.patch(user, json={"user": {"name": "other"}}),
        admin.patch(group, json={"group": {"name": "other"}}),
        admin.delete(user),
        admin.delete(group),
        admin.put(f"{group}/users/{users['eve']}"),
        admin.delete(f"{group}/users/{users['ada']}"),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers), [a.text for a in answers]
    assert ids(company, admin, "users") == users


def test_another_domain_goes_on_when_the_directory_is_away(company: Company, admin: httpx.Client) -> None:
    company.process.kill()
    company.process.wait()
    assert company.login("ada", "lovelace").status_code == 401
    assert admin.get("/v3/users", params={"domain_id": company.domain}).status_code == 503
    assert company.cloud.login().status_code == 201
    assert admin.get("/v3/users", params={"domain_id": "default"}).status_code == 200


@pytest.mark.parametrize("fault", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_cannot_be_read_lets_nobody_in(
    fault: OSError, cloud: Cloud, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that belongs to somebody else must not make a directory's domain one of rows of ours."""
    domain = made(admin, "domain", name=fresh())["id"]
    user = made(admin, "user", name=fresh(), password="pw", domain_id=domain)
    assert cloud.login(user["name"], "pw", domain=domain).status_code == 201
    real = Path.stat

    def stat(path: Path, **more: Any) -> os.stat_result:
        if path.name == f"{domain}.yaml":
            raise fault
        return real(path, **more)

    monkeypatch.setattr(Path, "stat", stat)
    assert cloud.login(user["name"], "pw", domain=domain).status_code == 401
    assert admin.get("/v3/users", params={"domain_id": domain}).status_code == 503
    assert f"{domain}.yaml cannot be read: {fault.strerror}" in caplog.text
