"""An administrator of a domain is not the cloud's (finding S5, case 28), whichever way he takes.

Everything is asked under both rules: the default, and Keystone's letter, where the same requests go through: what the
tests refuse is thereby shown to be asked rightly.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.assembled import KEYSTONES_LETTER, Answer, Assembled

PASSWORD = "correct horse battery staple"
SAFE = ""
MODES = pytest.mark.parametrize("mode", [SAFE, KEYSTONES_LETTER], ids=["safe", "letter"])


@dataclass
class Domain:
    """A domain that was handed out: `admin` has the role admin on it, and no other grant."""

    cloud: Assembled
    id: str
    admin: str
    admin_id: str
    project: str
    user: str
    roles: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = b"", **more: Any) -> Answer:
        """Of identity, as the domain's administrator unless `token` says otherwise."""
        return self.cloud.ask("identity", method, path, body=body, **{"token": self.token(), **more})

    def as_cloud(self, method: str, path: str, body: Any = b"") -> Answer:
        found = self.cloud.ask("identity", method, path, body=body, token=self.cloud.admin)
        assert found.status < 300, found.body
        return found

    def token(self, scope: Any = None, user: str = "") -> str:
        return self.cloud.log_in(user or self.admin, PASSWORD, scope or {"domain": {"id": self.id}}, domain=self.id)

    @property
    def on_project(self) -> dict[str, Any]:
        return {"project": {"id": self.project}}


def fresh() -> str:
    return f"x{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("domains") / "state")
    yield found
    found.close()


def handed_out(cloud: Assembled) -> Domain:
    def make(path: str, noun: str, **fields: Any) -> str:
        answer = cloud.ask("identity", "POST", path, body={noun: fields}, token=cloud.admin)
        assert answer.status == 201, answer.body
        return str(answer.json[noun]["id"])

    roles = cloud.ask("identity", "GET", "/v3/roles", token=cloud.admin).json["roles"]
    domain_id, admin = make("/v3/domains", "domain", name=fresh()), fresh()
    found = Domain(
        cloud,
        domain_id,
        admin,
        make("/v3/users", "user", name=admin, password=PASSWORD, domain_id=domain_id),
        make("/v3/projects", "project", name=fresh(), domain_id=domain_id),
        make("/v3/users", "user", name=fresh(), password=PASSWORD, domain_id=domain_id),
        {role["name"]: role["id"] for role in roles},
    )
    found.as_cloud("PUT", f"/v3/domains/{domain_id}/users/{found.admin_id}/roles/{found.roles['admin']}")
    return found


@pytest.fixture
def domain(cloud: Assembled) -> Domain:
    return handed_out(cloud)


@pytest.fixture(scope="module")
def first(cloud: Assembled) -> dict[str, str]:
    """Ids of what belongs to the cloud's own domain, and to nobody who asks here."""

    def made(path: str, noun: str, **fields: str) -> str:
        answer = cloud.ask("identity", "POST", path, body={noun: fields}, token=cloud.admin)
        assert answer.status == 201, answer.body
        return str(answer.json[noun]["id"])

    users = cloud.ask("identity", "GET", "/v3/users", query="domain_id=default", token=cloud.admin).json["users"]
    found = {user["name"]: user["id"] for user in users if user["name"] in ("admin", "demo")}
    return {
        **found,
        "project": made("/v3/projects", "project", name=fresh(), domain_id="default"),
        "credential": made(
            "/v3/credentials", "credential", type="totp", user_id=found["demo"], blob="JBSWY3DPEHPK3PXP"
        ),
    }


