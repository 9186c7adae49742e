"""Networks, subnets and ports as clients use them."""

from __future__ import annotations

import pytest

from tests.services.network.conftest import Cloud

ABSENT = "11111111-2222-3333-4444-555555555555"


def test_a_network_has_what_neutron_shows(cloud: Cloud) -> None:
    network = cloud.make("network", name="private", description="mine")
    expected = {
        "name": "private",
        "description": "mine",
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": False,
        "router:external": False,
        "mtu": 1450,
        "port_security_enabled": True,
        "subnets": [],
        "tags": [],
        "revision_number": 0,
        "tenant_id": "d" * 32,
        "project_id": "d" * 32,
    }
    assert {name: network[name] for name in expected} == expected
    assert "provider:network_type" not in network
    seen = cloud.call("GET", f"networks/{network['id']}", token="admin", status=200)["network"]
    assert seen["provider:network_type"] == "vxlan"
    assert seen["provider:segmentation_id"] >= 1


def test_update_and_delete_a_network(cloud: Cloud) -> None:
    network = cloud.make("network", name="a")
    path = f"networks/{network['id']}"
    changed = cloud.call("PUT", path, {"network": {"name": "b", "admin_state_up": False}}, status=200)["network"]
    assert (changed["name"], changed["admin_state_up"], changed["revision_number"]) == ("b", False, 1)
    cloud.call("DELETE", path, status=204)
    error = cloud.refused("GET", path, None, 404)
    assert error["type"] == "NetworkNotFound"
    assert error["message"] == f"Network {network['id']} could not be found."


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"name": "x" * 256}, 400, f"Invalid input for name. Reason: '{'x' * 256}' exceeds maximum length of 255."),
        ({"colour": "red"}, 400, "Unrecognized attribute(s) 'colour'"),
        ({"status": "DOWN"}, 400, "Attribute 'status' not allowed in POST"),
        ({"admin_state_up": "maybe"}, 400, "Invalid input for admin_state_up. Reason: 'maybe' cannot be converted"),
        ({"shared": True}, 403, "(rule:create_network and rule:create_network:shared) is disallowed by policy"),
        ({"provider:network_type": "flat"}, 403, "rule:create_network:provider:network_type"),
        ({"tenant_id": "e" * 32}, 400, "requires admin privileges"),
    ],
)
def test_bad_networks(cloud: Cloud, values: dict[str, object], status: int, message: str) -> None:
    assert message in cloud.refused("POST", "networks", {"network": values}, status)["message"]


def test_segments_are_unique(cloud: Cloud) -> None:
    flat = {"provider:network_type": "flat", "provider:physical_network": "unique"}
    cloud.make("network", "admin", **flat)
    error = cloud.refused("POST", "networks", {"network": flat}, 409, "admin")
    assert error["type"] == "FlatNetworkInUse"
    vnis = set()
    for _ in range(5):
        vnis.add(cloud.make("network", "admin")["provider:segmentation_id"])
    assert len(vnis) == 5


