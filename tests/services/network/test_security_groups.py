"""Security groups, and which links are told of them."""

from __future__ import annotations

import pytest

from tests.services.network.conftest import Cloud, Json


def test_every_project_has_a_default_group(cloud: Cloud) -> None:
    group = cloud.default_group()
    rules = {(r["direction"], r["ethertype"], r["remote_group_id"]) for r in group["security_group_rules"]}
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    path = f"security-groups/{group['id']}"
    assert cloud.refused("DELETE", path, None, 409)["type"] == "SecurityGroupCannotRemoveDefault"
    error = cloud.refused("PUT", path, {"security_group": {"name": "x"}}, 409)
    assert error["type"] == "SecurityGroupCannotUpdateDefault"
    error = cloud.refused("POST", "security-groups", {"security_group": {"name": "default"}}, 409)
    assert error["type"] == "SecurityGroupDefaultAlreadyExists"


def test_links_have_exactly_the_groups_of_their_ports(cloud: Cloud) -> None:
    network, _ = cloud.network()
    web, db = cloud.make("security_group", name="web"), cloud.make("security_group", name="db")
    from_web = {"direction": "ingress", "protocol": "tcp", "remote_group_id": web["id"]}
    rule = cloud.make("security_group_rule", security_group_id=db["id"], **from_web)
    ports = {}
    for name, group in (("web", web), ("db", db)):
        ports[name] = cloud.make("port", network_id=network["id"], security_groups=[group["id"]])
    assert cloud.item(1, "security_group", db["id"]) is None
    body = {"port": {"binding:host_id": "cpu-host"}}
    cloud.call("PUT", f"ports/{ports['db']['id']}", body, "admin", 200)
    told = cloud.item(1, "security_group", web["id"])
    assert told.members == [ports["web"]["fixed_ips"][0]["ip_address"]]
    assert {r.remote_group_id for r in cloud.item(1, "security_group", db["id"]).rules} == {None, web["id"]}
    assert cloud.item(0, "security_group", db["id"]) is None
    before = cloud.wanted(1).revision
    second = cloud.make("port", network_id=network["id"], security_groups=[web["id"]])
    [changed] = [item for item in cloud.wanted(1, before).items if item.kind == "security_group"]
    assert changed.ref == web["id"]
    assert len(changed.spec.members) == 2
    cloud.call("DELETE", f"ports/{second['id']}", status=204)
    assert len(cloud.item(1, "security_group", web["id"]).members) == 1
    assert cloud.refused("DELETE", f"security-groups/{db['id']}", None, 409)["type"] == "SecurityGroupInUse"
    cloud.call("DELETE", f"security-group-rules/{rule['id']}", status=204)
    assert cloud.item(1, "security_group", web["id"]) is None
    cloud.call("PUT", f"ports/{ports['db']['id']}", {"port": {"security_groups": [web["id"]]}}, status=200)
    assert cloud.item(1, "security_group", db["id"]) is None
    assert cloud.item(1, "security_group", web["id"]) is not None
    cloud.call("DELETE", f"ports/{ports['db']['id']}", status=204)
    assert cloud.item(1, "security_group", web["id"]) is None


def test_another_projects_group_cannot_be_used(cloud: Cloud) -> None:
    network, _ = cloud.network()
    group = cloud.make("security_group", "other", name="theirs")
    body = {"port": {"network_id": network["id"], "security_groups": [group["id"]]}}
    assert cloud.refused("POST", "ports", body, 404)["type"] == "SecurityGroupNotFound"
    rule = {"security_group_id": cloud.default_group()["id"], "direction": "ingress", "remote_group_id": group["id"]}
    error = cloud.refused("POST", "security-group-rules", {"security_group_rule": rule}, 404)
    assert error["type"] == "SecurityGroupNotFound"


