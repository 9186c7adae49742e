"""Ports: addresses, security groups, names and hosts, as clients ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.services.network.door import NetworkRequest
from tests.services.network.conftest import Cloud, Json

ABSENT = "11111111-2222-3333-4444-555555555555"


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


def test_of_several_ports_all_or_none_are_made(cloud: Cloud) -> None:
    network, subnet = cloud.network()
    taken = {"network_id": network["id"], "fixed_ips": [{"ip_address": subnet["gateway_ip"].rsplit(".", 1)[0] + ".9"}]}
    error = cloud.refused("POST", "ports", {"ports": [taken, taken]}, 409)
    assert error["type"] == "IpAddressAlreadyAllocated"
    ports = cloud.call("GET", f"ports?network_id={network['id']}")["ports"]
    assert [port["device_owner"] for port in ports] == ["network:dhcp"]


def bad(message: str) -> tuple[str, str]:
    return "HTTPBadRequest", message


def operation(message: str) -> tuple[str, str]:
    return "InvalidInput", f"Invalid input for operation: {message}."


PAIRS = [{"ip_address": f"10.9.9.{last}"} for last in range(11)]
UNSAFE = {"port_security_enabled": False}


@pytest.mark.parametrize(
    ("given", "status", "wanted"),
    [
        ({"mac_address": "x"}, 400, bad("Invalid input for mac_address. Reason: 'x' is not a valid MAC address.")),
        (
            {"admin_state_up": "up"},
            400,
            bad("Invalid input for admin_state_up. Reason: 'up' cannot be converted to boolean."),
        ),
        ({"fixed_ips": "x"}, 400, bad("Invalid input for fixed_ips. Reason: 'x' is not a list.")),
        ({"fixed_ips": ["x"]}, 400, bad("Invalid input for fixed_ips. Reason: Invalid data format for fixed IP: 'x'.")),
        ({"fixed_ips": [{}]}, 400, operation("IP allocation requires subnet_id or ip_address")),
        (
            {"fixed_ips": [{"ip_address": "10.9.9.9"}] * 2},
            400,
            bad("Invalid input for fixed_ips. Reason: Duplicate IP address '10.9.9.9'."),
        ),
        (
            {"fixed_ips": [{"ip_address": f"10.9.9.{last}"} for last in range(101)]},
            400,
            bad("Invalid input for fixed_ips. Reason: Exceeded maximum amount of fixed ips per port (100)."),
        ),
        (
            {"fixed_ips": [{"ip_address": "10.9.9.9"}]},
            400,
            (
                "InvalidIpForNetwork",
                "IP address 10.9.9.9 is not a valid IP for any of the subnets on the specified network.",
            ),
        ),
        (
            {"security_groups": [ABSENT]},
            404,
            ("SecurityGroupNotFound", f"Security group {ABSENT} does not exist"),
        ),
        (
            {"security_groups": [ABSENT], **UNSAFE},
            400,
            (
                "PortSecurityAndIPRequiredForSecurityGroups",
                "Port security must be enabled and port must have an IP address in order to use security groups.",
            ),
        ),
        (
            {"allowed_address_pairs": PAIRS[:1], **UNSAFE},
            409,
            (
                "AddressPairAndPortSecurityRequired",
                "Port Security must be enabled in order to have allowed address pairs on a port.",
            ),
        ),
        (
            {"allowed_address_pairs": PAIRS},
            400,
            ("AllowedAddressPairExhausted", "The number of allowed address pairs exceeds the maximum 10."),
        ),
        (
            {
                "allowed_address_pairs": [*PAIRS[:1], {**PAIRS[0], "mac_address": "02:00:00:00:00:09"}],
                "mac_address": "02:00:00:00:00:09",
            },
            400,
            (
                "DuplicateAddressPairInRequest",
                "Request contains duplicate address pair: mac_address 02:00:00:00:00:09 ip_address 10.9.9.0.",
            ),
        ),
        (
            {"allowed_address_pairs": [{"ip_address": "10.9.9.9", "mac_address": "01:00:00:00:00:01"}]},
            400,
            bad(
                "Invalid input for allowed_address_pairs. Reason: MAC address 01:00:00:00:00:01 is a multicast "
                "address, which is not supported.."
            ),
        ),
        (
            {"allowed_address_pairs": [{"ip_address": "10.9.9.0/33"}]},
            400,
            bad("Invalid input for allowed_address_pairs. Reason: '10.9.9.0/33' is not a valid IP subnet."),
        ),
        (
            {"dns_name": "a_b"},
            400,
            bad(
                "Invalid input for dns_name. Reason: 'a_b' not a valid PQDN or FQDN. "
                "Reason: Encountered an invalid DNS name component."
            ),
        ),
        (
            {"device_owner": "network:router_gateway", "device_id": ABSENT},
            409,
            (
                "DeviceIDNotOwnedByTenant",
                f"The following device_id {ABSENT} is not owned by your tenant or matches another tenants router.",
            ),
        ),
    ],
)
def test_values_that_do_not_fit(cloud: Cloud, given: Json, status: int, wanted: tuple[str, str]) -> None:
    network, _ = cloud.network()
    body = {"port": {"network_id": network["id"], **given}}
    assert cloud.fault("POST", "ports", body, status) == wanted
    assert [each["device_owner"] for each in cloud.found("port", f"network_id={network['id']}")] == ["network:dhcp"]


def test_an_address_is_one_port_s(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.225.0.0/24")
    fixed = [{"ip_address": "10.225.0.9"}]
    cloud.make("port", network_id=network["id"], fixed_ips=fixed)
    wanted = ("IpAddressAlreadyAllocated", f"IP address 10.225.0.9 already allocated in subnet {subnet['id']}")
    body = {"port": {"network_id": network["id"], "fixed_ips": fixed}}
    assert cloud.fault("POST", "ports", body, 409) == wanted
    other = cloud.make("port", network_id=network["id"])
    assert cloud.fault("PUT", f"ports/{other['id']}", {"port": {"fixed_ips": fixed}}, 409) == wanted


@pytest.mark.parametrize("ip", ["10.224.0.0", "10.224.0.255", "10.9.9.9"])
def test_an_address_lies_in_its_subnet(cloud: Cloud, ip: str) -> None:
    network, subnet = cloud.network(cidr="10.224.0.0/24")
    fixed = [{"subnet_id": subnet["id"], "ip_address": ip}]
    wanted = ("InvalidIpForSubnet", f"IP address {ip} is not a valid IP for the specified subnet.")
    body = {"port": {"network_id": network["id"], "fixed_ips": fixed}}
    assert cloud.fault("POST", "ports", body, 400) == wanted


def test_a_subnet_is_of_the_port_s_network(cloud: Cloud) -> None:
    network, _ = cloud.network()
    _, other = cloud.network()
    wanted = operation(
        f"Failed to create port on network {network['id']}, because fixed_ips included invalid subnet {other['id']}"
    )
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"subnet_id": other["id"]}]}}
    assert cloud.fault("POST", "ports", body, 400) == wanted


def test_a_mac_address_is_one_port_s_on_a_network(cloud: Cloud) -> None:
    network, _ = cloud.network()
    mac = "02:00:00:00:00:77"
    first = cloud.make("port", network_id=network["id"], mac_address=mac.upper())
    assert first["mac_address"] == mac
    wanted = (
        "MacAddressInUse",
        f"Unable to complete operation for network {network['id']}. The mac address {mac} is in use.",
    )
    body = {"port": {"network_id": network["id"], "mac_address": mac}}
    assert cloud.fault("POST", "ports", body, 409) == wanted
    second = cloud.make("port", network_id=network["id"])
    assert cloud.fault("PUT", f"ports/{second['id']}", {"port": {"mac_address": mac}}, 409, "admin") == wanted
    elsewhere, _ = cloud.network()
    assert cloud.make("port", network_id=elsewhere["id"], mac_address=mac)["mac_address"] == mac


def test_administrators_change_mac_addresses_of_ports_that_nobody_uses(cloud: Cloud) -> None:
    network, _ = cloud.network()
    port, body = cloud.make("port", network_id=network["id"]), {"port": {"mac_address": "02:00:00:00:00:78"}}
    rules = "(rule:update_port and rule:update_port:mac_address)"
    wanted = ("PolicyNotAuthorized", f"{rules} is disallowed by policy")
    assert cloud.fault("PUT", f"ports/{port['id']}", body, 403) == wanted
    changed = cloud.call("PUT", f"ports/{port['id']}", body, "admin", 200)["port"]
    assert changed["mac_address"] == "02:00:00:00:00:78"
    (plugged,) = cloud.plug([NetworkRequest(network_id=network["id"])])
    wanted = (
        "PortBound",
        f"Unable to complete operation on port {plugged.port_id}, port is already bound, port type: bridge, "
        f"old_mac {plugged.mac}, new_mac 02:00:00:00:00:79.",
    )
    body = {"port": {"mac_address": "02:00:00:00:00:79"}}
    assert cloud.fault("PUT", f"ports/{plugged.port_id}", body, 409, "admin") == wanted


def test_a_server_s_port_stays_its_own(cloud: Cloud) -> None:
    network, _ = cloud.network()
    (plugged,) = cloud.plug([NetworkRequest(network_id=network["id"])])
    port = cloud.show("port", plugged.port_id)
    wanted = (
        "PortInUse",
        f"Unable to complete operation on port {port['id']} for network {network['id']}. "
        f"Port already has an attached device {port['device_id']}.",
    )
    for given in ({"device_id": "x"}, {"device_owner": "x"}):
        assert cloud.fault("PUT", f"ports/{port['id']}", {"port": given}, 409) == wanted
    same = {"device_id": port["device_id"], "device_owner": port["device_owner"], "name": "mine"}
    assert cloud.change("port", port["id"], **same)["name"] == "mine"


def test_ports_of_routers_are_the_routers_to_delete(cloud: Cloud) -> None:
    router, *_ = cloud.routed()
    for port in cloud.found("port", f"device_id={router['id']}", "admin"):
        wanted = (
            "ServicePortInUse",
            f"Port {port['id']} cannot be deleted directly via the port API: has device owner {port['device_owner']}.",
        )
        assert cloud.fault("DELETE", f"ports/{port['id']}", None, 409, "admin") == wanted


HIDDEN = ("binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details")


@pytest.mark.parametrize("name", HIDDEN)
def test_bindings_are_shown_to_administrators_alone(cloud: Cloud, name: str) -> None:
    network, _ = cloud.network()
    port = cloud.make("port", "admin", network_id=network["id"], project_id="d" * 32, **{"binding:host_id": "cpu-host"})
    assert name in port and name in cloud.show("port", port["id"], "admin")
    assert name not in cloud.show("port", port["id"])
    assert name not in cloud.found("port", f"id={port['id']}")[0]
    assert name not in cloud.change("port", port["id"], name="mine")
    wanted = bad(f"['{name}'] is invalid attribute for filtering")
    assert cloud.fault("GET", f"ports?{name}=cpu-host", None, 400) == wanted
    wanted = bad(f"['{name}'] is invalid attribute for sort_key")
    assert cloud.fault("GET", f"ports?sort_key={name}&sort_dir=asc", None, 400) == wanted
    assert "binding:vnic_type" in cloud.show("port", port["id"])


def test_ports_of_a_host_are_found(cloud: Cloud) -> None:
    network, _ = cloud.network()
    port = cloud.make("port", "admin", network_id=network["id"], **{"binding:host_id": "cpu-host"})
    query = f"network_id={network['id']}&binding:host_id"
    assert [each["id"] for each in cloud.found("port", f"{query}=cpu-host", "admin")] == [port["id"]]
    assert cloud.found("port", f"{query}=nowhere", "admin") == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            {"binding:profile": {"key": "x" * 4096}},
            bad("Invalid input for binding:profile. Reason: binding:profile value too large."),
        ),
        ({"binding:profile": []}, bad("Invalid input for binding:profile. Reason: '[]' is not a dictionary.")),
        ({"binding:vif_type": "ovs"}, bad("Attribute 'binding:vif_type' not allowed in POST")),
        ({"binding:host_id": 5}, bad("Invalid input for binding:host_id. Reason: '5' is not a valid string.")),
    ],
)
def test_bindings_that_do_not_fit(cloud: Cloud, given: Json, wanted: tuple[str, str]) -> None:
    network, _ = cloud.network()
    body = {"port": {"network_id": network["id"], **given}}
    assert cloud.fault("POST", "ports", body, 400, "admin") == wanted


@pytest.mark.parametrize(("name", "value"), [("binding:host_id", "cpu-host"), ("binding:profile", {"a": 1})])
def test_members_bind_nothing(cloud: Cloud, name: str, value: Any) -> None:
    network, _ = cloud.network()
    port = cloud.make("port", network_id=network["id"])
    new = {"port": {"network_id": network["id"], name: value}}
    for method, path, rule, body in (
        ("POST", "ports", "create_port", new),
        ("PUT", f"ports/{port['id']}", "update_port", {"port": {name: value}}),
    ):
        wanted = ("PolicyNotAuthorized", f"(rule:{rule} and rule:{rule}:{name}) is disallowed by policy")
        assert cloud.fault(method, path, body, 403) == wanted


def test_a_name_is_told_with_each_address(cloud: Cloud) -> None:
    network, _ = cloud.network(cidr="10.223.0.0/24")
    fixed = [{"ip_address": "10.223.0.8"}, {"ip_address": "10.223.0.9"}]
    port = cloud.make("port", network_id=network["id"], fixed_ips=fixed, dns_name="web")
    assert port["dns_assignment"] == [
        {"hostname": "web", "ip_address": ip, "fqdn": "web.openstacklocal."} for ip in ("10.223.0.8", "10.223.0.9")
    ]
    port = cloud.change("port", port["id"], dns_name="", fixed_ips=fixed[:1])
    name = "host-10-223-0-8"
    assert port["dns_assignment"] == [{"hostname": name, "ip_address": "10.223.0.8", "fqdn": f"{name}.openstacklocal."}]


def test_a_new_port_is_in_the_default_group_of_its_project(cloud: Cloud) -> None:
    network, _ = cloud.network()
    default = cloud.default_group()["id"]
    assert cloud.make("port", network_id=network["id"])["security_groups"] == [default]
    assert cloud.make("port", network_id=network["id"], security_groups=[])["security_groups"] == []
    group = cloud.make("security_group", name="web")["id"]
    both = cloud.make("port", network_id=network["id"], security_groups=[group, default])
    assert set(both["security_groups"]) == {group, default}
    repeated = bad(f"Invalid input for security_groups. Reason: Duplicate items in the list: '{group}, {group}'.")
    body = {"port": {"security_groups": [group] * 2}}
    assert cloud.fault("PUT", f"ports/{both['id']}", body, 400) == repeated
    assert cloud.change("port", both["id"], security_groups=[group])["security_groups"] == [group]
    found = cloud.found("port", f"network_id={network['id']}&security_groups={group}")
    assert [each["id"] for each in found] == [both["id"]]


def test_a_port_without_an_address_gets_one(cloud: Cloud) -> None:
    network = cloud.make("network")
    port = cloud.make("port", network_id=network["id"])
    assert (port["fixed_ips"], port["dns_assignment"]) == ([], [])
    subnet = cloud.make("subnet", network_id=network["id"], cidr="10.222.0.0/24")
    after = cloud.change("port", port["id"], fixed_ips=[{"subnet_id": subnet["id"]}])
    assert after["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.222.0.3"}]
    assert cloud.change("port", port["id"], fixed_ips=[])["fixed_ips"] == []


def test_an_option_without_a_value_is_none(cloud: Cloud) -> None:
    network, _ = cloud.network()
    options = [{"opt_name": "mtu", "opt_value": "9"}, {"opt_name": "66", "opt_value": None}]
    port = cloud.make("port", network_id=network["id"], extra_dhcp_opts=options)
    assert [each["opt_name"] for each in port["extra_dhcp_opts"]] == ["mtu"]
    assert cloud.change("port", port["id"], extra_dhcp_opts=[])["extra_dhcp_opts"] == []


def test_the_owner_of_a_network_sees_others_ports_there(cloud: Cloud) -> None:
    network, _ = cloud.network("admin", project_id="d" * 32, shared=True)
    port = cloud.make("port", "other", network_id=network["id"])
    assert cloud.show("port", port["id"])["project_id"] == "0" * 32
    wanted = ("PolicyNotAuthorized", "rule:update_port is disallowed by policy")
    assert cloud.fault("PUT", f"ports/{port['id']}", {"port": {"name": "x"}}, 403) == wanted
    cloud.call("DELETE", f"ports/{port['id']}", status=204)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("name=one", {"one"}),
        ("device_id=d1", {"one"}),
        ("device_id=", {"two", "three"}),
        ("device_owner=compute:nova", {"one"}),
        ("device_owner=", {"two", "three"}),
        ("mac_address=02:00:00:00:00:55", {"two"}),
        ("admin_state_up=false", {"three"}),
        ("status=DOWN", {"one", "two", "three"}),
        ("status=ACTIVE", set()),
        ("fixed_ips=ip_address=10.221.0.50", {"two"}),
        ("fixed_ips=ip_address_substr=.0.5", {"two", "three"}),
        ("fixed_ips=ip_address=10.221.0.50&fixed_ips=ip_address=10.221.0.51", {"two", "three"}),
        (f"fixed_ips=subnet_id={ABSENT}", set()),
        ("ip_address=10.221.0.51", {"three"}),
        (f"security_groups={ABSENT}", set()),
        ("port_security_enabled=False", {"three"}),
        ("dns_name=web", {"two"}),
        ("binding:vnic_type=direct", {"one"}),
    ],
)
def test_lists_are_filtered(cloud: Cloud, query: str, wanted: set[str]) -> None:
    network = cloud.make("network")
    cloud.make("subnet", network_id=network["id"], cidr="10.221.0.0/24", enable_dhcp=False)
    values: dict[str, Json] = {
        "one": {"device_id": "d1", "device_owner": "compute:nova", "binding:vnic_type": "direct"},
        "two": {
            "mac_address": "02:00:00:00:00:55",
            "fixed_ips": [{"ip_address": "10.221.0.50"}],
            "dns_name": "web",
        },
        "three": {"admin_state_up": False, "fixed_ips": [{"ip_address": "10.221.0.51"}], **UNSAFE},
    }
    for name, given in values.items():
        cloud.make("port", network_id=network["id"], name=name, **given)
    assert {each["name"] for each in cloud.found("port", f"network_id={network['id']}&{query}")} == wanted


@pytest.mark.parametrize("value", ["10.0.0.1", "mac=x", "="])
def test_addresses_are_asked_for_by_kind(cloud: Cloud, value: str) -> None:
    wanted = bad(f"Invalid input for fixed_ips. Reason: '{value}' is not a valid filter.")
    assert cloud.fault("GET", f"ports?fixed_ips={value}", None, 400) == wanted