def powers(cloud: Assembled, token: str, first: dict[str, str]) -> set[str]:
    """Which of the cloud's own doors `token` opens. Nothing of it is kept."""
    project, victim = first["project"], first["demo"]
    with cloud.keeps_nothing():

        def opens(service: str, method: str, path: str, body: Any = b"", query: str = "", holds: str = "") -> bool:
            answer = cloud.ask(service, method, path, body=body, query=query, token=token)
            assert answer.status < 500, answer.body
            return answer.status < 300 and holds in answer.body.decode()

        image = {"name": "i", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "X"}]}]
        tried = {
            "password": opens("identity", "PATCH", f"/v3/users/{victim}", {"user": {"password": "taken"}}),
            "user": opens("identity", "POST", "/v3/users", {"user": {"name": fresh(), "domain_id": "default"}}),
            "credentials": opens("identity", "GET", "/v3/credentials", holds=first["credential"]),
            "credential": opens("identity", "GET", f"/v3/credentials/{first['credential']}"),
            "tokens": opens("identity", "DELETE", f"/v3/users/{victim}/tokens"),
            "project": opens("identity", "GET", f"/v3/projects/{project}"),
            "projects": opens("identity", "GET", "/v3/projects", holds=project),
            "domain": opens("identity", "POST", "/v3/domains", {"domain": {"name": fresh()}}),
            "role": opens("identity", "POST", "/v3/roles", {"role": {"name": fresh()}}),
            "mapping": opens("identity", "PUT", f"/v3/OS-FEDERATION/mappings/{fresh()}", {"mapping": {"rules": rules}}),
            "provider": opens(
                "identity", "PUT", f"/v3/OS-FEDERATION/identity_providers/{fresh()}", {"identity_provider": {}}
            ),
            "service": opens("identity", "POST", "/v3/services", {"service": {"type": "x", "name": "x"}}),
            "revocations": opens("identity", "GET", "/v3/OS-REVOKE/events"),
            "servers": opens("compute", "GET", "/v2.1/servers", query="all_tenants=1&project_id=" + project),
            "hypervisors": opens("compute", "GET", "/v2.1/os-hypervisors"),
            "flavor": opens(
                "compute", "POST", "/v2.1/flavors", {"flavor": {"name": fresh(), "ram": 1, "vcpus": 1, "disk": 0}}
            ),
            "shared": opens("network", "POST", "/v2.0/networks", {"network": {"name": "n", "shared": True}}),
            "network of another project": opens(
                "network", "POST", "/v2.0/networks", {"network": {"project_id": project}}
            ),
            "public image": opens("image", "POST", "/v2/images", image),
            "placement": opens("placement", "GET", "/resource_providers"),
        }
    return {name for name, opened in tried.items() if opened}


def grants(domain: Domain, actor: str) -> list[str]:
    """Every way to give `actor` ("users/…", "groups/…") the role admin in the domain."""
    role = domain.roles["admin"]
    places = [f"projects/{domain.project}", f"domains/{domain.id}"]
    inherited = [f"/v3/OS-INHERIT/{place}/{actor}/roles/{role}/inherited_to_projects" for place in places]
    return [*(f"/v3/{place}/{actor}/roles/{role}" for place in places), *inherited]


# ---- the report's own requests


@MODES
def test_the_reports_requests(mode: str, cloud: Assembled, domain: Domain, first: dict[str, str]) -> None:
    """Finding S5, cases 23 and 28."""
    by_letter = mode == KEYSTONES_LETTER
    admin_of = f"/v3/projects/{first['project']}/users/{domain.admin_id}/roles/{domain.roles['admin']}"
    with cloud.under(mode):
        change = domain.ask("PATCH", f"/v3/users/{first['demo']}", {"user": {"description": "changed"}})
        assert change.status == (200 if by_letter else 403)
        listed = domain.ask("GET", "/v3/credentials")
        assert listed.status == 200
        assert (first["credential"] in listed.body.decode()) == by_letter
        with cloud.keeps_nothing():
            assert domain.ask("PUT", admin_of).status == (204 if by_letter else 403)
        told = domain.ask("GET", "/v3/auth/tokens", headers={"x-subject-token": domain.token()}).json["token"]
        assert "admin" in [role["name"] for role in told["roles"]], "tokens say what was assigned"


def test_a_refusal_is_keystones(domain: Domain, first: dict[str, str]) -> None:
    """Finding S5, case 28."""
    answer = domain.ask("PATCH", f"/v3/users/{first['demo']}", {"user": {"password": "taken"}})
    words = "You are not authorized to perform the requested action: identity:update_user."
    assert answer.json == {"error": {"code": 403, "message": words, "title": "Forbidden"}}


# ---- the detours


@MODES
@pytest.mark.parametrize("kind", ["user", "group"])
def test_he_makes_nobody_an_administrator(mode: str, kind: str, cloud: Assembled, domain: Domain) -> None:
    """Finding S5, case 28: services outside this package, which read tokens, take the role admin by its name."""
    made = domain.ask("POST", f"/v3/{kind}s", {kind: {"name": fresh(), "domain_id": domain.id}})
    assert made.status == 201, made.body
    actor = f"{kind}s/{made.json[kind]['id']}"
    with cloud.under(mode):
        status = 204 if mode == KEYSTONES_LETTER else 403
        assert [domain.ask("PUT", path).status for path in grants(domain, actor)] == [status] * 4
        given = {
            name: domain.ask("PUT", f"/v3/projects/{domain.project}/{actor}/roles/{role}").status
            for name, role in domain.roles.items()
        }
        assert given == {"admin": status, "service": status, "manager": 204, "member": 204, "reader": 204}


