"""Rules of security groups: what a firewall can do, said once, in one spelling."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.network.conftest import Cloud, Json

ABSENT = "11111111-2222-3333-4444-555555555555"
PATH = "security-group-rules"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"protocol": "carp"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "256"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "-j ACCEPT"}, "SecurityGroupRuleInvalidProtocol"),
        ({"remote_ip_prefix": "10.0.0.0/33"}, "HTTPBadRequest"),
        ({"ethertype": "IPv5"}, "HTTPBadRequest"),
    ],
)
def test_rules_that_make_no_sense(cloud: Cloud, values: dict[str, object], kind: str) -> None:
    rule = {"security_group_id": cloud.default_group()["id"], "direction": "ingress", **values}
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


@pytest.fixture
def group(cloud: Cloud) -> Any:
    """A new group of demo's."""
    return cloud.make("security_group", name="ruled")


def rule(group: Json, **values: Any) -> Json:
    return {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **values}}


def test_a_rule_that_says_nothing_lets_everything_in(cloud: Cloud, group: Json) -> None:
    made = cloud.make("security_group_rule", security_group_id=group["id"], direction="ingress")
    wanted = {
        "security_group_id": group["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "description": "",
        "project_id": "d" * 32,
        "tenant_id": "d" * 32,
        "revision_number": 0,
        "tags": [],
        **dict.fromkeys(("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")),
        **dict.fromkeys(("normalized_cidr", "remote_address_group_id")),
    }
    assert {name: made[name] for name in wanted} == wanted
    assert made in cloud.show("security_group", group["id"])["security_group_rules"]


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("protocol", "TCP", "tcp"),
        ("protocol", "6", "6"),
        ("protocol", 6, "6"),
        ("protocol", "any", None),
        ("protocol", "", None),
        ("ethertype", "ipv4", "IPv4"),
        ("remote_ip_prefix", "10.0.0.5", "10.0.0.5/32"),
        ("remote_ip_prefix", "10.0.0.5/24", "10.0.0.0/24"),
        ("remote_ip_prefix", "10.0.0.0/255.255.0.0", "10.0.0.0/16"),
        ("remote_ip_prefix", "", None),
        ("description", "why", "why"),
    ],
)
def test_spellings(cloud: Cloud, group: Json, name: str, given: Any, wanted: Any) -> None:
    made = cloud.call("POST", PATH, rule(group, **{name: given}), status=201)["security_group_rule"]
    assert made[name] == wanted
    assert made["normalized_cidr"] == made["remote_ip_prefix"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            {"protocol": "tcp", "port_range_min": 9, "port_range_max": 8},
            ("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max"),
        ),
        (
            {"protocol": "sctp", "port_range_max": 8},
            ("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max"),
        ),
        (
            {"protocol": "udp", "port_range_min": 0, "port_range_max": 8},
            ("SecurityGroupInvalidPortValue", "Invalid value for port 0"),
        ),
        (
            {"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536},
            ("SecurityGroupInvalidPortValue", "Invalid value for port 65536"),
        ),
        (
            {"protocol": "tcp", "port_range_min": "http", "port_range_max": 90},
            ("SecurityGroupInvalidPortValue", "Invalid value for port http"),
        ),
        (
            {"protocol": "icmp", "port_range_min": 256},
            (
                "SecurityGroupInvalidIcmpValue",
                "Invalid value for ICMP type (port_range_min) 256. It must be 0 to 255.",
            ),
        ),
        (
            {"protocol": "icmp", "port_range_min": 8, "port_range_max": 300},
            (
                "SecurityGroupInvalidIcmpValue",
                "Invalid value for ICMP code (port_range_max) 300. It must be 0 to 255.",
            ),
        ),
        (
            {"protocol": "icmp", "port_range_max": 1},
            (
                "SecurityGroupMissingIcmpType",
                "ICMP code (port-range-max) 1 is provided but ICMP type (port-range-min) is missing.",
            ),
        ),
        (
            {"port_range_min": 1, "port_range_max": 2},
            (
                "SecurityGroupProtocolRequiredWithPorts",
                "Must also specify protocol if port range is given.",
            ),
        ),
        (
            {"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2},
            (
                "SecurityGroupInvalidProtocolForPort",
                "Invalid protocol vrrp for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.",
            ),
        ),
        (
            {"remote_ip_prefix": "fd00::/64"},
            ("SecurityGroupRuleParameterConflict", "Conflicting value ethertype IPv4 for CIDR fd00::/64"),
        ),
        (
            {"remote_ip_prefix": "10.0.0.0/8", "ethertype": "IPv6"},
            ("SecurityGroupRuleParameterConflict", "Conflicting value ethertype IPv6 for CIDR 10.0.0.0/8"),
        ),
        (
            {"protocol": "ipv6-icmp"},
            ("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype IPv4 for protocol ipv6-icmp."),
        ),
        (
            {"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": ABSENT},
            (
                "SecurityGroupMultipleRemoteEntities",
                "Only remote_ip_prefix or remote_group_id or address_group may be provided.",
            ),
        ),
        (
            {"remote_ip_prefix": "ten"},
            ("HTTPBadRequest", "Invalid input for remote_ip_prefix. Reason: 'ten' is not a valid CIDR."),
        ),
        (
            {"direction": "in"},
            ("HTTPBadRequest", "Invalid input for direction. Reason: 'in' is not in ['ingress', 'egress']."),
        ),
    ],
)
def test_rules_that_are_refused(cloud: Cloud, group: Json, given: Json, wanted: tuple[str, str]) -> None:
    assert cloud.fault("POST", PATH, rule(group, **given), 400) == wanted
    assert len(cloud.show("security_group", group["id"])["security_group_rules"]) == 2