def test_a_new_group_lets_everything_out(cloud: Cloud) -> None:
    made = cloud.make("security_group", name="web", description="mine")
    wanted = {"name": "web", "description": "mine", "stateful": True, "shared": False, "revision_number": 0, "tags": []}
    assert {name: made[name] for name in wanted} == wanted
    rules = {(each["direction"], each["ethertype"], each["protocol"]) for each in made["security_group_rules"]}
    assert rules == {("egress", "IPv4", None), ("egress", "IPv6", None)}
    assert cloud.show("security_group", made["id"]) == made


def test_a_group_is_changed(cloud: Cloud) -> None:
    made = cloud.make("security_group", name="web")
    after = cloud.change("security_group", made["id"], name="", description="new", stateful=False)
    assert (after["name"], after["description"], after["stateful"]) == ("", "new", False)
    assert after["security_group_rules"] == made["security_group_rules"]
    wanted = ("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
    body = {"security_group": {"name": "default"}}
    assert cloud.fault("PUT", f"security-groups/{made['id']}", body, 409) == wanted


@pytest.mark.parametrize(
    ("method", "body", "wanted"),
    [
        (
            "PUT",
            {"security_group": {"name": "x"}},
            ("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed."),
        ),
        ("DELETE", None, ("SecurityGroupCannotRemoveDefault", "Removing default security group not allowed.")),
    ],
)
def test_the_default_group_stays(cloud: Cloud, method: str, body: Json | None, wanted: tuple[str, str]) -> None:
    group = cloud.default_group()
    assert cloud.fault(method, f"security-groups/{group['id']}", body, 409) == wanted
    described = cloud.change("security_group", group["id"], name="default", description="ours")
    assert described["description"] == "ours"


def test_administrators_delete_a_default_group(cloud: Cloud) -> None:
    """The next look makes another."""
    made = cloud.make("security_group", "admin", name="first", project_id="7" * 32)
    query = f"project_id={'7' * 32}&name=default"
    (group,) = cloud.found("security_group", query, "admin")
    cloud.call("DELETE", f"security-groups/{group['id']}", None, "admin", 204)
    assert cloud.found("security_group", query, "admin") == []
    cloud.make("security_group", "admin", name="second", project_id="7" * 32)
    assert len(cloud.found("security_group", query, "admin")) == 1
    assert cloud.show("security_group", made["id"], "admin")["name"] == "first"


def test_a_group_of_a_port_stays(cloud: Cloud) -> None:
    network, _ = cloud.network()
    group = cloud.make("security_group", name="used")
    port = cloud.make("port", network_id=network["id"], security_groups=[group["id"]])
    wanted = ("SecurityGroupInUse", f"Security Group {group['id']} in use.")
    assert cloud.fault("DELETE", f"security-groups/{group['id']}", None, 409) == wanted
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    cloud.call("DELETE", f"security-groups/{group['id']}", status=204)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": 5}, "Invalid input for name. Reason: '5' is not a valid string."),
        ({"name": "x" * 256}, f"Invalid input for name. Reason: '{'x' * 256}' exceeds maximum length of 255."),
        ({"stateful": "maybe"}, "Invalid input for stateful. Reason: 'maybe' cannot be converted to boolean."),
        ({"security_group_rules": []}, "Attribute 'security_group_rules' not allowed in POST"),
        ({"shared": True}, "Attribute 'shared' not allowed in POST"),
    ],
)
def test_values_that_do_not_fit(cloud: Cloud, given: Json, message: str) -> None:
    body = {"security_group": {"name": "x", **given}}
    assert cloud.fault("POST", "security-groups", body, 400) == ("HTTPBadRequest", message)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("name=one", {"one"}),
        ("stateful=false", {"two"}),
        ("shared=False", {"one", "two"}),
        ("shared=True", set()),
        ("description=other", {"two"}),
    ],
)
def test_lists_are_filtered(cloud: Cloud, query: str, wanted: set[str]) -> None:
    one = cloud.make("security_group", name="one")
    two = cloud.make("security_group", name="two", stateful=False, description="other")
    found = cloud.found("security_group", f"id={one['id']}&id={two['id']}&{query}")
    assert {each["name"] for each in found} == wanted