def ways(domain: Domain) -> dict[str, str]:
    """Tokens with the role admin, each got in another way, by the letter: name → token."""
    cloud, on_project = domain.cloud, domain.on_project
    found = {"domain": domain.token()}

    def answered(method: str, path: str, body: Any = b"", **more: Any) -> Any:
        answer = domain.ask(method, path, body, **more)
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None

    def person(*, grants_to: str) -> tuple[str, str]:
        name = fresh()
        user = answered("POST", "/v3/users", {"user": {"name": name, "password": PASSWORD, "domain_id": domain.id}})[
            "user"
        ]["id"]
        if grants_to == "group":
            group = answered("POST", "/v3/groups", {"group": {"name": fresh()}})["group"]["id"]
            answered("PUT", f"/v3/groups/{group}/users/{user}")
            answered("PUT", grants(domain, f"groups/{group}")[0])
        else:
            answered("PUT", grants(domain, f"users/{user}")[int(grants_to)])
        return name, user

    def logged_in(identity: Any, scope: Any) -> str:
        asked = {"auth": {"identity": identity, **({"scope": scope} if scope else {})}}
        answer = cloud.ask("identity", "POST", "/v3/auth/tokens", body=asked)
        assert answer.status == 201, answer.body
        return answer.headers["x-subject-token"]

    name, user = person(grants_to="0")
    owned = found["project"] = domain.token(on_project, name)
    found["project, inherited from the domain"] = domain.token(on_project, person(grants_to="3")[0])
    found["project, through a group"] = domain.token(on_project, person(grants_to="group")[0])
    child = answered("POST", "/v3/projects", {"project": {"name": fresh(), "parent_id": domain.project}})
    below = {"project": {"id": child["project"]["id"]}}
    found["project, inherited from the one above"] = domain.token(below, person(grants_to="2")[0])
    found["rescoped"] = logged_in({"methods": ["token"], "token": {"id": owned}}, on_project)
    body = {"application_credential": {"name": fresh(), "unrestricted": True}}
    kept = answered("POST", f"/v3/users/{user}/application_credentials", body, token=owned)["application_credential"]
    by = {"id": kept["id"], "secret": kept["secret"]}
    found["application credential"] = logged_in(
        {"methods": ["application_credential"], "application_credential": by}, None
    )
    for impersonation in (True, False):
        trusted, trustee = person(grants_to="1")
        trust = {
            "trustor_user_id": user,
            "trustee_user_id": trustee,
            "project_id": domain.project,
            "impersonation": impersonation,
            "roles": [{"name": "admin"}],
        }
        trust_id = answered("POST", "/v3/OS-TRUST/trusts", {"trust": trust}, token=owned)["trust"]["id"]
        named = {"name": trusted, "domain": {"id": domain.id}, "password": PASSWORD}
        key = "trust, as the trustor" if impersonation else "trust"
        scope = {"OS-TRUST:trust": {"id": trust_id}}
        found[key] = logged_in({"methods": ["password"], "password": {"user": named}}, scope)
    return found


def test_no_token_of_the_domain_is_the_clouds(cloud: Assembled, domain: Domain, first: dict[str, str]) -> None:
    """Finding S5, case 28: tokens that were good for the whole cloud by the letter are so no more a moment later."""
    with cloud.under(KEYSTONES_LETTER):
        found = ways(domain)
        by_letter = {name: powers(cloud, token, first) for name, token in found.items()}
    assert {name: powers(cloud, token, first) for name, token in found.items()} == {name: set() for name in found}
    everything = powers(cloud, cloud.admin, first)
    assert len(everything) == 20
    projects = by_letter.keys() - {"domain"}
    for name in projects:
        assert everything - by_letter[name] <= {"credentials", "credential"}, name  # no delegation sees secrets
    assert {"password", "user", "credentials", "credential", "tokens", "project"} == by_letter["domain"]
    with cloud.under(KEYSTONES_LETTER):
        assert {name: powers(cloud, token, first) for name, token in found.items()} == by_letter


