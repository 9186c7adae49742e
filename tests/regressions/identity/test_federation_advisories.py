"""Federated users: the roles of their own groups and no others, and nobody else's projects (case 27).

A real provider signs the tokens. How rules of a mapping are read is in the tests of identity's mapping rules.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.services.identity.conftest import Cloud
from tests.services.identity.federating import FEDERATION, Trust, rescoped
from tests.services.identity.provider import Provider, running
from tests.services.identity.test_nouns import fresh, made
from tests.services.identity.test_roles import role_id


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


def test_27_cve_2017_2673_the_roles_of_ones_own_groups(
    cloud: Cloud,
    admin: httpx.Client,
    provider: Provider,
) -> None:
    """OSSA-2017-004: what others are in the same project, and what one's group is elsewhere, is no role there."""
    devs, bosses = made(admin, "group", name=fresh()), made(admin, "group", name=fresh())
    here, elsewhere = made(admin, "project", name=fresh()), made(admin, "project", name=fresh())
    for project, group, role in ((here, devs, "reader"), (here, bosses, "admin"), (elsewhere, devs, "admin")):
        path = f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{role_id(admin, role)}"
        assert admin.put(path).status_code == 204
    rules = [
        {"local": [{"user": {"name": "{0}"}}, {"group": {"id": devs["id"]}}], "remote": [{"type": "OIDC-sub"}]},
        {
            "local": [{"group": {"id": bosses["id"]}}],
            "remote": [{"type": "OIDC-groups", "any_one_of": ["bosses"]}],
        },
    ]
    trust = Trust(cloud, admin, provider, rules)
    for groups in ([], ["devs"], ["bosses;devs"], ["boss"], "bosses,"):
        token, told = trust.token(sub=fresh(), groups=groups)
        assert told["user"]["OS-FEDERATION"]["groups"] == [{"id": devs["id"]}], groups
        scoped = rescoped(cloud, token, {"project": {"id": here["id"]}}).json()["token"]
        assert {role["name"] for role in scoped["roles"]} == {"reader"}
    token, _ = trust.token(sub=fresh(), groups=["bosses"])
    scoped = rescoped(cloud, token, {"project": {"id": here["id"]}}).json()["token"]
    assert "admin" in {role["name"] for role in scoped["roles"]}


def test_27_cve_2018_14432_lists_are_of_ones_own_projects(
    cloud: Cloud,
    admin: httpx.Client,
    demo: httpx.Client,
    provider: Provider,
) -> None:
    """OSSA-2018-002: the lists for federated users once named every project and domain to anybody with a token."""
    group, project, foreign = (made(admin, noun, name=fresh()) for noun in ("group", "project", "project"))
    domain = made(admin, "domain", name=fresh())
    path = f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{role_id(admin, 'reader')}"
    assert admin.put(path).status_code == 204
    local = [{"user": {"name": "{0}"}}, {"group": {"id": group["id"]}}]
    trust = Trust(cloud, admin, provider, [{"local": local, "remote": [{"type": "OIDC-sub"}]}])
    token, _ = trust.token(sub=fresh())
    with cloud.client(token) as federated:
        for place in (f"{FEDERATION}/projects", "/v3/auth/projects"):
            assert [each["id"] for each in federated.get(place).json()["projects"]] == [project["id"]]
        for place in (f"{FEDERATION}/domains", "/v3/auth/domains"):
            assert federated.get(place).json()["domains"] == []
        assert federated.get("/v3/projects").status_code in (401, 403)
    for place in (f"{FEDERATION}/projects", f"{FEDERATION}/domains"):
        text = demo.get(place).text
        assert not any(each in text for each in (foreign["id"], project["id"], domain["id"]))
