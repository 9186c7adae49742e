"""What a client finds before it knows anything: versions and resources."""

from __future__ import annotations

import pytest

from tests.services.network.conftest import Cloud


def test_everybody_sees_the_versions(cloud: Cloud) -> None:
    with cloud.client("") as client:
        answer = client.get("/")
    assert answer.status_code == 200
    links = [{"rel": "self", "href": f"{cloud.running.url}/v2.0/"}]
    assert answer.json() == {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}


@pytest.mark.parametrize(
    ("name", "collection", "path"),
    [
        ("network", "networks", "networks"),
        ("subnet", "subnets", "subnets"),
        ("port", "ports", "ports"),
        ("router", "routers", "routers"),
        ("floatingip", "floatingips", "floatingips"),
        ("security_group", "security_groups", "security-groups"),
        ("security_group_rule", "security_group_rules", "security-group-rules"),
        ("quota", "quotas", "quotas"),
        ("agent", "agents", "agents"),
        ("extension", "extensions", "extensions"),
    ],
)
def test_a_resource_is_where_its_link_leads(cloud: Cloud, name: str, collection: str, path: str) -> None:
    resources = cloud.call("GET", "", None, "demo", 200)["resources"]
    (found,) = (each for each in resources if each["name"] == name)
    href = f"{cloud.running.url}/v2.0/{path}"
    assert found == {"name": name, "collection": collection, "links": [{"rel": "self", "href": href}]}
    with cloud.client("admin") as client:
        listed = client.get(href)
    assert listed.status_code == 200 and collection in listed.json()


def test_resources_are_for_who_has_a_token(cloud: Cloud) -> None:
    with cloud.client("") as client:
        assert client.get("/v2.0").status_code == 401


@pytest.mark.parametrize("path", ["nothing", "networks/x/y/z", "qos/policies", "subnetpools"])
def test_what_is_not_there_says_so(cloud: Cloud, path: str) -> None:
    wanted = ("HTTPNotFound", "The resource could not be found.")
    assert cloud.fault("GET", path, None, 404) == wanted


@pytest.mark.parametrize("body", ["", "{", "[]", '"network"', "1"])
def test_a_body_that_is_no_object_is_refused(cloud: Cloud, body: str) -> None:
    with cloud.client() as client:
        answer = client.post("/v2.0/networks", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["NeutronError"]["type"] == "HTTPBadRequest"
