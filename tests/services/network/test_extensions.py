"""Extensions as clients see them: the list, one of them, and what each adds to answers and requests."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.services.network.api import networks, ports, routers, security_group_rules, security_groups, subnets
from tests.services.network.conftest import Cloud

# The aliases that clients and tests of OpenStack look at before they try something.
LOOKED_FOR = (
    *("agent", "allowed-address-pairs", "availability_zone", "binding", "dns-integration", "ext-gw-mode"),
    *("external-net", "extra_dhcp_opt", "extraroute", "net-mtu", "network-ip-availability", "port-security"),
    *("provider", "quotas", "router", "security-group", "standard-attr-revisions", "standard-attr-tag"),
    *("standard-attr-timestamp", "subnet-service-types"),
)


def test_the_list_has_what_clients_look_for_in_its_order(cloud: Cloud) -> None:
    found = [each["alias"] for each in cloud.call("GET", "extensions")["extensions"]]
    assert found == sorted(found)
    assert set(LOOKED_FOR) <= set(found)
    assert len(found) == 34


@pytest.mark.parametrize("alias", LOOKED_FOR)
def test_one_extension(cloud: Cloud, alias: str) -> None:
    found = cloud.call("GET", f"extensions/{alias}", None, "demo", 200)["extension"]
    assert found["alias"] == alias
    assert found["name"] and found["description"] and found["links"] == []


@pytest.mark.parametrize("alias", ["dvr", "l3-ha", "address-scope", "qos", "nothing"])
def test_what_does_not_work_is_no_extension(cloud: Cloud, alias: str) -> None:
    assert cloud.refused("GET", f"extensions/{alias}", None, 404)["type"]


MAKERS: dict[str, dict[str, Any]] = {
    "network": {
        "name": "",
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": False,
        "router:external": False,
        "is_default": False,
        "mtu": 1450,
        "port_security_enabled": True,
        "dns_domain": "",
        "availability_zone_hints": [],
        "availability_zones": [],
        "subnets": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
    },
    "router": {
        "status": "ACTIVE",
        "external_gateway_info": None,
        "routes": [],
        "distributed": False,
        "ha": False,
        "flavor_id": None,
        "availability_zone_hints": [],
        "availability_zones": [],
    },
    "security_group": {"stateful": True, "shared": False},
}
STANDARD = {"id", "project_id", "tenant_id", "description", "created_at", "updated_at", "revision_number", "tags"}


@pytest.mark.parametrize("noun", MAKERS)
def test_what_extensions_add_is_answered(cloud: Cloud, noun: str) -> None:
    made = cloud.make(noun, name="" if noun == "network" else "one")
    assert MAKERS[noun].items() <= made.items()
    assert made.keys() >= STANDARD
    assert made["created_at"].endswith("Z") and made["created_at"] == made["updated_at"]


def test_a_port_has_what_nine_extensions_add(cloud: Cloud) -> None:
    network, subnet = cloud.network()
    option = {"opt_name": "mtu", "opt_value": "9"}
    port = cloud.make("port", "admin", network_id=network["id"], extra_dhcp_opts=[option])
    (ip,) = (each["ip_address"] for each in port["fixed_ips"])
    name = "host-" + ip.replace(".", "-")
    assert port["dns_assignment"] == [{"hostname": name, "ip_address": ip, "fqdn": f"{name}.openstacklocal."}]
    assert port["extra_dhcp_opts"] == [{**option, "ip_version": 4}]
    assert len(port["security_groups"]) == 1
    assert (port["port_security_enabled"], port["allowed_address_pairs"]) == (True, [])
    assert (port["binding:vif_type"], port["binding:vif_details"]) == ("unbound", {})
    assert (port["binding:vnic_type"], port["binding:host_id"], port["binding:profile"]) == ("normal", "", {})
    assert port["fixed_ips"][0]["subnet_id"] == subnet["id"]
    assert "binding:host_id" not in cloud.make("port", network_id=network["id"])


def test_a_port_on_a_host(cloud: Cloud) -> None:
    network, _ = cloud.network()
    bound = {"binding:host_id": "cpu-host", "binding:profile": {"a": 1}}
    port = cloud.make("port", "admin", network_id=network["id"], **bound)
    assert bound.items() <= port.items()
    assert (port["binding:vif_type"], port["binding:vif_details"]["port_filter"]) == ("bridge", True)
    lost = cloud.call("PUT", f"ports/{port['id']}", {"port": {"binding:host_id": "nowhere"}}, "admin", 200)["port"]
    assert (lost["binding:vif_type"], lost["binding:vif_details"]) == ("binding_failed", {})
    free = cloud.call("PUT", f"ports/{port['id']}", {"port": {"binding:host_id": ""}}, "admin", 200)["port"]
    assert (free["binding:vif_type"], free["binding:host_id"], free["binding:profile"]) == ("unbound", "", {"a": 1})


def test_extensions_look_at_each_other_in_order(cloud: Cloud) -> None:
    """Groups and pairs look at what port security made of the request and of the network."""
    network, _ = cloud.network(port_security_enabled=False)
    port = cloud.make("port", network_id=network["id"])
    assert (port["port_security_enabled"], port["security_groups"]) == (False, [])
    pair = {"allowed_address_pairs": [{"ip_address": "10.0.0.0/8"}]}
    refused = cloud.refused("PUT", f"ports/{port['id']}", {"port": pair}, 409)
    assert refused["type"] == "AddressPairAndPortSecurityRequired"
    changed = {**pair, "port_security_enabled": True}
    found = cloud.call("PUT", f"ports/{port['id']}", {"port": changed}, "demo", 200)["port"]
    assert found["allowed_address_pairs"] == [{"ip_address": "10.0.0.0/8", "mac_address": port["mac_address"]}]
    without = cloud.refused("PUT", f"ports/{port['id']}", {"port": {"port_security_enabled": False}}, 409)
    assert without["type"] == "AddressPairAndPortSecurityRequired"
    none = {"port_security_enabled": False, "allowed_address_pairs": []}
    assert cloud.call("PUT", f"ports/{port['id']}", {"port": none}, "demo", 200)["port"]["security_groups"] == []


def test_answers_have_every_attribute_that_is_declared(cloud: Cloud) -> None:
    """Also those that no extension remembers to show: a column, a constant or a hook answers each of them."""
    network, subnet = cloud.network("admin")
    group = cloud.make("security_group", "admin", name="all")
    made = [
        (networks.NOUN, network),
        (subnets.NOUN, subnet),
        (ports.NOUN, cloud.make("port", "admin", network_id=network["id"])),
        (routers.NOUN, cloud.make("router", "admin")),
        (security_groups.NOUN, group),
        (security_group_rules.NOUN, group["security_group_rules"][0]),
    ]
    for noun, body in made:
        assert body.keys() == {*noun.resource.attributes, "project_id", "tenant_id"}, noun.name
