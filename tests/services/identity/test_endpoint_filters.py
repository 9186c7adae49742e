"""Which endpoints a project sees: associations, endpoint groups, and the catalog that follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from keystoneclient.v3.client import Client

from .conftest import PASSWORD, Cloud
from .test_nouns import fresh, made, message
from .test_policies import post
from .test_roles import role_id

GROUPS = "/v3/OS-EP-FILTER/endpoint_groups"
ABSENT = "0" * 32


@dataclass
class Tenant:
    """A project with a member, and a service with two endpoints in a region of its own."""

    admin: httpx.Client
    client: httpx.Client
    project: str
    region: str
    service: str
    public: str
    internal: str

    def seen(self) -> set[str]:
        """Ids of the endpoints in the catalog of a project's token."""
        catalog = self.client.get("/v3/auth/catalog").json()["catalog"]
        token = self.client.headers["x-auth-token"]
        body = self.client.get("/v3/auth/tokens", headers={"X-Subject-Token": token}).json()["token"]
        assert body["catalog"] == catalog
        narrowed = sum(len(service["endpoints"]) for service in catalog) < 6
        assert not narrowed or all(service["endpoints"] for service in catalog)
        return {endpoint["id"] for service in catalog for endpoint in service["endpoints"]}

    def single(self, endpoint: str) -> str:
        return f"/v3/OS-EP-FILTER/projects/{self.project}/endpoints/{endpoint}"

    def group(self, **filters: str) -> str:
        fields = {"name": fresh(), "filters": filters}
        return str(post(self.admin, "endpoint_group", "OS-EP-FILTER/endpoint_groups", **fields)["id"])

    def membership(self, group: str) -> str:
        return f"{GROUPS}/{group}/projects/{self.project}"


@pytest.fixture
def tenant(cloud: Cloud, admin: httpx.Client) -> Iterator[Tenant]:
    project = made(admin, "project", name=fresh())["id"]
    user = made(admin, "user", name=fresh(), password=PASSWORD)
    admin.put(f"/v3/projects/{project}/users/{user['id']}/roles/{role_id(admin, 'member')}")
    region = post(admin, "region", id=fresh())["id"]
    service = post(admin, "service", type="thing")["id"]
    where = {"service_id": service, "region_id": region, "url": "http://a/%(project_id)s"}
    public, internal = (post(admin, "endpoint", interface=kind, **where)["id"] for kind in ("public", "internal"))
    token = cloud.login(user["name"], PASSWORD, {"project": {"id": project}}).headers["x-subject-token"]
    with cloud.client(token) as client:
        yield Tenant(admin, client, project, region, service, public, internal)
    admin.delete(f"/v3/services/{service}")


def test_a_project_with_associations_sees_only_those(tenant: Tenant) -> None:
    whole = tenant.seen()
    assert {tenant.public, tenant.internal} < whole
    path = tenant.single(tenant.public)
    absent = tenant.admin.get(path)
    assert absent.status_code == 404
    assert message(absent) == f"Endpoint {tenant.public} not found in project {tenant.project}"
    assert tenant.admin.put(path).status_code == 204
    again = tenant.admin.put(path)
    assert again.status_code == 409
    assert message(again) == "Conflict occurred attempting to store project_endpoint - Duplicate entry."
    assert tenant.admin.get(path).status_code == 204 and tenant.admin.head(path).status_code == 204
    assert tenant.seen() == {tenant.public}
    catalog = tenant.client.get("/v3/auth/catalog").json()["catalog"]
    assert catalog[0]["endpoints"][0]["url"] == f"http://a/{tenant.project}"
    listed = tenant.admin.get(f"/v3/OS-EP-FILTER/projects/{tenant.project}/endpoints").json()["endpoints"]
    assert [each["id"] for each in listed] == [tenant.public]
    listed = tenant.admin.get(f"/v3/OS-EP-FILTER/endpoints/{tenant.public}/projects").json()["projects"]
    assert [each["id"] for each in listed] == [tenant.project]
    assert tenant.admin.delete(path).status_code == 204 and tenant.admin.delete(path).status_code == 404
    assert tenant.seen() == whole


