"""Subnets: ranges, gateways and pools that fit each other, and the DHCP server that serves them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.network.conftest import Cloud, Json

ABSENT = "11111111-2222-3333-4444-555555555555"


def test_a_subnet_has_a_gateway_a_pool_and_a_dhcp_port(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.250.1.0/24")
    assert subnet["gateway_ip"] == "10.250.1.1"
    assert subnet["allocation_pools"] == [{"start": "10.250.1.2", "end": "10.250.1.254"}]
    assert cloud.call("GET", f"networks/{network['id']}")["network"]["subnets"] == [subnet["id"]]
    [dhcp] = cloud.call("GET", f"ports?network_id={network['id']}")["ports"]
    assert dhcp["device_owner"] == "network:dhcp"
    assert dhcp["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.250.1.2"}]
    port = cloud.make("port", network_id=network["id"])
    assert port["fixed_ips"][0]["ip_address"] == "10.250.1.3"
    assert port["mac_address"].startswith("fa:16:3e:")
    assert port["status"] == "DOWN"


def test_a_full_subnet_says_so(cloud: Cloud) -> None:
    network, _ = cloud.network(cidr="10.250.2.0/29")
    for _ in range(4):
        cloud.make("port", network_id=network["id"])
    error = cloud.refused("POST", "ports", {"port": {"network_id": network["id"]}}, 409)
    assert error["type"] == "IpAddressGenerationFailure"
    assert error["message"] == f"No more IP addresses available on network {network['id']}."


def test_what_is_in_use_stays(cloud: Cloud) -> None:
    network, subnet = cloud.network()
    port = cloud.make("port", network_id=network["id"])
    assert cloud.refused("DELETE", f"networks/{network['id']}", None, 409)["type"] == "NetworkInUse"
    assert cloud.refused("DELETE", f"subnets/{subnet['id']}", None, 409)["type"] == "SubnetInUse"
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    cloud.call("DELETE", f"subnets/{subnet['id']}", status=204)
    assert cloud.call("GET", f"ports?network_id={network['id']}")["ports"] == []
    cloud.call("DELETE", f"networks/{network['id']}", status=204)


def bad(message: str) -> tuple[str, str]:
    return "HTTPBadRequest", message


def operation(message: str) -> tuple[str, str]:
    return "InvalidInput", f"Invalid input for operation: {message}."


V4, V6 = {"cidr": "10.251.0.0/24"}, {"cidr": "fd00:7::/64", "ip_version": 6}
NO_DHCP = "Subnet has a prefix length that is incompatible with DHCP service enabled"
NOT_WITH_4 = "ipv6_ra_mode or ipv6_address_mode are not valid when ip_version is 4"
HOPS = [{"destination": f"10.8.{last}.0/24", "nexthop": "10.251.0.9"} for last in range(21)]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ("BadRequest", "Bad subnets request: a subnetpool must be specified in the absence of a cidr.")),
        ({"cidr": "x"}, bad("Invalid input for cidr. Reason: 'x' is not a valid IP subnet.")),
        ({"cidr": "10.251.0.0/33"}, bad("Invalid input for cidr. Reason: '10.251.0.0/33' is not a valid IP subnet.")),
        (
            {"cidr": "10.251.0.1/24/24"},
            bad("Invalid input for cidr. Reason: '10.251.0.1/24/24' is not a valid IP subnet."),
        ),
        (
            {**V4, "dns_nameservers": ["nope\nserver"]},
            bad(
                "Invalid input for dns_nameservers. Reason: 'nope\nserver' is not a valid nameserver. "
                "'nope\nserver' is not a valid IP address."
            ),
        ),
        ({**V4, "ip_version": 5}, bad("Invalid input for ip_version. Reason: '5' is not in [4, 6].")),
        ({**V6, "ip_version": 4}, operation("cidr 'fd00:7::/64' does not match the ip_version '4'")),
        ({**V4, "ip_version": 6}, operation("cidr '10.251.0.0/24' does not match the ip_version '6'")),
        ({"cidr": "0.0.0.0/0"}, operation("Invalid CIDR subnet: 0 is not allowed as CIDR prefix length")),
        (
            {"cidr": "224.0.0.0/24"},
            operation("Multicast and loopback ranges are not allowed for a subnet: '224.0.0.0/24'"),
        ),
        (
            {"cidr": "127.0.0.0/24"},
            operation("Multicast and loopback ranges are not allowed for a subnet: '127.0.0.0/24'"),
        ),
        ({"cidr": "10.251.0.0/31"}, operation(NO_DHCP)),
        ({"cidr": "10.251.0.0/32"}, operation(NO_DHCP)),
        ({"cidr": "fd00:7::/128", "ip_version": 6}, operation(NO_DHCP)),
        ({**V4, "ipv6_ra_mode": "slaac"}, operation(NOT_WITH_4)),
        ({**V4, "ipv6_address_mode": "slaac"}, operation(NOT_WITH_4)),
        (
            {**V6, "ipv6_ra_mode": "auto"},
            bad(
                "Invalid input for ipv6_ra_mode. Reason: 'auto' is not in "
                "['dhcpv6-stateful', 'dhcpv6-stateless', 'slaac']."
            ),
        ),
        (
            {**V6, "ipv6_ra_mode": "slaac", "enable_dhcp": False},
            operation("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"),
        ),
        (
            {**V6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
            operation(
                "ipv6_ra_mode set to 'slaac' with ipv6_address_mode set to 'dhcpv6-stateful' is not valid. "
                "If both attributes are set, they must be the same value"
            ),
        ),
        (
            {"cidr": "fd00:7::/63", "ip_version": 6, "ipv6_address_mode": "slaac"},
            operation(
                "Invalid CIDR fd00:7::/63 for IPv6 address mode. OpenStack uses the EUI-64 address format, "
                "which requires the prefix to be /64"
            ),
        ),
        ({**V4, "gateway_ip": "fd00::1"}, operation("gateway_ip 'fd00::1' does not match the ip_version '4'")),
        ({**V4, "gateway_ip": "10.251.0.0"}, operation("Gateway is not valid on subnet")),
        ({**V4, "gateway_ip": "10.251.0.255"}, operation("Gateway is not valid on subnet")),
        ({**V4, "gateway_ip": "gw"}, bad("Invalid input for gateway_ip. Reason: 'gw' is not a valid IP address.")),
        (
            {**V4, "dns_nameservers": ["fd00::1"]},
            operation("dns_nameserver 'fd00::1' does not match the ip_version '4'"),
        ),
        (
            {**V4, "dns_nameservers": ["ns"]},
            bad(
                "Invalid input for dns_nameservers. Reason: 'ns' is not a valid nameserver. "
                "'ns' is not a valid IP address."
            ),
        ),
        (
            {**V4, "host_routes": [{"destination": "fd00::/64", "nexthop": "fd00::1"}]},
            operation("host_route destination 'fd00::' does not match the ip_version '4'"),
        ),
        (
            {**V4, "host_routes": [{"destination": "10.8.0.0/16", "nexthop": "fd00::1"}]},
            bad("Invalid input for host_routes. Reason: '10.8.0.0/16' and 'fd00::1' are of different IP versions."),
        ),
        (
            {**V4, "host_routes": [{"destination": "10.8.0.0/16"}]},
            bad(
                "Invalid input for host_routes. Reason: Validation of dictionary's keys failed. "
                "Expected keys: ['destination', 'nexthop'] Provided keys: ['destination']."
            ),
        ),
        (
            {**V4, "allocation_pools": [{"start": "10.251.0.9", "end": "10.251.0.8"}]},
            ("InvalidAllocationPool", "The allocation pool 10.251.0.9-10.251.0.8 is not valid."),
        ),
        (
            {**V4, "allocation_pools": [{"start": "fd00::1", "end": "fd00::2"}]},
            ("InvalidAllocationPool", "The allocation pool fd00::1-fd00::2 is not valid."),
        ),
        (
            {**V4, "allocation_pools": [{"start": "10.251.0.9", "end": "10.251.0.255"}]},
            (
                "OutOfBoundsAllocationPool",
                "The allocation pool 10.251.0.9-10.251.0.255 spans beyond the subnet cidr 10.251.0.0/24.",
            ),
        ),
        (
            {**V4, "allocation_pools": [{"start": "10.251.0.9"}]},
            bad(
                "Invalid input for allocation_pools. Reason: Invalid data format for IP pool: "
                "'[{'start': '10.251.0.9'}]'."
            ),
        ),
        (
            {**V4, "dns_nameservers": [f"10.9.9.{last}" for last in range(6)]},
            (
                "DNSNameServersExhausted",
                "Unable to complete operation for . The number of DNS nameservers exceeds the limit 5.",
            ),
        ),
        (
            {**V4, "host_routes": HOPS},
            (
                "HostRoutesExhausted",
                "Unable to complete operation for . The number of host routes exceeds the limit 20.",
            ),
        ),
    ],
)
def test_values_that_do_not_fit(cloud: Cloud, given: Json, wanted: tuple[str, str]) -> None:
    network = cloud.make("network")
    body = {"subnet": {"network_id": network["id"], **given}}
    assert cloud.fault("POST", "subnets", body, 400) == wanted
    assert cloud.found("subnet", f"network_id={network['id']}") == []


@pytest.mark.parametrize(
    ("pools", "wanted"),
    [
        (
            [{"start": "10.251.0.9", "end": "10.251.0.20"}, {"start": "10.251.0.20", "end": "10.251.0.30"}],
            (
                "OverlappingAllocationPools",
                "Found overlapping allocation pools: 10.251.0.9-10.251.0.20 10.251.0.20-10.251.0.30 for subnet "
                "10.251.0.0/24.",
            ),
        ),
        (
            [{"start": "10.251.0.1", "end": "10.251.0.9"}],
            (
                "GatewayConflictWithAllocationPools",
                "Gateway ip 10.251.0.1 conflicts with allocation pool 10.251.0.1-10.251.0.9.",
            ),
        ),
    ],
)
def test_pools_that_are_in_each_other_s_way(cloud: Cloud, pools: Any, wanted: tuple[str, str]) -> None:
    network = cloud.make("network")
    given = {"network_id": network["id"], **V4}
    assert cloud.fault("POST", "subnets", {"subnet": {**given, "allocation_pools": pools}}, 409) == wanted
    made = cloud.make("subnet", **given)
    body = {"subnet": {"allocation_pools": pools}}
    assert cloud.fault("PUT", f"subnets/{made['id']}", body, 409) == wanted


@pytest.mark.parametrize("cidr", ["10.250.9.0/24", "10.250.9.128/25", "10.250.0.0/16"])
def test_subnets_of_a_network_do_not_overlap(cloud: Cloud, cidr: str) -> None:
    network, _ = cloud.network(cidr="10.250.9.0/24")
    wanted = operation(f"Requested subnet with cidr: {cidr} for network: {network['id']} overlaps with another subnet")
    body = {"subnet": {"network_id": network["id"], "cidr": cidr}}
    assert cloud.fault("POST", "subnets", body, 400) == wanted


def test_there_are_no_pools_of_subnets(cloud: Cloud) -> None:
    network = cloud.make("network")
    body = {"subnet": {"network_id": network["id"], "subnetpool_id": ABSENT}}
    wanted = ("SubnetPoolNotFound", f"Subnet pool {ABSENT} could not be found.")
    assert cloud.fault("POST", "subnets", body, 404) == wanted


def test_a_subnet_needs_a_network_that_is_there(cloud: Cloud) -> None:
    for id in (ABSENT, cloud.make("network", "other")["id"]):
        wanted = ("NetworkNotFound", f"Network {id} could not be found.")
        assert cloud.fault("POST", "subnets", {"subnet": {"network_id": id, **V4}}, 404) == wanted
    wanted = bad("Invalid input for network_id. Reason: 'x' is not a valid UUID.")
    assert cloud.fault("POST", "subnets", {"subnet": {"network_id": "x", **V4}}, 400) == wanted


@pytest.mark.parametrize(
    ("given", "gateway", "pools"),
    [
        ({"cidr": "10.251.0.0/24"}, "10.251.0.1", [("10.251.0.2", "10.251.0.254")]),
        ({"cidr": "10.251.0.77/24"}, "10.251.0.1", [("10.251.0.2", "10.251.0.254")]),
        ({"cidr": "10.251.0.0/24", "gateway_ip": None}, None, [("10.251.0.1", "10.251.0.254")]),
        (
            {"cidr": "10.251.0.0/24", "gateway_ip": "10.251.0.100"},
            "10.251.0.100",
            [("10.251.0.1", "10.251.0.99"), ("10.251.0.101", "10.251.0.254")],
        ),
        ({"cidr": "10.251.0.0/24", "gateway_ip": "10.251.0.254"}, "10.251.0.254", [("10.251.0.1", "10.251.0.253")]),
        ({"cidr": "10.251.0.0/24", "gateway_ip": "10.9.9.9"}, "10.9.9.9", [("10.251.0.1", "10.251.0.254")]),
        ({"cidr": "10.251.0.0/31", "enable_dhcp": False}, "10.251.0.0", [("10.251.0.1", "10.251.0.1")]),
        ({"cidr": "10.251.0.0/32", "enable_dhcp": False}, "10.251.0.0", []),
        ({"cidr": "fd00:7::/120", "ip_version": 6}, "fd00:7::1", [("fd00:7::2", "fd00:7::ff")]),
        (
            {"cidr": "10.251.0.0/24", "allocation_pools": [{"start": "10.251.0.50", "end": "10.251.0.60"}]},
            "10.251.0.1",
            [("10.251.0.50", "10.251.0.60")],
        ),
    ],
)
def test_gateways_and_pools(cloud: Cloud, given: Json, gateway: str | None, pools: Any) -> None:
    made = cloud.make("subnet", network_id=cloud.make("network")["id"], **given)
    assert made["gateway_ip"] == gateway
    assert [(pool["start"], pool["end"]) for pool in made["allocation_pools"]] == pools


def test_ports_get_addresses_of_the_pools(cloud: Cloud) -> None:
    network = cloud.make("network")
    pools = [{"start": "10.251.0.50", "end": "10.251.0.50"}, {"start": "10.251.0.70", "end": "10.251.0.70"}]
    given = {"network_id": network["id"], **V4, "allocation_pools": pools, "enable_dhcp": False}
    cloud.make("subnet", **given)
    got = {cloud.make("port", network_id=network["id"])["fixed_ips"][0]["ip_address"] for _ in range(2)}
    assert got == {"10.251.0.50", "10.251.0.70"}
    wanted = ("IpAddressGenerationFailure", f"No more IP addresses available on network {network['id']}.")
    assert cloud.fault("POST", "ports", {"port": {"network_id": network["id"]}}, 409) == wanted
    outside = [{"ip_address": "10.251.0.90"}]
    assert (
        cloud.make("port", network_id=network["id"], fixed_ips=outside)["fixed_ips"][0]["ip_address"] == "10.251.0.90"
    )


@pytest.mark.parametrize(
    "given",
    [
        {"name": "new", "description": "mine"},
        {"gateway_ip": None},
        {"dns_nameservers": ["9.9.9.9", "1.1.1.1"]},
        {"host_routes": [{"destination": "10.8.0.0/16", "nexthop": "10.228.0.9"}]},
        {"allocation_pools": [{"start": "10.228.0.100", "end": "10.228.0.110"}]},
        {"enable_dhcp": False},
        {"dns_publish_fixed_ip": True},
    ],
)
def test_a_subnet_is_changed(cloud: Cloud, given: Json) -> None:
    _, before = cloud.network(cidr="10.228.0.0/24")
    after = cloud.change("subnet", before["id"], **given)
    rest = {"revision_number": before["revision_number"] + 1, "updated_at": after["updated_at"]}
    assert after == {**before, **given, **rest}
    assert cloud.show("subnet", before["id"]) == after


@pytest.mark.parametrize(
    "name", ["cidr", "network_id", "ip_version", "ipv6_ra_mode", "ipv6_address_mode", "subnetpool_id"]
)
def test_what_a_subnet_keeps(cloud: Cloud, name: str) -> None:
    _, subnet = cloud.network()
    wanted = bad(f"Cannot update read-only attribute {name}")
    body = {"subnet": {name: subnet[name]}}
    assert cloud.fault("PUT", f"subnets/{subnet['id']}", body, 400) == wanted


def test_a_gateway_is_nobody_else_s_address(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.227.0.0/24")
    pools = [{"start": "10.227.0.2", "end": "10.227.0.100"}]
    cloud.change("subnet", subnet["id"], allocation_pools=pools)
    port = cloud.make("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.227.0.200"}])
    path = f"subnets/{subnet['id']}"
    wanted = ("GatewayIpInUse", f"Gateway ip 10.227.0.200 is in use by port {port['id']}.")
    assert cloud.fault("PUT", path, {"subnet": {"gateway_ip": "10.227.0.200"}}, 409) == wanted
    wanted = (
        "GatewayConflictWithAllocationPools",
        "Gateway ip 10.227.0.50 conflicts with allocation pool 10.227.0.2-10.227.0.100.",
    )
    assert cloud.fault("PUT", path, {"subnet": {"gateway_ip": "10.227.0.50"}}, 409) == wanted
    assert cloud.change("subnet", subnet["id"], gateway_ip="10.227.0.201")["gateway_ip"] == "10.227.0.201"


def test_the_dhcp_server_is_where_it_is_asked_for(cloud: Cloud) -> None:
    network, subnet = cloud.network()
    query = f"network_id={network['id']}&device_owner=network:dhcp"
    assert len(cloud.found("port", query)) == 1
    cloud.change("subnet", subnet["id"], enable_dhcp=False)
    assert cloud.found("port", query) == []
    cloud.change("subnet", subnet["id"], enable_dhcp=True)
    (port,) = cloud.found("port", query)
    assert [each["subnet_id"] for each in port["fixed_ips"]] == [subnet["id"]]


def test_a_subnet_with_addresses_stays(cloud: Cloud) -> None:
    network, subnet = cloud.network()
    port = cloud.make("port", network_id=network["id"])
    wanted = (
        "SubnetInUse",
        f"Unable to complete operation on subnet {subnet['id']}: "
        "One or more ports have an IP allocation from this subnet.",
    )
    assert cloud.fault("DELETE", f"subnets/{subnet['id']}", None, 409) == wanted
    cloud.change("port", port["id"], fixed_ips=[])
    cloud.call("DELETE", f"subnets/{subnet['id']}", status=204)
    assert cloud.show("network", network["id"])["subnets"] == []


def test_administrators_say_whose_addresses_they_are(cloud: Cloud) -> None:
    network = cloud.make("network")
    given = {"network_id": network["id"], "service_types": ["compute:"], **V4}
    rules = "(rule:create_subnet and rule:create_subnet:service_types)"
    wanted = ("PolicyNotAuthorized", f"{rules} is disallowed by policy")
    assert cloud.fault("POST", "subnets", {"subnet": given}, 403) == wanted
    subnet = cloud.make("subnet", "admin", **given, enable_dhcp=False)
    assert cloud.make("port", network_id=network["id"])["fixed_ips"] == []
    served = cloud.make("port", network_id=network["id"], device_owner="compute:nova")
    assert [each["subnet_id"] for each in served["fixed_ips"]] == [subnet["id"]]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {"four", "six"}),
        ("name=four", {"four"}),
        ("ip_version=6", {"six"}),
        ("cidr=10.226.0.0/24", {"four"}),
        ("gateway_ip=fd00:6::1", {"six"}),
        ("enable_dhcp=false", {"six"}),
        ("subnetpool_id=", {"four", "six"}),
        (f"subnetpool_id={ABSENT}", set()),
        ("ipv6_ra_mode=slaac", set()),
        ("name=four&ip_version=6", set()),
    ],
)
def test_lists_are_filtered(cloud: Cloud, query: str, wanted: set[str]) -> None:
    id = cloud.make("network")["id"]
    cloud.make("subnet", network_id=id, name="four", cidr="10.226.0.0/24")
    cloud.make("subnet", network_id=id, name="six", cidr="fd00:6::/64", ip_version=6, enable_dhcp=False)
    assert {each["name"] for each in cloud.found("subnet", f"network_id={id}&{query}")} == wanted


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("ip_version=x", "Invalid input for ip_version. Reason: 'x' is not an integer."),
        ("enable_dhcp=x", "Invalid input for enable_dhcp. Reason: 'x' cannot be converted to boolean."),
        ("allocation_pools=x", "['allocation_pools'] is invalid attribute for filtering"),
    ],
)
def test_filters_that_cannot_be_answered(cloud: Cloud, query: str, message: str) -> None:
    assert cloud.fault("GET", f"subnets?{query}", None, 400) == bad(message)
