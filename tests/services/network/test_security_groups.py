"""Security groups, and which links are told of them."""

from __future__ import annotations

import pytest

from tests.services.network.conftest import Cloud, Json


def _default(cloud: Cloud, token: str = "demo") -> Json:
    [group] = cloud.call("GET", "security-groups?name=default&project_id=" + "d" * 32, token=token)["security_groups"]
    assert isinstance(group, dict)
    return group


def test_every_project_has_a_default_group(cloud: Cloud) -> None:
    group = _default(cloud)
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


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"protocol": "tcp", "port_range_min": 9, "port_range_max": 8}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 9}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 1}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "carp"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "256"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "-j ACCEPT"}, "SecurityGroupRuleInvalidProtocol"),
        ({"remote_ip_prefix": "fd00::/64"}, "SecurityGroupRuleParameterConflict"),
        ({"remote_ip_prefix": "10.0.0.0/33"}, "HTTPBadRequest"),
        ({"direction": "sideways"}, "HTTPBadRequest"),
        ({"ethertype": "IPv5"}, "HTTPBadRequest"),
    ],
)
def test_rules_that_make_no_sense(cloud: Cloud, values: dict[str, object], kind: str) -> None:
    rule = {"security_group_id": _default(cloud)["id"], "direction": "ingress", **values}
    assert cloud.refused("POST", "security-group-rules", {"security_group_rule": rule}, 400)["type"] == kind


def test_a_rule_is_there_once(cloud: Cloud) -> None:
    group = cloud.make("security_group", name="web")
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    rule |= {"port_range_min": 80, "port_range_max": 80}
    made = cloud.make("security_group_rule", **rule)
    for again in (rule, rule | {"protocol": "6"}, rule | {"remote_ip_prefix": "0.0.0.0/0"}):
        error = cloud.refused("POST", "security-group-rules", {"security_group_rule": again}, 409)
        assert error["type"] == "SecurityGroupRuleExists"
        assert error["message"] == f"Security group rule already exists. Rule id is {made['id']}."
    cloud.call("DELETE", f"security-group-rules/{made['id']}", status=204)
    cloud.make("security_group_rule", **rule)
    cloud.call("DELETE", f"security-groups/{group['id']}", status=204)
    found = cloud.call("GET", f"security-group-rules?security_group_id={group['id']}")
    assert found["security_group_rules"] == []


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
    rule = {"security_group_id": _default(cloud)["id"], "direction": "ingress", "remote_group_id": group["id"]}
    error = cloud.refused("POST", "security-group-rules", {"security_group_rule": rule}, 404)
    assert error["type"] == "SecurityGroupNotFound"