def test_the_catalogs_of_others_stay_whole(tenant: Tenant) -> None:
    tenant.admin.put(tenant.single(tenant.public))
    catalog = tenant.admin.get("/v3/auth/catalog").json()["catalog"]
    assert {service["type"] for service in catalog} > {"identity", "thing"}
    assert tenant.seen() == {tenant.public}


def test_a_disabled_endpoint_narrows_to_nothing(tenant: Tenant) -> None:
    tenant.admin.put(tenant.single(tenant.public))
    tenant.admin.patch(f"/v3/endpoints/{tenant.public}", json={"endpoint": {"enabled": False}})
    assert tenant.seen() == set()
    tenant.admin.delete(f"/v3/endpoints/{tenant.public}")  # and its associations: the project sees all again
    assert tenant.internal in tenant.seen()


def test_groups_narrow_too(tenant: Tenant) -> None:
    whole = tenant.seen()
    group = tenant.group(region_id=tenant.region, interface="internal")
    path = tenant.membership(group)
    absent = tenant.admin.get(path)
    assert (absent.status_code, message(absent)) == (404, "Endpoint Group Project Association not found")
    assert [tenant.admin.put(path).status_code for _ in range(2)] == [204, 409]
    row = tenant.admin.get(path).json()["project_endpoint_group"]
    assert (row["endpoint_group_id"], row["project_id"]) == (group, tenant.project)
    assert tenant.seen() == {tenant.internal}
    tenant.admin.put(tenant.single(tenant.public))
    assert tenant.seen() == {tenant.internal, tenant.public}
    every = tenant.admin.get(f"/v3/OS-EP-FILTER/projects/{tenant.project}/endpoints").json()["endpoints"]
    assert {each["id"] for each in every} == {tenant.internal, tenant.public}
    tenant.admin.delete(tenant.single(tenant.public))
    change = {"endpoint_group": {"filters": {"service_id": tenant.service}}}
    tenant.admin.patch(f"{GROUPS}/{group}", json=change)
    assert tenant.seen() == {tenant.internal, tenant.public}
    tenant.admin.patch(f"{GROUPS}/{group}", json={"endpoint_group": {"filters": {"service_id": ABSENT}}})
    assert tenant.seen() == whole  # what narrows to nothing does not narrow
    assert tenant.admin.delete(path).status_code == 204 and tenant.admin.delete(path).status_code == 404


def test_what_a_group_gathers_and_who_has_it(tenant: Tenant) -> None:
    group = tenant.group(service_id=tenant.service)
    tenant.admin.put(tenant.membership(group))
    listed = tenant.admin.get(f"{GROUPS}/{group}/endpoints").json()["endpoints"]
    assert {each["id"] for each in listed} == {tenant.public, tenant.internal}
    both = tenant.admin.get(f"{GROUPS}/{group}/endpoints", params={"limit": 2}).json()
    assert len(both["endpoints"]) == 2 and both["links"]["next"] is None  # there are no pages of these
    listed = tenant.admin.get(f"{GROUPS}/{group}/projects").json()["projects"]
    assert [each["id"] for each in listed] == [tenant.project]
    listed = tenant.admin.get(f"/v3/OS-EP-FILTER/projects/{tenant.project}/endpoint_groups").json()["endpoint_groups"]
    assert [each["id"] for each in listed] == [group]
    assert tenant.admin.delete(f"{GROUPS}/{group}").status_code == 204
    listed = tenant.admin.get(f"/v3/OS-EP-FILTER/projects/{tenant.project}/endpoint_groups").json()["endpoint_groups"]
    assert listed == []


def test_a_project_that_goes_takes_its_associations_along(tenant: Tenant) -> None:
    group = tenant.group(interface="public")
    tenant.admin.put(tenant.membership(group))
    tenant.admin.put(tenant.single(tenant.public))
    assert tenant.admin.delete(f"/v3/projects/{tenant.project}").status_code == 204
    assert tenant.admin.get(f"{GROUPS}/{group}/projects").json()["projects"] == []
    assert tenant.admin.get(f"/v3/OS-EP-FILTER/endpoints/{tenant.public}/projects").json()["projects"] == []


