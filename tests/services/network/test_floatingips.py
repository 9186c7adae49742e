"""Floating ips: addresses outside, and the ports that they lead to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.network.conftest import Cloud, Json

ABSENT = "11111111-2222-3333-4444-555555555555"


def test_a_floating_ip_leads_to_a_port(cloud: Cloud) -> None:
    router, network, subnet, external = cloud.routed()
    port = cloud.make("port", network_id=network["id"])
    floating = cloud.make("floatingip", floating_network_id=external["id"])
    assert (floating["status"], floating["port_id"], floating["router_id"]) == ("DOWN", None, None)
    path = f"floatingips/{floating['id']}"
    done = cloud.call("PUT", path, {"floatingip": {"port_id": port["id"]}}, status=200)["floatingip"]
    assert done["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert done["router_id"] == router["id"]
    assert done["port_details"]["mac_address"] == port["mac_address"]
    [told] = cloud.item(0, "router", router["id"]).floating_ips
    assert (told.floating_ip, told.fixed_ip) == (floating["floating_ip_address"], done["fixed_ip_address"])
    body: Any = {"floatingip": {"floating_network_id": external["id"], "port_id": port["id"]}}
    assert cloud.refused("POST", "floatingips", body, 409)["type"] == "FloatingIPPortAlreadyAssociated"
    body = {"router": {"external_gateway_info": {}}}
    error = cloud.refused("PUT", f"routers/{router['id']}", body, 409)
    assert error["type"] == "RouterExternalGatewayInUseByFloatingIp"
    error = cloud.refused("PUT", f"routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]}, 409)
    assert error["type"] == "RouterInterfaceInUseByFloatingIP"
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    left = cloud.call("GET", path)["floatingip"]
    assert (left["port_id"], left["router_id"], left["status"]) == (None, None, "DOWN")
    assert cloud.item(0, "router", router["id"]).floating_ips == []
    cloud.call("DELETE", path, status=204)
    holders = cloud.call("GET", f"ports?device_id={floating['id']}", token="admin")["ports"]
    assert holders == []


def test_a_floating_ip_needs_a_way(cloud: Cloud) -> None:
    external, _ = cloud.external()
    network, subnet = cloud.network()
    port = cloud.make("port", network_id=network["id"])
    body: Any = {"floatingip": {"floating_network_id": external["id"], "port_id": port["id"]}}
    error = cloud.refused("POST", "floatingips", body, 404)
    assert error["type"] == "ExternalGatewayForFloatingIPNotFound"
    assert error["message"] == (
        f"External network {external['id']} is not reachable from subnet {subnet['id']}.  "
        f"Therefore, cannot associate Port {port['id']} with a Floating IP."
    )
    assert cloud.call("GET", "floatingips?port_id=" + port["id"])["floatingips"] == []
    body = {"floatingip": {"floating_network_id": network["id"]}}
    assert "not a valid external network" in cloud.refused("POST", "floatingips", body, 400)["message"]
    floating = cloud.make("floatingip", "other", floating_network_id=external["id"])
    error = cloud.refused("PUT", f"floatingips/{floating['id']}", {"floatingip": {"port_id": port["id"]}}, 404, "other")
    assert error["type"] == "PortNotFound"
    body = {"floatingip": {"floating_network_id": external["id"], "floating_ip_address": "172.24.4.150"}}
    cloud.refused("POST", "floatingips", body, 403)


def bad(message: str) -> tuple[str, str]:
    return "BadRequest", f"Bad floatingip request: {message}."


def test_a_new_floating_ip_leads_nowhere(cloud: Cloud) -> None:
    external, _ = cloud.external()
    made = cloud.make("floatingip", floating_network_id=external["id"], description="mine")
    wanted = {
        "floating_network_id": external["id"],
        "port_id": None,
        "fixed_ip_address": None,
        "router_id": None,
        "status": "DOWN",
        "description": "mine",
        "dns_name": "",
        "dns_domain": "",
        "port_details": None,
        "tags": [],
        "revision_number": 0,
        "project_id": "d" * 32,
        "tenant_id": "d" * 32,
    }
    assert {name: made[name] for name in wanted} == wanted
    assert made["floating_ip_address"].startswith("172.24.4.")
    assert cloud.show("floatingip", made["id"]) == made


def test_its_address_is_held_by_a_port_that_nobody_owns(cloud: Cloud) -> None:
    external, subnet = cloud.external()
    made = cloud.make("floatingip", floating_network_id=external["id"])
    assert cloud.found("port", f"device_id={made['id']}") == []
    (port,) = cloud.found("port", f"device_id={made['id']}", "admin")
    assert (port["device_owner"], port["project_id"], port["status"]) == ("network:floatingip", "", "N/A")
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": made["floating_ip_address"]}]
    wanted = (
        "ServicePortInUse",
        f"Port {port['id']} cannot be deleted directly via the port API: has device owner network:floatingip.",
    )
    assert cloud.fault("DELETE", f"ports/{port['id']}", None, 409, "admin") == wanted


@pytest.mark.parametrize("given", [{"port_id": ""}, {"fixed_ip_address": "ten"}, {"floating_network_id": "x"}])
def test_values_that_do_not_fit(cloud: Cloud, given: Json) -> None:
    external, _ = cloud.external()
    ((name, value),) = given.items()
    kind = "IP address" if name == "fixed_ip_address" else "UUID"
    wanted = ("HTTPBadRequest", f"Invalid input for {name}. Reason: '{value}' is not a valid {kind}.")
    body = {"floatingip": {"floating_network_id": external["id"], **given}}
    assert cloud.fault("POST", "floatingips", body, 400) == wanted


def test_networks_that_lead_nowhere(cloud: Cloud) -> None:
    inside, _ = cloud.network()
    body = {"floatingip": {"floating_network_id": inside["id"]}}
    wanted = bad(f"Network {inside['id']} is not a valid external network")
    assert cloud.fault("POST", "floatingips", body, 400) == wanted
    body = {"floatingip": {"floating_network_id": ABSENT}}
    wanted = ("NetworkNotFound", f"Network {ABSENT} could not be found.")
    assert cloud.fault("POST", "floatingips", body, 404) == wanted


def test_an_external_network_without_addresses(cloud: Cloud) -> None:
    network = cloud.make("network", "admin", **{"router:external": True})
    body = {"floatingip": {"floating_network_id": network["id"]}}
    wanted = ("ExternalIpAddressExhausted", f"Unable to find any IP address on external network {network['id']}.")
    assert cloud.fault("POST", "floatingips", body, 400) == wanted
    cidr = {"cidr": "172.25.0.0/30", "enable_dhcp": False}
    cloud.make("subnet", "admin", network_id=network["id"], **cidr)
    first = cloud.make("floatingip", floating_network_id=network["id"])
    assert first["floating_ip_address"] == "172.25.0.2"
    wanted = ("IpAddressGenerationFailure", f"No more IP addresses available on network {network['id']}.")
    assert cloud.fault("POST", "floatingips", body, 409) == wanted
    cloud.call("DELETE", f"floatingips/{first['id']}", status=204)
    assert cloud.make("floatingip", floating_network_id=network["id"])["floating_ip_address"] == "172.25.0.2"


def test_administrators_choose_the_address(cloud: Cloud) -> None:
    external, subnet = cloud.external()
    given = {"floating_network_id": external["id"], "floating_ip_address": "172.24.4.222"}
    rules = "(rule:create_floatingip and rule:create_floatingip:floating_ip_address)"
    wanted = ("PolicyNotAuthorized", f"{rules} is disallowed by policy")
    assert cloud.fault("POST", "floatingips", {"floatingip": given}, 403) == wanted
    made = cloud.make("floatingip", "admin", **given)
    assert made["floating_ip_address"] == "172.24.4.222"
    wanted = ("IpAddressAlreadyAllocated", f"IP address 172.24.4.222 already allocated in subnet {subnet['id']}")
    assert cloud.fault("POST", "floatingips", {"floatingip": given}, 409, "admin") == wanted
    body = {"floatingip": {**given, "floating_ip_address": "10.9.9.9"}}
    assert cloud.fault("POST", "floatingips", body, 400, "admin")[0] == "InvalidIpForNetwork"


def test_everybody_chooses_the_subnet(cloud: Cloud) -> None:
    external, subnet = cloud.external()
    made = cloud.make("floatingip", floating_network_id=external["id"], subnet_id=subnet["id"])
    assert made["floating_ip_address"].startswith("172.24.4.")
    _, other = cloud.network()
    body = {"floatingip": {"floating_network_id": external["id"], "subnet_id": other["id"]}}
    assert cloud.fault("POST", "floatingips", body, 400)[0] == "InvalidInput"


def test_it_leads_to_a_port_from_the_beginning(cloud: Cloud) -> None:
    router, network, _, external = cloud.routed()
    port = cloud.make("port", network_id=network["id"], name="web")
    made = cloud.make("floatingip", floating_network_id=external["id"], port_id=port["id"])
    assert (made["port_id"], made["router_id"]) == (port["id"], router["id"])
    assert made["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    names = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
    assert made["port_details"] == {name: port[name] for name in names}
    none = cloud.change("floatingip", made["id"], port_id=None)
    assert [none[name] for name in ("port_id", "router_id", "fixed_ip_address", "port_details")] == [None] * 4


@pytest.mark.parametrize("port", [{}, {"port_id": None}])
def test_an_inner_address_is_a_port_s(cloud: Cloud, port: Json) -> None:
    external, _ = cloud.external()
    given = {"fixed_ip_address": "10.0.0.5", **port}
    wanted = bad("fixed_ip_address cannot be specified without a port_id")
    body = {"floatingip": {"floating_network_id": external["id"], **given}}
    assert cloud.fault("POST", "floatingips", body, 400) == wanted
    made = cloud.make("floatingip", floating_network_id=external["id"])
    assert cloud.fault("PUT", f"floatingips/{made['id']}", {"floatingip": given}, 400) == wanted


def test_of_several_addresses_one_is_chosen(cloud: Cloud) -> None:
    _, network, subnet, external = cloud.routed()
    port = cloud.make("port", network_id=network["id"], fixed_ips=[{"subnet_id": subnet["id"]}] * 2)
    ips = [each["ip_address"] for each in port["fixed_ips"]]
    made = cloud.make("floatingip", floating_network_id=external["id"])
    path = f"floatingips/{made['id']}"
    wanted = bad(
        f"Port {port['id']} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when "
        "assigning a floating IP"
    )
    assert cloud.fault("PUT", path, {"floatingip": {"port_id": port["id"]}}, 400) == wanted
    wanted = bad(f"Port {port['id']} does not have fixed ip 10.9.9.9")
    body = {"floatingip": {"port_id": port["id"], "fixed_ip_address": "10.9.9.9"}}
    assert cloud.fault("PUT", path, body, 400) == wanted
    after = cloud.change("floatingip", made["id"], port_id=port["id"], fixed_ip_address=ips[1])
    assert after["fixed_ip_address"] == ips[1]
    second = {"floating_network_id": external["id"], "port_id": port["id"]}
    wanted = (
        "FloatingIPPortAlreadyAssociated",
        f"Cannot associate floating IP {{}} ({{}}) with port {port['id']} using fixed IP {ips[1]}, as that fixed IP "
        f"already has a floating IP on external network {external['id']}.",
    )
    other = cloud.make("floatingip", floating_network_id=external["id"])
    body = {"floatingip": {"port_id": port["id"], "fixed_ip_address": ips[1]}}
    found = cloud.fault("PUT", f"floatingips/{other['id']}", body, 409)
    assert found == (wanted[0], wanted[1].format(other["floating_ip_address"], other["id"]))
    assert cloud.make("floatingip", **second, fixed_ip_address=ips[0])["fixed_ip_address"] == ips[0]


def test_a_port_has_to_have_an_address(cloud: Cloud) -> None:
    external, _ = cloud.external()
    port = cloud.make("port", network_id=cloud.make("network")["id"])
    wanted = bad(f"Cannot add floating IP to port {port['id']} that has no fixed IPv4 addresses")
    body = {"floatingip": {"floating_network_id": external["id"], "port_id": port["id"]}}
    assert cloud.fault("POST", "floatingips", body, 400) == wanted


def test_a_port_of_another_project_is_not_there(cloud: Cloud) -> None:
    _, network, _, external = cloud.routed()
    port = cloud.make("port", network_id=network["id"])
    made = cloud.make("floatingip", "other", floating_network_id=external["id"])
    path, body = f"floatingips/{made['id']}", {"floatingip": {"port_id": port["id"]}}
    wanted = ("PortNotFound", f"Port {port['id']} could not be found.")
    assert cloud.fault("PUT", path, body, 404, "other") == wanted
    foreign = cloud.make("port", "admin", network_id=network["id"], project_id="0" * 32)
    own = cloud.make("floatingip", floating_network_id=external["id"])
    wanted = bad(
        f"Port {foreign['id']} is associated with a different tenant than Floating IP {own['id']} and therefore "
        "cannot be bound"
    )
    body = {"floatingip": {"port_id": foreign["id"]}}
    assert cloud.fault("PUT", f"floatingips/{own['id']}", body, 400) == wanted


@pytest.mark.parametrize(
    "name", ["floating_network_id", "floating_ip_address", "subnet_id", "router_id", "status", "dns_name"]
)
def test_what_a_floating_ip_keeps(cloud: Cloud, name: str) -> None:
    external, _ = cloud.external()
    made = cloud.make("floatingip", floating_network_id=external["id"])
    body = {"floatingip": {name: "x"}}
    wanted = ("HTTPBadRequest", f"Cannot update read-only attribute {name}")
    assert cloud.fault("PUT", f"floatingips/{made['id']}", body, 400) == wanted


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("floating_ip_address", 1),
        ("port_id", 1),
        ("router_id", 1),
        ("fixed_ip_address", 1),
        ("floating_network_id", 2),
        ("status", 2),
    ],
)
def test_lists_are_filtered(cloud: Cloud, name: str, many: int) -> None:
    _, network, _, external = cloud.routed()
    port = cloud.make("port", network_id=network["id"])
    one = cloud.make("floatingip", floating_network_id=external["id"], port_id=port["id"])
    two = cloud.make("floatingip", floating_network_id=external["id"])
    found: Any = cloud.found("floatingip", f"id={one['id']}&id={two['id']}&{name}={one[name]}")
    assert len(found) == many and one["id"] in [each["id"] for each in found]