def test_who_is_the_clouds_own_stays_it(cloud: Assembled, first: dict[str, str]) -> None:
    """Finding S5, case 28: who administers the first domain, a project of it, or the system."""
    roles = cloud.ask("identity", "GET", "/v3/roles", token=cloud.admin).json["roles"]
    role = next(each["id"] for each in roles if each["name"] == "admin")
    path = f"/v3/domains/default/users/{first['admin']}/roles/{role}"
    assert cloud.ask("identity", "PUT", path, token=cloud.admin).status == 204
    of_identity = {"password", "user", "credentials", "tokens", "project", "projects", "domain", "role", "mapping"}
    for scope in ({"domain": {"id": "default"}}, {"system": {"all": True}}):
        token = cloud.log_in("admin", cloud.secret("admin"), scope)
        assert of_identity <= powers(cloud, token, first)
    for project in ("admin", "demo"):
        scope = {"project": {"name": project, "domain": {"id": "default"}}}  # type: ignore[assignment]
        assert len(powers(cloud, cloud.log_in("admin", cloud.secret("admin"), scope), first)) == 20


@MODES
def test_the_domains_own_things_stay_his(mode: str, cloud: Assembled, domain: Domain) -> None:
    """Finding S5, case 28. What Keystone lets a manager of a domain do, he does there."""
    with cloud.under(mode):

        def made(noun: str, **fields: Any) -> str:
            answer = domain.ask("POST", f"/v3/{noun}s", {noun: {"name": fresh(), **fields}})
            assert answer.status == 201, answer.body  # he need not name his domain, but for users
            assert answer.json[noun]["domain_id"] == domain.id
            return str(answer.json[noun]["id"])

        ids = {
            "user": made("user", password="a", domain_id=domain.id),
            "group": made("group"),
            "project": made("project"),
        }
        child = made("project", parent_id=ids["project"])
        steps = [
            ("PATCH", f"/v3/users/{ids['user']}", {"user": {"password": "b", "enabled": False}}),
            ("PUT", f"/v3/groups/{ids['group']}/users/{ids['user']}", b""),
            ("PUT", f"/v3/projects/{child}/groups/{ids['group']}/roles/{domain.roles['member']}", b""),
            ("GET", f"/v3/projects/{child}/groups/{ids['group']}/roles", b""),
            ("PUT", f"/v3/projects/{child}/tags/mine", b""),
            ("DELETE", f"/v3/projects/{child}/groups/{ids['group']}/roles/{domain.roles['member']}", b""),
            *(("GET", f"/v3/{noun}s/{ids[noun]}", b"") for noun in ids),
            ("DELETE", f"/v3/projects/{child}", b""),
            *(("DELETE", f"/v3/{noun}s/{ids[noun]}", b"") for noun in ids),
        ]
        assert [step for step in steps if domain.ask(*step).status >= 300] == []


def test_lists_are_of_his_domain_alone(cloud: Assembled, domain: Domain, first: dict[str, str]) -> None:
    """Finding S5, case 28."""
    other = handed_out(cloud)
    foreign = {*first.values(), other.id, other.project, other.user, "default"}
    paths = ("users", "groups", "projects", "domains", "role_assignments", "credentials")
    queries = ("", "domain_id=default", f"domain_id={other.id}", f"user.id={first['admin']}", "scope.system=all")
    for path in paths:
        for query in queries:
            answer = domain.ask("GET", f"/v3/{path}", query=query)
            assert answer.status in (200, 403), answer.body
            if answer.status == 200:
                text = json.dumps(answer.json[path])
                assert [each for each in foreign if f'"{each}"' in text] == [], (path, query)
    for noun, known in (("user", other.user), ("project", other.project), ("credential", first["credential"])):
        for identifier in (known, "0" * 32):
            assert domain.ask("GET", f"/v3/{noun}s/{identifier}").status == 403, "no telling whether there is one"
    for path in (
        f"users/{other.user}/groups",
        f"users/{other.user}/projects",
        f"users/{other.user}/application_credentials",
    ):
        assert domain.ask("GET", f"/v3/{path}").status == 403
    assert domain.ask("GET", "/v3/OS-TRUST/trusts").status == 403


def test_no_domain_is_made_out_of_a_project(domain: Domain) -> None:
    """Finding S5, case 28: a manager of a domain makes no other one, whichever way it is spelt."""
    for more in ({}, {"domain_id": domain.id}, {"domain_id": "default"}, {"parent_id": domain.id}):
        asked = {"project": {"name": fresh(), "is_domain": True, **more}}
        assert domain.ask("POST", "/v3/projects", asked).status in (400, 403)
    asked = {"project": {"name": fresh(), "is_domain": True, "domain_id": domain.id}}
    refused = domain.ask("POST", "/v3/projects", asked, token=domain.cloud.admin)
    assert refused.status == 400
    assert "only root projects are allowed to act as domains" in refused.json["error"]["message"]