def test_bulk_create_is_all_or_nothing(cloud: Cloud) -> None:
    made = cloud.call("POST", "networks", {"networks": [{"name": "b1"}, {"name": "b2"}]}, status=201)["networks"]
    assert [network["name"] for network in made] == ["b1", "b2"]
    network, subnet = cloud.network()
    taken = {"network_id": network["id"], "fixed_ips": [{"ip_address": subnet["gateway_ip"].rsplit(".", 1)[0] + ".9"}]}
    error = cloud.refused("POST", "ports", {"ports": [taken, taken]}, 409)
    assert error["type"] == "IpAddressAlreadyAllocated"
    ports = cloud.call("GET", f"ports?network_id={network['id']}")["ports"]
    assert [port["device_owner"] for port in ports] == ["network:dhcp"]


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


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"cidr": "10.251.0.0/33"}, 400, "HTTPBadRequest"),
        ({"cidr": "10.251.0.1/24/24"}, 400, "HTTPBadRequest"),
        ({"cidr": "fd00::/64", "ip_version": 4}, 400, "InvalidInput"),
        ({"cidr": "10.251.0.0/24", "gateway_ip": "10.251.0.255"}, 400, "InvalidInput"),
        ({"cidr": "10.251.0.0/24", "ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        (
            {"cidr": "10.251.0.0/24", "allocation_pools": [{"start": "10.251.0.9", "end": "10.251.0.8"}]},
            400,
            "InvalidAllocationPool",
        ),
        (
            {"cidr": "10.251.0.0/24", "allocation_pools": [{"start": "10.251.0.9", "end": "10.252.0.8"}]},
            400,
            "OutOfBoundsAllocationPool",
        ),
        (
            {
                "cidr": "10.251.0.0/24",
                "allocation_pools": [
                    {"start": "10.251.0.9", "end": "10.251.0.20"},
                    {"start": "10.251.0.20", "end": "10.251.0.30"},
                ],
            },
            409,
            "OverlappingAllocationPools",
        ),
        (
            {"cidr": "10.251.0.0/24", "allocation_pools": [{"start": "10.251.0.1", "end": "10.251.0.9"}]},
            409,
            "GatewayConflictWithAllocationPools",
        ),
        ({"cidr": "10.250.9.0/25"}, 400, "InvalidInput"),
        ({"cidr": "10.251.0.0/24", "dns_nameservers": ["nope\nserver"]}, 400, "HTTPBadRequest"),
        ({"cidr": "10.251.0.0/24", "host_routes": [{"destination": "x", "nexthop": "1.1.1.1"}]}, 400, "HTTPBadRequest"),
    ],
)
def test_bad_subnets(cloud: Cloud, values: dict[str, object], status: int, kind: str) -> None:
    network, _ = cloud.network(cidr="10.250.9.0/24")
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, **values}}
    assert cloud.refused("POST", "subnets", body, status)["type"] == kind


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


@pytest.mark.parametrize(
    "options",
    [
        [{"opt_name": "router", "opt_value": "1.2.3.4\ndhcp-script=/bin/sh"}],
        [{"opt_name": "router\nx", "opt_value": "1.2.3.4"}],
        [{"opt_name": "router", "opt_value": "a\u2028b"}],
        [{"opt_name": "", "opt_value": "x"}],
        [{"opt_name": "router"}],
    ],
)
def test_dhcp_options_cannot_carry_configuration(cloud: Cloud, options: list[dict[str, str]]) -> None:
    network, _ = cloud.network()
    body = {"port": {"network_id": network["id"], "extra_dhcp_opts": options}}
    cloud.refused("POST", "ports", body, 400)


def test_ports_with_what_was_asked(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.250.3.0/24")
    fixed = [{"subnet_id": subnet["id"], "ip_address": "10.250.3.77"}]
    port = cloud.make("port", network_id=network["id"], fixed_ips=fixed, mac_address="02:00:00:00:00:01", name="p")
    assert (port["fixed_ips"], port["mac_address"]) == (fixed, "02:00:00:00:00:01")
    body = {"port": {"network_id": network["id"], "mac_address": "02:00:00:00:00:01"}}
    assert cloud.refused("POST", "ports", body, 409)["type"] == "MacAddressInUse"
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.9.9.9"}]}}
    assert cloud.refused("POST", "ports", body, 400)["type"] == "InvalidIpForNetwork"
    path = f"ports/{port['id']}"
    body = {"port": {"fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.250.3.78"}], "name": "q"}}
    changed = cloud.call("PUT", path, body, status=200)["port"]
    assert (changed["name"], changed["fixed_ips"][0]["ip_address"]) == ("q", "10.250.3.78")
    body = {"port": {"port_security_enabled": False}}
    assert cloud.refused("PUT", path, body, 409)["type"] == "PortSecurityPortHasSecurityGroup"
    body = {"port": {"port_security_enabled": False, "security_groups": []}}
    assert cloud.call("PUT", path, body, status=200)["port"]["port_security_enabled"] is False