@pytest.mark.parametrize("name", ["security_group_id", "remote_group_id"])
@pytest.mark.parametrize("whose", ["nobody", "other"])
def test_groups_that_are_not_there(cloud: Cloud, group: Json, name: str, whose: str) -> None:
    id = ABSENT if whose == "nobody" else cloud.make("security_group", "other", name="theirs")["id"]
    body = rule(group, **{name: id})
    wanted = ("SecurityGroupNotFound", f"Security group {id} does not exist")
    assert cloud.fault("POST", PATH, body, 404) == wanted


def test_there_are_no_groups_of_addresses(cloud: Cloud, group: Json) -> None:
    wanted = ("AddressGroupNotFound", f"Address group {ABSENT} could not be found.")
    assert cloud.fault("POST", PATH, rule(group, remote_address_group_id=ABSENT), 404) == wanted


def test_a_list_says_nothing_twice(cloud: Cloud, group: Json) -> None:
    ssh = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    ssh |= {"port_range_min": 22, "port_range_max": 22}
    wanted = ("DuplicateSecurityGroupRuleInPost", "Duplicate Security Group Rule in POST.")
    again = {**ssh, "protocol": "6", "description": "another"}
    assert cloud.fault("POST", PATH, {"security_group_rules": [ssh, again]}, 409) == wanted
    different = [ssh, {**ssh, "ethertype": "IPv6"}, {**ssh, "direction": "egress"}]
    made = cloud.call("POST", PATH, {"security_group_rules": different}, status=201)["security_group_rules"]
    assert [(each["ethertype"], each["direction"]) for each in made] == [
        ("IPv4", "ingress"),
        ("IPv6", "ingress"),
        ("IPv4", "egress"),
    ]


def test_a_list_of_rules_for_several_groups(cloud: Cloud, group: Json) -> None:
    other = cloud.make("security_group", name="second")
    bodies = [rule(each, protocol="udp") for each in (group, other, group)]
    bodies[2]["security_group_rule"]["protocol"] = "tcp"
    made = cloud.call("POST", PATH, {"security_group_rules": bodies}, status=201)["security_group_rules"]
    assert [each["security_group_id"] for each in made] == [group["id"], other["id"], group["id"]]
    assert [each["protocol"] for each in made] == ["udp", "udp", "tcp"]


def test_a_rule_belongs_to_the_project_of_its_group(cloud: Cloud, group: Json) -> None:
    made = cloud.make("security_group_rule", "admin", **rule(group)["security_group_rule"])
    assert made["project_id"] == "d" * 32
    assert cloud.show("security_group_rule", made["id"]) == made
    cloud.call("DELETE", f"{PATH}/{made['id']}", status=204)


def test_rules_that_name_a_group_go_with_it(cloud: Cloud, group: Json) -> None:
    named = cloud.make("security_group", name="named")
    made = cloud.make("security_group_rule", **rule(group, remote_group_id=named["id"])["security_group_rule"])
    cloud.call("DELETE", f"security-groups/{named['id']}", status=204)
    wanted = ("SecurityGroupRuleNotFound", f"Security group rule {made['id']} does not exist")
    assert cloud.fault("GET", f"{PATH}/{made['id']}", None, 404) == wanted


def test_a_group_has_another_revision_when_its_rules_change(cloud: Cloud, group: Json) -> None:
    made = cloud.make("security_group_rule", **rule(group)["security_group_rule"])
    assert cloud.show("security_group", group["id"])["revision_number"] == group["revision_number"] + 1
    cloud.call("DELETE", f"{PATH}/{made['id']}", status=204)
    assert cloud.show("security_group", group["id"])["revision_number"] == group["revision_number"] + 2


def test_a_rule_is_never_changed(cloud: Cloud, group: Json) -> None:
    id = group["security_group_rules"][0]["id"]
    with cloud.client() as client:
        answer = client.put(f"/v2.0/{PATH}/{id}", json={"security_group_rule": {"description": "x"}})
    assert answer.status_code in (404, 405)
    assert cloud.show("security_group_rule", id)["description"] == ""


@pytest.mark.parametrize(
    ("query", "many"),
    [
        ("", 4),
        ("direction=egress", 2),
        ("direction=egress&ethertype=IPv6", 1),
        ("protocol=tcp", 1),
        ("port_range_min=22", 1),
        ("port_range_max=23", 0),
        ("remote_ip_prefix=10.0.0.0/8", 1),
        ("normalized_cidr=10.0.0.0/8", 1),
        (f"remote_group_id={ABSENT}", 0),
        ("description=web", 1),
    ],
)
def test_lists_are_filtered(cloud: Cloud, group: Json, query: str, many: int) -> None:
    ssh = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    cloud.call("POST", PATH, rule(group, **ssh), status=201)
    cloud.call("POST", PATH, rule(group, remote_ip_prefix="10.0.0.0/8", description="web"), status=201)
    assert len(cloud.found("security_group_rule", f"security_group_id={group['id']}&{query}")) == many


def test_the_first_list_makes_the_default_group(cloud: Cloud) -> None:
    with cloud.client("service") as client:
        client.get(f"/v2.0/{PATH}")
    found = cloud.found("security_group", f"project_id={'5' * 32}&name=default", "admin")
    assert [len(each["security_group_rules"]) for each in found] == [4]