def test_life_of_an_endpoint_group(admin: httpx.Client) -> None:
    name = fresh()
    answer = admin.post(GROUPS, json={"endpoint_group": {"name": name, "filters": {"interface": "admin"}}})
    assert answer.status_code == 201
    row = answer.json()["endpoint_group"]
    path = f"{GROUPS}/{row['id']}"
    assert row["links"]["self"].endswith(path) and row["description"] is None
    assert admin.get(path).json()["endpoint_group"] == row
    assert admin.get(GROUPS, params={"name": name}).json()["endpoint_groups"] == [row]
    changed = admin.patch(path, json={"endpoint_group": {"description": "d"}}).json()["endpoint_group"]
    assert changed == {**row, "description": "d"}
    good = {"name": "n", "filters": {"interface": "admin"}}
    for refused in ({"filters": {}}, {"filters": {"url": "x"}}, {"filters": {"interface": "odd"}}, {"colour": "red"}):
        assert admin.post(GROUPS, json={"endpoint_group": {**good, **refused}}).status_code == 400
        assert admin.patch(path, json={"endpoint_group": refused}).status_code == 400
    for refused in ({}, {"name": ""}, {"id": "other"}):
        assert admin.patch(path, json={"endpoint_group": refused}).status_code == 400
    for refused in ({"name": "n"}, {"filters": good["filters"]}):  # type: ignore[assignment]
        assert admin.post(GROUPS, json={"endpoint_group": refused}).status_code == 400
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    assert (gone.status_code, message(gone)) == (404, f"Could not find Endpoint Group: {row['id']}.")
    assert admin.delete(path).status_code == 404 and admin.patch(path, json={"endpoint_group": {}}).status_code == 404


def test_what_is_not_there(tenant: Tenant) -> None:
    group = tenant.group(interface="public")
    wrong = [
        (f"{GROUPS}/{ABSENT}/projects/{tenant.project}", f"Could not find Endpoint Group: {ABSENT}."),
        (f"{GROUPS}/{group}/projects/{ABSENT}", f"Could not find project: {ABSENT}."),
        (tenant.single(ABSENT), f"Could not find endpoint: {ABSENT}."),
        (f"/v3/OS-EP-FILTER/projects/{ABSENT}/endpoints/{tenant.public}", f"Could not find project: {ABSENT}."),
    ]
    for path, words in wrong:
        for method in ("PUT", "GET", "DELETE"):
            answer = tenant.admin.request(method, path)
            assert (answer.status_code, message(answer)) == (404, words)
    for path in (
        f"{GROUPS}/{ABSENT}/endpoints",
        f"{GROUPS}/{ABSENT}/projects",
        f"/v3/OS-EP-FILTER/projects/{ABSENT}/endpoints",
        f"/v3/OS-EP-FILTER/projects/{ABSENT}/endpoint_groups",
        f"/v3/OS-EP-FILTER/endpoints/{ABSENT}/projects",
    ):
        assert tenant.admin.get(path).status_code == 404


def test_with_keystoneclient(cloud: Cloud, tenant: Tenant) -> None:
    client = Client(session=Session(auth=Token(f"{cloud.url}/v3", cloud.token())))
    group = client.endpoint_groups.create(fresh(), {"interface": "internal", "service_id": tenant.service})
    client.endpoint_filter.add_endpoint_group_to_project(group, tenant.project)
    client.endpoint_filter.check_endpoint_group_in_project(group, tenant.project)
    assert [each.id for each in client.endpoint_filter.list_endpoint_groups_for_project(tenant.project)] == [group.id]
    assert [each.id for each in client.endpoint_filter.list_projects_for_endpoint_group(group)] == [tenant.project]
    client.endpoint_filter.add_endpoint_to_project(tenant.project, tenant.public)
    client.endpoint_filter.check_endpoint_in_project(tenant.project, tenant.public)
    found = {each.id for each in client.endpoint_filter.list_endpoints_for_project(tenant.project)}
    assert found == {tenant.public, tenant.internal} == tenant.seen()
    client.endpoint_filter.delete_endpoint_from_project(tenant.project, tenant.public)
    client.endpoint_filter.delete_endpoint_group_from_project(group, tenant.project)
    client.endpoint_groups.delete(group)
    assert len(tenant.seen()) > 2
