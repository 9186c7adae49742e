"""Networks: what Neutron shows of them, their segments, and when they may go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.network.conftest import Cloud, Json

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


def test_several_networks_at_once(cloud: Cloud) -> None:
    made = cloud.call("POST", "networks", {"networks": [{"name": "b1"}, {"name": "b2"}]}, status=201)["networks"]
    assert [network["name"] for network in made] == ["b1", "b2"]


def operation(message: str) -> tuple[str, str]:
    return "InvalidInput", f"Invalid input for operation: {message}."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"physical_network": "x"}, "provider:network_type required"),
        ({"segmentation_id": 9}, "provider:network_type required"),
        ({"network_type": "flat"}, "physical_network required for flat provider network"),
        (
            {"network_type": "flat", "physical_network": "x", "segmentation_id": 9},
            "segmentation_id prohibited for flat provider network",
        ),
        ({"network_type": "vlan"}, "network_type value 'vlan' not supported"),
        ({"network_type": "gre"}, "network_type value 'gre' not supported"),
        ({"network_type": "geneve"}, "network_type value 'geneve' not supported"),
        (
            {"network_type": "vxlan", "physical_network": "x"},
            "provider:physical_network specified for vxlan network",
        ),
        (
            {"network_type": "local", "physical_network": "x"},
            "provider:physical_network specified for local network",
        ),
        (
            {"network_type": "local", "segmentation_id": 9},
            "provider:segmentation_id specified for local network",
        ),
        (
            {"network_type": "vxlan", "segmentation_id": 0},
            "segmentation_id out of range (1 through 16777215)",
        ),
        (
            {"network_type": "vxlan", "segmentation_id": 16777216},
            "segmentation_id out of range (1 through 16777215)",
        ),
    ],
)
def test_segments_that_do_not_exist(cloud: Cloud, given: Json, message: str) -> None:
    body = {"network": {f"provider:{name}": value for name, value in given.items()}}
    assert cloud.fault("POST", "networks", body, 400, "admin") == operation(message)


def test_a_tunnel_is_one_network_s(cloud: Cloud) -> None:
    given = {"provider:network_type": "vxlan", "provider:segmentation_id": 16777215}
    made = cloud.make("network", "admin", **given)
    assert given.items() <= made.items() and made["provider:physical_network"] is None
    wanted = ("TunnelIdInUse", "Unable to create the network. The tunnel ID 16777215 is in use.")
    assert cloud.fault("POST", "networks", {"network": given}, 409, "admin") == wanted
    cloud.call("DELETE", f"networks/{made['id']}", None, "admin", 204)
    cloud.make("network", "admin", **given)


def test_a_local_network_has_no_number(cloud: Cloud) -> None:
    made = cloud.make("network", "admin", **{"provider:network_type": "local"})
    assert (made["provider:physical_network"], made["provider:segmentation_id"]) == (None, None)


def test_a_network_keeps_its_segment(cloud: Cloud) -> None:
    made = cloud.make("network", "admin")
    path, same = f"networks/{made['id']}", {"provider:segmentation_id": made["provider:segmentation_id"]}
    wanted = operation("Plugin does not support updating provider attributes")
    for given in ({"provider:segmentation_id": 5_000_000}, {"provider:network_type": "local"}):
        assert cloud.fault("PUT", path, {"network": given}, 400, "admin") == wanted
    assert cloud.change("network", made["id"], "admin", **same)["revision_number"] == 1


PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


@pytest.mark.parametrize("name", PROVIDER)
def test_segments_are_for_administrators(cloud: Cloud, name: str) -> None:
    """Also by a filter or an order nobody else learns of them."""
    made = cloud.make("network")
    assert name not in made and name not in cloud.show("network", made["id"])
    seen = cloud.show("network", made["id"], "admin")
    wanted = ("HTTPBadRequest", f"['{name}'] is invalid attribute for filtering")
    assert cloud.fault("GET", f"networks?{name}=1", None, 400) == wanted
    wanted = ("HTTPBadRequest", f"['{name}'] is invalid attribute for sort_key")
    assert cloud.fault("GET", f"networks?sort_key={name}&sort_dir=asc", None, 400) == wanted
    found = cloud.found("network", f"{name}={seen[name] or ''}&id={made['id']}", "admin")
    assert [each["id"] for each in found] == [made["id"]]


@pytest.mark.parametrize("name", ["shared", "router:external", "is_default", *PROVIDER])
def test_what_members_may_not_say(cloud: Cloud, name: str) -> None:
    value = {"provider:network_type": "vxlan", "provider:physical_network": "x", "provider:segmentation_id": 5}
    body = {"network": {name: value.get(name, True)}}
    made = cloud.make("network")
    for method, path, rule in (("POST", "networks", "create"), ("PUT", f"networks/{made['id']}", "update")):
        rules = f"(rule:{rule}_network and rule:{rule}_network:{name})"
        wanted = ("PolicyNotAuthorized", f"{rules} is disallowed by policy")
        assert cloud.fault(method, path, body, 403) == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"mtu": 1451}, operation("Requested MTU is too big, maximum is 1450")),
        ({"mtu": 67}, ("HTTPBadRequest", "Invalid input for mtu. Reason: '67' is too small - must be at least '68'.")),
        ({"mtu": -1}, ("HTTPBadRequest", "Invalid input for mtu. Reason: '-1' is too small - must be at least '0'.")),
        ({"mtu": "large"}, ("HTTPBadRequest", "Invalid input for mtu. Reason: 'large' is not an integer.")),
        ({"dns_domain": "x"}, ("HTTPBadRequest", "Invalid input for dns_domain. Reason: 'x' is not a FQDN.")),
        (
            {"availability_zone_hints": "nova"},
            ("HTTPBadRequest", "Invalid input for availability_zone_hints. Reason: 'nova' is not a list."),
        ),
    ],
)
def test_values_that_do_not_fit(cloud: Cloud, given: Json, wanted: tuple[str, str]) -> None:
    assert cloud.fault("POST", "networks", {"network": given}, 400) == wanted


@pytest.mark.parametrize(
    ("kind", "asked", "wanted"),
    [("vxlan", None, 1450), ("vxlan", 0, 1450), ("vxlan", 68, 68), ("local", None, 1500), ("local", 1500, 1500)],
)
def test_packets_are_as_large_as_the_segment_lets_them(cloud: Cloud, kind: str, asked: Any, wanted: int) -> None:
    made = cloud.make("network", "admin", **{"provider:network_type": kind, "mtu": asked})
    assert made["mtu"] == wanted


def test_the_mtu_of_a_network_is_told_to_its_hosts(cloud: Cloud) -> None:
    network, _ = cloud.network()
    assert cloud.item(0, "network", network["id"]).mtu == 1450
    assert cloud.change("network", network["id"], mtu=1400)["mtu"] == 1400
    assert cloud.item(0, "network", network["id"]).mtu == 1400
    wanted = operation("Requested MTU is too big, maximum is 1450")
    assert cloud.fault("PUT", f"networks/{network['id']}", {"network": {"mtu": 1500}}, 400) == wanted


def test_a_network_that_others_use_stays_shared(cloud: Cloud) -> None:
    network, _ = cloud.network("admin", shared=True)
    path, alone = f"networks/{network['id']}", {"network": {"shared": False}}
    port = cloud.make("port", network_id=network["id"])
    wanted = (
        "InvalidSharedSetting",
        f"Unable to reconfigure sharing settings for network {network['id']}. Multiple tenants are using it.",
    )
    assert cloud.fault("PUT", path, alone, 409, "admin") == wanted
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    assert cloud.call("PUT", path, alone, "admin", 200)["network"]["shared"] is False
    assert cloud.fault("GET", path, None, 404)[0] == "NetworkNotFound"


@pytest.mark.parametrize("use", ["router", "floatingip"])
def test_a_network_that_leads_outside_stays_external(cloud: Cloud, use: str) -> None:
    outside: Json = {"router:external": True}
    network, _ = cloud.network("admin", **outside)
    path, inside = f"networks/{network['id']}", {"network": {"router:external": False}}
    if use == "router":
        made = cloud.make("router", external_gateway_info={"network_id": network["id"]})
    else:
        made = cloud.make("floatingip", floating_network_id=network["id"])
    wanted = (
        "ExternalNetworkInUse",
        f"External network {network['id']} cannot be updated to be made non-external, since it has existing gateway "
        "ports.",
    )
    assert cloud.fault("PUT", path, inside, 409, "admin") == wanted
    cloud.call("DELETE", f"{use}s/{made['id']}", status=204)
    assert cloud.call("PUT", path, inside, "admin", 200)["network"]["router:external"] is False


def test_there_is_one_default_external_network(cloud: Cloud) -> None:
    default = {"router:external": True, "is_default": True}
    first = cloud.make("network", "admin", **default)
    wanted = ("DefaultExternalNetworkExists", f"A default external network already exists: {first['id']}.")
    assert cloud.fault("POST", "networks", {"network": default}, 409, "admin") == wanted
    second = cloud.make("network", "admin", **{"router:external": True})
    body = {"network": {"is_default": True}}
    assert cloud.fault("PUT", f"networks/{second['id']}", body, 409, "admin") == wanted
    assert cloud.change("network", first["id"], "admin", is_default=True)["is_default"] is True
    for made in (first, second):
        cloud.call("DELETE", f"networks/{made['id']}", None, "admin", 204)


def test_a_network_goes_with_its_subnets_and_their_dhcp_server(cloud: Cloud) -> None:
    network, subnet = cloud.network()
    (dhcp,) = cloud.found("port", f"network_id={network['id']}")
    cloud.call("DELETE", f"networks/{network['id']}", status=204)
    assert cloud.fault("GET", f"subnets/{subnet['id']}", None, 404)[0] == "SubnetNotFound"
    assert cloud.fault("GET", f"ports/{dhcp['id']}", None, 404, "admin")[0] == "PortNotFound"
    assert cloud.item(0, "network", network["id"]) is None


def test_a_network_with_ports_stays(cloud: Cloud) -> None:
    network, subnet = cloud.network()
    cloud.make("port", network_id=network["id"])
    wanted = (
        "NetworkInUse",
        f"Unable to complete operation on network {network['id']}. "
        "There are one or more ports still in use on the network.",
    )
    assert cloud.fault("DELETE", f"networks/{network['id']}", None, 409) == wanted
    assert cloud.show("network", network["id"])["subnets"] == [subnet["id"]]


@pytest.fixture
def three(cloud: Cloud) -> dict[str, Json]:
    """Networks of demo's, which see no others of this description."""
    values: dict[str, Json] = {
        "plain": {"mtu": 1400},
        "down": {"admin_state_up": False, "port_security_enabled": False},
        "named": {"dns_domain": "example.org.", "availability_zone_hints": ["nova"]},
    }
    return {name: cloud.make("network", name=name, description="filtered", **each) for name, each in values.items()}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {"plain", "down", "named"}),
        ("name=plain", {"plain"}),
        ("name=plain&name=down", {"plain", "down"}),
        ("name=plain&mtu=1450", set()),
        ("mtu=1400", {"plain"}),
        ("admin_state_up=False", {"down"}),
        ("admin_state_up=true", {"plain", "named"}),
        ("port_security_enabled=0", {"down"}),
        ("dns_domain=example.org.", {"named"}),
        ("status=ACTIVE", {"plain", "down", "named"}),
        ("status=DOWN", set()),
        ("shared=True", set()),
        ("router:external=False", {"plain", "down", "named"}),
        (f"tenant_id={'0' * 32}", set()),
        (f"project_id={'d' * 32}", {"plain", "down", "named"}),
        (f"id={ABSENT}", set()),
        ("changed_since=2000-01-01T00:00:00Z", {"plain", "down", "named"}),
        ("changed_since=2100-01-01T00:00:00Z", set()),
        ("revision_number=0", {"plain", "down", "named"}),
    ],
)
def test_lists_are_filtered(cloud: Cloud, three: dict[str, Json], query: str, wanted: set[str]) -> None:
    ids = {each["id"]: name for name, each in three.items()}
    found = cloud.found("network", f"description=filtered&{query}")
    assert {ids[each["id"]] for each in found if each["id"] in ids} == wanted


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("sort_key=name&sort_dir=asc", ["down", "named", "plain"]),
        ("sort_key=name&sort_dir=desc", ["plain", "named", "down"]),
        ("sort_key=admin_state_up&sort_dir=desc&sort_key=name&sort_dir=asc", ["named", "plain", "down"]),
        ("sort_key=mtu&sort_dir=asc&sort_key=name&sort_dir=desc", ["plain", "named", "down"]),
    ],
)
def test_lists_are_in_the_order_asked_for(cloud: Cloud, three: dict[str, Json], order: str, wanted: list[str]) -> None:
    ids = "&".join(f"id={each['id']}" for each in three.values())
    assert [each["name"] for each in cloud.found("network", f"{ids}&{order}")] == wanted


def test_a_filter_that_is_no_boolean(cloud: Cloud) -> None:
    wanted = (
        "HTTPBadRequest",
        "Invalid input for admin_state_up. Reason: 'perhaps' cannot be converted to boolean.",
    )
    assert cloud.fault("GET", "networks?admin_state_up=perhaps", None, 400) == wanted
