"""How many addresses of a network there are, and how many are taken."""

from __future__ import annotations

import pytest

from tests.services.network.conftest import Cloud, Json

ABSENT = "11111111-2222-3333-4444-555555555555"


def shown(cloud: Cloud, network_id: str) -> Json:
    found: Json = cloud.call("GET", f"network-ip-availabilities/{network_id}", None, "admin", 200)
    body: Json = found["network_ip_availability"]
    return body


def listed(cloud: Cloud, query: str) -> list[Json]:
    path = f"network-ip-availabilities?{query}"
    found: list[Json] = cloud.call("GET", path, None, "admin", 200)["network_ip_availabilities"]
    return found


def test_a_network_without_subnets_has_no_addresses(cloud: Cloud) -> None:
    network = cloud.make("network", name="bare")
    assert shown(cloud, network["id"]) == {
        "network_id": network["id"],
        "network_name": "bare",
        "tenant_id": "d" * 32,
        "project_id": "d" * 32,
        "subnet_ip_availability": [],
        "used_ips": 0,
        "total_ips": 0,
    }


def test_addresses_are_counted_as_they_are_taken(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.232.0.0/28")
    wanted = {
        "subnet_id": subnet["id"],
        "subnet_name": "",
        "ip_version": 4,
        "cidr": "10.232.0.0/28",
        "used_ips": 1,
        "total_ips": 13,
    }
    assert shown(cloud, network["id"])["subnet_ip_availability"] == [wanted]
    port = cloud.make("port", network_id=network["id"], fixed_ips=[{"subnet_id": subnet["id"]}] * 2)
    assert shown(cloud, network["id"])["used_ips"] == 3
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    assert shown(cloud, network["id"])["used_ips"] == 1


def test_pools_say_how_many_there_are(cloud: Cloud) -> None:
    network = cloud.make("network")
    pools = [{"start": "10.231.0.10", "end": "10.231.0.19"}, {"start": "10.231.0.30", "end": "10.231.0.30"}]
    cloud.make("subnet", network_id=network["id"], cidr="10.231.0.0/24", allocation_pools=pools, enable_dhcp=False)
    cloud.make("subnet", network_id=network["id"], cidr="fd00:9::/120", ip_version=6, enable_dhcp=False)
    found = shown(cloud, network["id"])
    totals = {each["ip_version"]: each["total_ips"] for each in found["subnet_ip_availability"]}
    assert totals == {4: 11, 6: 254}
    assert (found["total_ips"], found["used_ips"]) == (265, 0)


@pytest.mark.parametrize(("query", "total"), [("ip_version=4", 253), ("ip_version=6", 254), ("", 507)])
def test_only_subnets_of_an_ip_version(cloud: Cloud, query: str, total: int) -> None:
    network, _ = cloud.network()
    cloud.make("subnet", network_id=network["id"], cidr="fd00:8::/120", ip_version=6, enable_dhcp=False)
    (found,) = listed(cloud, f"network_id={network['id']}&{query}")
    assert found["total_ips"] == total


@pytest.mark.parametrize("name", ["network_id", "network_name", "project_id", "tenant_id"])
def test_lists_are_filtered(cloud: Cloud, name: str) -> None:
    one, two = cloud.make("network", name="seen by name"), cloud.make("network", "other", name="not seen")
    value = {**one, "network_id": one["id"], "network_name": one["name"]}[name]
    ids = [each["network_id"] for each in listed(cloud, f"{name}={value}")]
    assert one["id"] in ids and two["id"] not in ids
    for made, token in ((one, "demo"), (two, "other")):
        cloud.call("DELETE", f"networks/{made['id']}", None, token, 204)


def test_a_network_that_is_not_there(cloud: Cloud) -> None:
    wanted = ("NetworkNotFound", f"Network {ABSENT} could not be found.")
    assert cloud.fault("GET", f"network-ip-availabilities/{ABSENT}", None, 404, "admin") == wanted
    assert listed(cloud, f"network_id={ABSENT}") == []


@pytest.mark.parametrize("token", ["demo", "reader"])
def test_availability_is_for_administrators(cloud: Cloud, token: str) -> None:
    network, _ = cloud.network()
    wanted = ("PolicyNotAuthorized", "rule:get_network_ip_availability is disallowed by policy")
    for path in ("network-ip-availabilities", f"network-ip-availabilities/{network['id']}"):
        assert cloud.fault("GET", path, None, 403, token) == wanted
