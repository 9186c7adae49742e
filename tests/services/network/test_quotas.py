"""Quotas of projects: limits, what is used of them, and requests that they have no room for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.network.conftest import Cloud, Json

DEFAULTS = {
    "network": 100,
    "subnet": 100,
    "subnetpool": -1,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "rbac_policy": 10,
    "security_group": 10,
    "security_group_rule": 100,
}
DEMO, FRESH = "d" * 32, "f" * 32


def put(cloud: Cloud, project: str = FRESH, **limits: Any) -> Json:
    found: Json = cloud.call("PUT", f"quotas/{project}", {"quota": limits}, "admin", 200)["quota"]
    return found


def limits(cloud: Cloud, path: str = FRESH, token: str = "admin") -> Json:
    found: Json = cloud.call("GET", f"quotas/{path}", None, token, 200)["quota"]
    return found


@pytest.fixture(autouse=True)
def _as_before(cloud: Cloud) -> Iterator[None]:
    yield
    with cloud.client("admin") as client:
        client.delete(f"/v2.0/quotas/{FRESH}")


def test_a_project_begins_with_the_defaults(cloud: Cloud) -> None:
    assert limits(cloud) == limits(cloud, f"{FRESH}/default") == DEFAULTS


@pytest.mark.parametrize("end", ["default", "default.json"])
def test_defaults_stay_what_they_are(cloud: Cloud, end: str) -> None:
    put(cloud, network=7)
    assert limits(cloud, f"{FRESH}/{end}") == DEFAULTS


def test_limits_are_set_one_by_one(cloud: Cloud) -> None:
    assert put(cloud, network=7) == {**DEFAULTS, "network": 7}
    assert put(cloud, port="9", router=-1) == {**DEFAULTS, "network": 7, "port": 9, "router": -1}
    assert limits(cloud) == {**DEFAULTS, "network": 7, "port": 9, "router": -1}


def test_what_says_nothing_of_limits_is_ignored(cloud: Cloud) -> None:
    found = put(cloud, network=7, force=True, check_limit=False, tenant_id=FRESH, project_id=FRESH)
    assert found == {**DEFAULTS, "network": 7}


def test_the_list_has_projects_with_limits_of_their_own(cloud: Cloud) -> None:
    put(cloud, subnet=3)
    found = cloud.call("GET", "quotas", None, "admin", 200)["quotas"]
    (own,) = (each for each in found if each["project_id"] == FRESH)
    assert own == {**DEFAULTS, "subnet": 3, "project_id": FRESH, "tenant_id": FRESH}
    cloud.call("DELETE", f"quotas/{FRESH}", None, "admin", 204)
    found = cloud.call("GET", "quotas", None, "admin", 200)["quotas"]
    assert FRESH not in [each["project_id"] for each in found]


def test_limits_go_back_to_the_defaults_once(cloud: Cloud) -> None:
    put(cloud, subnet=3)
    cloud.call("DELETE", f"quotas/{FRESH}", None, "admin", 204)
    assert limits(cloud) == DEFAULTS
    wanted = ("TenantQuotaNotFound", f"Quota for tenant {FRESH} could not be found.")
    assert cloud.fault("DELETE", f"quotas/{FRESH}", None, 404, "admin") == wanted


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Unable to find 'quota' in request body"),
        ({"quota": 1}, "Unable to find 'quota' in request body"),
        ({"quota": {"volume": 1}}, "Unrecognized attribute(s) 'volume'"),
        ({"quota": {"port": -2}}, "Invalid input for port. Reason: '-2' is too small - must be at least '-1'."),
        (
            {"quota": {"port": 2**31}},
            "Invalid input for port. Reason: '2147483648' is too large - must be no larger than '2147483647'.",
        ),
        ({"quota": {"port": "many"}}, "Invalid input for port. Reason: 'many' is not an integer."),
        ({"quota": {"port": None}}, "Invalid input for port. Reason: 'None' is not an integer."),
        ({"quota": {"network": 5, "port": 1.5}}, "Invalid input for port. Reason: '1.5' is not an integer."),
    ],
)
def test_limits_that_cannot_be_set(cloud: Cloud, body: Json, message: str) -> None:
    assert cloud.fault("PUT", f"quotas/{FRESH}", body, 400, "admin") == ("HTTPBadRequest", message)
    assert limits(cloud) == DEFAULTS


def test_a_project_s_id_is_no_longer_than_a_column(cloud: Cloud) -> None:
    cloud.refused("PUT", f"quotas/{'x' * 256}", {"quota": {"port": 1}}, 400, "admin")


@pytest.mark.parametrize("end", ["details", "details.json"])
def test_details_say_what_is_used(cloud: Cloud, end: str) -> None:
    before = limits(cloud, f"{DEMO}/{end}", "demo")
    network, _ = cloud.network()
    cloud.make("port", network_id=network["id"])
    after = limits(cloud, f"{DEMO}/{end}", "demo")
    assert after["network"] == {"limit": -1, "used": before["network"]["used"] + 1, "reserved": 0}
    assert after["port"]["used"] == before["port"]["used"] + 2  # the DHCP server has one, too


CREATES: list[tuple[str, str, Any]] = [
    ("network", "networks", {"network": {}}),
    ("router", "routers", {"router": {}}),
    ("security_group", "security-groups", {"security_group": {"name": "x"}}),
    ("subnet", "subnets", {"subnet": {"network_id": "NETWORK", "cidr": "10.230.0.0/24"}}),
    ("port", "ports", {"port": {"network_id": "NETWORK"}}),
    ("floatingip", "floatingips", {"floatingip": {"floating_network_id": "EXTERNAL"}}),
    (
        "security_group_rule",
        "security-group-rules",
        {"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "udp"}},
    ),
]


@pytest.mark.parametrize(("noun", "path", "body"), CREATES, ids=[noun for noun, _, _ in CREATES])
def test_a_quota_that_is_used_up_stops_a_create(cloud: Cloud, noun: str, path: str, body: Json) -> None:
    network, external = cloud.network()[0], cloud.external()[0]
    ids = {"NETWORK": network["id"], "EXTERNAL": external["id"], "GROUP": cloud.make("security_group", name="g")["id"]}
    body = {noun: {name: ids.get(value, value) for name, value in body[noun].items()}}
    used = limits(cloud, f"{DEMO}/details", "demo")[noun]["used"]
    put(cloud, DEMO, **{noun: used})
    wanted = ("OverQuota", f"Quota exceeded for resources: ['{noun}'].")
    assert cloud.fault("POST", path, body, 409) == wanted
    assert limits(cloud, f"{DEMO}/details", "demo")[noun] == {"limit": used, "used": used, "reserved": 0}
    put(cloud, DEMO, **{noun: used + 1})
    cloud.call("POST", path, body, status=201)


def test_a_group_takes_room_for_its_first_rules(cloud: Cloud) -> None:
    used = limits(cloud, f"{DEMO}/details", "demo")["security_group_rule"]["used"]
    put(cloud, DEMO, security_group_rule=used + 1)
    wanted = ("OverQuota", "Quota exceeded for resources: ['security_group_rule'].")
    assert cloud.fault("POST", "security-groups", {"security_group": {"name": "x"}}, 409) == wanted


def test_a_list_that_does_not_fit_makes_none(cloud: Cloud) -> None:
    used = limits(cloud, f"{DEMO}/details", "demo")["network"]["used"]
    put(cloud, DEMO, network=used + 2)
    body = {"networks": [{"name": "over"}] * 3}
    wanted = ("OverQuota", "Quota exceeded for resources: ['network'].")
    assert cloud.fault("POST", "networks", body, 409) == wanted
    assert cloud.found("network", "name=over") == []
    assert len(cloud.call("POST", "networks", {"networks": body["networks"][:2]}, status=201)["networks"]) == 2


def test_the_quota_is_that_of_whose_resource_it_is(cloud: Cloud) -> None:
    put(cloud, FRESH, network=0)
    body = {"network": {"project_id": FRESH}}
    assert cloud.fault("POST", "networks", body, 409, "admin")[0] == "OverQuota"
    put(cloud, FRESH, network=1)
    cloud.call("POST", "networks", body, "admin", 201)


@pytest.mark.parametrize(
    ("method", "rule", "end"),
    [
        ("GET", "get_quota", ""),
        ("GET", "get_quota", "/default"),
        ("GET", "get_quota", "/details"),
        ("PUT", "update_quota", ""),
        ("DELETE", "delete_quota", ""),
    ],
)
def test_another_project_s_quotas(cloud: Cloud, method: str, rule: str, end: str) -> None:
    wanted = ("PolicyNotAuthorized", f"rule:{rule} is disallowed by policy")
    assert cloud.fault(method, f"quotas/{FRESH}{end}", {"quota": {"port": 1}}, 403) == wanted


@pytest.mark.parametrize("end", ["", "/default", "/details"])
def test_everybody_reads_their_own(cloud: Cloud, end: str) -> None:
    assert limits(cloud, f"{DEMO}{end}", "reader").keys() == DEFAULTS.keys()


def test_members_do_not_set_their_own(cloud: Cloud) -> None:
    for method, rule in (("PUT", "update_quota"), ("DELETE", "delete_quota")):
        wanted = ("PolicyNotAuthorized", f"rule:{rule} is disallowed by policy")
        assert cloud.fault(method, f"quotas/{DEMO}", {"quota": {"port": 1}}, 403) == wanted