def test_binding_is_for_administrators(cloud: Cloud) -> None:
    network, _ = cloud.network()
    body = {"port": {"network_id": network["id"], "binding:host_id": "cpu-host"}}
    cloud.refused("POST", "ports", body, 403)
    port = cloud.make("port", network_id=network["id"])
    assert "binding:host_id" not in port
    bound = cloud.call("PUT", f"ports/{port['id']}", {"port": {"binding:host_id": "cpu-host"}}, "admin", 200)["port"]
    assert (bound["binding:host_id"], bound["binding:vif_type"]) == ("cpu-host", "bridge")
    assert cloud.item(1, "network", network["id"]) is not None
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    assert cloud.item(1, "network", network["id"]) is None


def test_filters_fields_and_sorting(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.250.4.0/24")
    for name in ("c", "a", "b"):
        cloud.make("port", network_id=network["id"], name=name)
    base = f"ports?network_id={network['id']}"
    names = [p["name"] for p in cloud.call("GET", f"{base}&name=a&name=b&sort_key=name&sort_dir=desc")["ports"]]
    assert names == ["b", "a"]
    found = cloud.call("GET", f"{base}&fixed_ips=ip_address%3D10.250.4.3&fixed_ips=subnet_id%3D{subnet['id']}")["ports"]
    assert [port["name"] for port in found] == ["c"]
    assert cloud.call("GET", f"{base}&fields=id&fields=name&name=a")["ports"][0].keys() == {"id", "name"}
    assert "is invalid attribute for filtering" in cloud.refused("GET", f"{base}&colour=red", None, 400)["message"]


def test_tags_filter(cloud: Cloud) -> None:
    one, two = cloud.make("network", name="t1"), cloud.make("network", name="t2")
    cloud.call("PUT", f"networks/{one['id']}/tags", {"tags": ["red", "blue"]}, status=200)
    cloud.call("PUT", f"networks/{two['id']}/tags/red", status=201)
    ids = f"id={one['id']}&id={two['id']}"

    def names(query: str) -> list[str]:
        return sorted(net["name"] for net in cloud.call("GET", f"networks?{ids}&{query}")["networks"])

    assert names("tags=red") == ["t1", "t2"]
    assert names("tags=red,blue") == ["t1"]
    assert names("not-tags=red,blue") == ["t2"]
    assert names("tags-any=blue,green") == ["t1"]
    assert names("not-tags-any=blue,red") == []
    cloud.call("DELETE", f"networks/{one['id']}/tags/red", status=204)
    assert cloud.call("GET", f"networks/{one['id']}")["network"]["tags"] == ["blue"]
    assert cloud.refused("GET", f"networks/{one['id']}/tags/red", None, 404)["type"] == "TagNotFound"
    error = cloud.refused("PUT", f"networks/{one['id']}/tags", {"tags": ["x"]}, 404, "other")
    assert error["type"] == "NetworkNotFound"


def test_unknown_things(cloud: Cloud) -> None:
    for path, kind in (
        ("networks", "NetworkNotFound"),
        ("subnets", "SubnetNotFound"),
        ("ports", "PortNotFound"),
        ("routers", "RouterNotFound"),
        ("floatingips", "FloatingIPNotFound"),
        ("security-groups", "SecurityGroupNotFound"),
        ("security-group-rules", "SecurityGroupRuleNotFound"),
    ):
        assert cloud.refused("GET", f"{path}/{ABSENT}", None, 404)["type"] == kind
        assert cloud.refused("DELETE", f"{path}/{ABSENT}", None, 404)["type"] == kind
    assert cloud.refused("POST", "ports", {"port": {"network_id": ABSENT}}, 404)["type"] == "NetworkNotFound"
    assert cloud.refused("GET", "nothing", None, 404)["type"] == "HTTPNotFound"