def test_nothing_moves_into_the_first_domain(domain: Domain, first: dict[str, str]) -> None:
    """Finding S5, case 28."""
    for noun, identifier in (("user", domain.user), ("project", domain.project)):
        for change in ({"domain_id": "default"}, {"domain_id": None}, {"parent_id": first["project"]}):
            answer = domain.ask("PATCH", f"/v3/{noun}s/{identifier}", {noun: change})
            seen = domain.as_cloud("GET", f"/v3/{noun}s/{identifier}").json[noun]
            assert answer.status < 500
            assert seen["domain_id"] == domain.id
    for more in ({"parent_id": first["project"]}, {"domain_id": "default"}, {"parent_id": "default"}):
        assert domain.ask("POST", "/v3/projects", {"project": {"name": fresh(), **more}}).status in (400, 403)


def test_another_domains_role_is_not_his_to_give(cloud: Assembled, domain: Domain) -> None:
    """Finding S5, case 28: names decide which roles managers give, and a domain's role may have any name and imply any
    role but admin."""
    other = handed_out(cloud)
    asked = {"role": {"name": "member", "domain_id": other.id}}
    role = domain.as_cloud("POST", "/v3/roles", asked).json["role"]["id"]
    domain.as_cloud("PUT", f"/v3/roles/{role}/implies/{domain.roles['service']}")
    for place in (f"domains/{domain.id}", f"projects/{domain.project}"):
        assert domain.ask("PUT", f"/v3/{place}/users/{domain.user}/roles/{role}").status == 403
    assert domain.ask("PUT", f"/v3/roles/{domain.roles['reader']}/implies/{domain.roles['service']}").status == 403


@MODES
def test_nobody_is_given_a_strangers_name_at_her_provider(mode: str, cloud: Assembled, domain: Domain) -> None:
    """Finding S5, case 28. Whose user has the name gets the stranger's next login."""
    provider, mapping = fresh(), fresh()
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "X"}]}]
    path = f"/v3/OS-FEDERATION/identity_providers/{provider}"
    domain.as_cloud("PUT", f"/v3/OS-FEDERATION/mappings/{mapping}", {"mapping": {"rules": rules}})
    for domain_id, status in (("default", 400), (domain.id, 200)):
        domain.as_cloud("PUT", path, {"identity_provider": {"domain_id": domain_id}})
        domain.as_cloud("PUT", f"{path}/protocols/openid", {"protocol": {"mapping_id": mapping}})
        named = {"idp_id": provider, "protocols": [{"protocol_id": "openid", "unique_id": fresh()}]}
        with cloud.under(mode):
            answer = domain.ask("PATCH", f"/v3/users/{domain.user}", {"user": {"federated": [named]}})
            assert answer.status == (200 if mode == KEYSTONES_LETTER else status), answer.body
        domain.as_cloud("DELETE", path)


# ---- the switch


def test_an_operator_names_another_domain_as_the_clouds(
    cloud: Assembled, domain: Domain, first: dict[str, str]
) -> None:
    """Finding S5, case 28."""
    named = f'"cloud_admin": "rule:admin_of_ours"\n"admin_of_ours": "project_domain_id:{domain.id}"'
    domain.as_cloud("PUT", grants(domain, f"users/{domain.admin_id}")[0])
    token = domain.token(domain.on_project)
    assert powers(cloud, token, first) == set()
    with cloud.under(named):
        assert powers(cloud, token, first) == powers(cloud, token, first) | {"servers", "placement", "password"}
        assert powers(cloud, cloud.admin, first) == set()
    with cloud.under('image:\n  "cloud_admin": "role:admin"'):
        assert powers(cloud, token, first) == {"public image"}


def test_the_switch_makes_no_administrators(cloud: Assembled, domain: Domain, first: dict[str, str]) -> None:
    """Finding S5, case 28. It says whose role admin counts; who has none stays what he is."""
    domain.as_cloud("PUT", f"/v3/domains/{domain.id}/users/{domain.user}/roles/{domain.roles['manager']}")
    name = domain.as_cloud("GET", f"/v3/users/{domain.user}").json["user"]["name"]
    with cloud.under('"cloud_admin": "@"'):
        assert powers(cloud, domain.token(None, name), first) == set()
        assert len(powers(cloud, cloud.admin, first)) == 20


def test_the_file_is_one_line_in_the_sample(tmp_path: Path) -> None:
    """Finding S5, case 28."""
    from cumulet.cli.policy import sample_lines

    lines = list(sample_lines())
    (line,) = [line for line in lines if line.startswith('#"cloud_admin":')]
    assert "project_domain_id:default" in line
    assert any("Keystone's letter" in each for each in lines)
