"""The seams between tenants of a network that all share: whose name, address and router it is."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.services.network import door as network_door
from tests.regressions.network.shared_stage import Stage


def test_only_the_owner_of_a_network_lets_a_port_be_another(stage: Stage) -> None:
    """Cases 31 and 50. Neutron's ``admin_or_network_owner``, at creation and later, whoever's the port is."""
    _, address = stage.victim(stage.shared)
    port = stage.make("port", "bob", network_id=stage.shared)
    other_group = stage.make("security_group", "alice", name="hers")["id"]
    for given in (
        {"allowed_address_pairs": [{"ip_address": address}]},
        {"port_security_enabled": False},
        {"mac_address": "fa:16:3e:11:22:33"},
        {"fixed_ips": [{"ip_address": "10.0.0.200"}]},
        {"fixed_ips": [{"subnet_id": stage.shared_subnet, "ip_address": "10.0.0.200"}]},
        {"device_owner": "network:dhcp"},
        {"device_owner": "network:any"},
    ):
        stage.refused("PUT", f"ports/{port['id']}", {"port": given}, 403)
        stage.refused("POST", "ports", {"port": {"network_id": stage.shared, **given}}, 403)
    foreign = {"security_groups": [other_group]}
    stage.refused("PUT", f"ports/{port['id']}", {"port": foreign}, 404)
    stage.refused("POST", "ports", {"port": {"network_id": stage.shared, **foreign}}, 404)


def test_an_address_is_not_chosen_through_compute(stage: Stage) -> None:
    """Case 31. What `create_port:fixed_ips:ip_address` refuses on others' networks: here, the gateway's own address."""
    gateway = stage.ask("network", "GET", f"/v2.0/subnets/{stage.shared_subnet}", None, "bob", 200)["subnet"]
    wish = [{"uuid": stage.shared, "fixed_ip": gateway["gateway_ip"]}]
    answer = stage.server("bob", wish)
    assert answer.status == 403 and "not allowed to choose the address" in answer.json["forbidden"]["message"]
    own, subnet = stage.network("bob")
    cidr = stage.ask("network", "GET", f"/v2.0/subnets/{subnet}", None, "bob", 200)["subnet"]["cidr"]
    chosen = cidr.replace(".0/24", ".77")
    assert stage.server("bob", [{"uuid": own, "fixed_ip": chosen}]).status == 202
    assert stage.server("admin", [{"uuid": own, "fixed_ip": cidr.replace(".0/24", ".78")}]).status == 202


def test_a_floating_ip_does_not_go_through_another_tenants_router(stage: Stage) -> None:
    """bob's router on the shared network is older than alice's; what leads to her port is not his to translate."""
    outer, _ = stage.network("admin", **{"router:external": True})
    shared, subnet = stage.network("admin", shared=True)
    gateway = {"external_gateway_info": {"network_id": outer}}

    def router(who: str) -> str:
        made = stage.make("router", who, **gateway)["id"]
        port = stage.make("port", who, network_id=shared)["id"]
        stage.ask("network", "PUT", f"/v2.0/routers/{made}/add_router_interface", {"port_id": port}, who, 200)
        return str(made)

    router("bob")
    port = stage.make("port", "alice", network_id=shared)["id"]
    body = {"floatingip": {"floating_network_id": outer, "port_id": port}}
    error = stage.refused("POST", "floatingips", body, 404, "alice")
    assert error["type"] == "ExternalGatewayForFloatingIPNotFound"
    own = router("alice")
    made = stage.make("floatingip", "alice", floating_network_id=outer, port_id=port)
    assert made["router_id"] == own
    stage.ask("network", "DELETE", f"/v2.0/floatingips/{made['id']}", None, "alice", 204)
    # The network's own gateway goes before all others, as in Neutron.
    edge = stage.make("router", "admin", **gateway)["id"]
    path = f"/v2.0/routers/{edge}/add_router_interface"
    stage.ask("network", "PUT", path, {"subnet_id": subnet}, "admin", 200)
    made = stage.make("floatingip", "alice", floating_network_id=outer, port_id=port)
    assert made["router_id"] == edge


def test_a_name_that_a_neighbour_has(stage: Stage) -> None:
    """Names on a shared network: the older port keeps its own, by any spelling, and nobody goes by its address."""
    shared, _ = stage.network("admin", shared=True)
    database = stage.make("port", "alice", network_id=shared, dns_name="db")
    address = database["fixed_ips"][0]["ip_address"].replace(".", "-")
    names = [("bob", "db"), ("bob", "DB"), ("bob", f"host-{address}"), ("bob", "web"), ("alice", "db"), ("bob", "web")]
    ports = [stage.make("port", who, network_id=shared, dns_name=name)["id"] for who, name in names]
    with stage.cloud.controller.db.read() as tx:
        told: Any = network_door.RENDERERS["network"](tx, stage.home[0], [shared])[shared]
    served = {host.port_id: host.hostname for host in told.dhcp.hosts}
    own = [host.addresses[0].ip.replace(".", "-") for host in told.dhcp.hosts if host.port_id in ports]
    assert served[database["id"]] == "db"
    assert [served[port] for port in ports] == [*(f"host-{ip}" for ip in own[:3]), "web", "db", "web"]


def names_on(stage: Stage, network_id: str) -> dict[str, str]:
    """What the network's DHCP server is told to call its ports: port id → name, "" for one that goes by its address."""
    with stage.cloud.controller.db.read() as tx:
        told: Any = network_door.RENDERERS["network"](tx, stage.home[0], [network_id])[network_id]
    byaddress = {host.port_id: f"host-{host.addresses[0].ip.replace('.', '-')}" for host in told.dhcp.hosts}
    return {h.port_id: "" if h.hostname == byaddress[h.port_id] else h.hostname for h in told.dhcp.hosts}


@pytest.mark.parametrize(
    "spelling", ["db.", "DB.", "db.openstacklocal", "db.openstacklocal.", "DB.OpenStackLocal", "db.of.bob"]
)
def test_a_neighbours_name_spelled_otherwise(stage: Stage, spelling: str) -> None:
    """Finding S4's class: a DHCP server makes one name of these, and answers to its first label, too."""
    shared, _ = stage.network("admin", shared=True)
    database = stage.make("port", "alice", network_id=shared, dns_name="db")["id"]
    port = stage.make("port", "bob", network_id=shared, dns_name=spelling)["id"]
    assert names_on(stage, shared)[database] == "db"
    assert names_on(stage, shared)[port] == ""


def test_a_neighbours_name_taken_by_an_older_port(stage: Stage) -> None:
    """Finding S4's class: who keeps a port in store and gives it somebody's name later was not there first."""
    shared, _ = stage.network("admin", shared=True)
    kept = stage.make("port", "bob", network_id=shared, dns_name="mine")["id"]
    database = stage.make("port", "alice", network_id=shared, dns_name="db")["id"]
    stage.ask("network", "PUT", f"/v2.0/ports/{kept}", {"port": {"dns_name": "db"}}, "bob", 200)
    assert names_on(stage, shared)[database] == "db"
    assert names_on(stage, shared)[kept] == ""
    server = stage.server("bob", [{"port": stage.make("port", "bob", network_id=shared)["id"]}], name="db")
    assert server.status == 202, server.body
    stage.ask(
        "network", "PUT", f"/v2.0/ports/{database}", {"port": {"name": "renamed", "dns_name": "db"}}, "alice", 200
    )
    assert [name for name in names_on(stage, shared).values() if name] == ["db"], (
        "what says nothing new changes nothing"
    )
    assert names_on(stage, shared)[database] == "db"


def test_an_address_of_its_own_making_that_is_taken(stage: Stage) -> None:
    """A port whose MAC makes an address that its network's owner gave to another one: a refusal, not an error."""
    network = stage.make("network", "bob", name="v6")["id"]
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    subnet = {"network_id": network, "ip_version": 6, "cidr": "2001:db8::/64", **modes}
    subnet_id = stage.make("subnet", "bob", **subnet)["id"]
    taken = {"ip_address": "2001:db8::a8bb:ccff:fedd:eeff"}
    stage.make("port", "bob", network_id=network, fixed_ips=[taken])
    for asked in ({}, {"fixed_ips": [{"subnet_id": subnet_id}]}):
        body = {"port": {"network_id": network, "mac_address": "aa:bb:cc:dd:ee:ff", **asked}}
        assert stage.refused("POST", "ports", body, 409)["type"] == "IpAddressAlreadyAllocated"


@pytest.mark.parametrize("plural", ["networks", "subnets", "ports", "security_groups", "security_group_rules"])
def test_a_list_that_no_quota_has_room_for_costs_no_look_ups(stage: Stage, plural: str) -> None:
    """Whoever asks for 18,000 ports in one request kept all writers of the cloud waiting for four seconds."""
    nowhere = "11111111-2222-4333-8444-555555555555"
    item = {"network_id": nowhere, "security_group_id": nowhere}
    body = {plural: [item] * 600}
    assert stage.refused("POST", plural.replace("_", "-"), body, 409)["type"] == "OverQuota"
    assert stage.answer("network", "POST", f"/v2.0/{plural.replace('_', '-')}", {plural: [item] * 2}).status in (
        400,
        404,
    )


def test_a_port_has_so_many_addresses(stage: Stage) -> None:
    """Each address is looked up while nobody else writes, and is told to the DHCP server and the filters."""
    network, _ = stage.network("bob")
    subnet = {"network_id": network, "ip_version": 4, "cidr": "172.20.0.0/16"}
    stage.make("subnet", "bob", **subnet)
    many = [{"ip_address": f"172.20.1.{number}"} for number in range(1, 102)]
    port = stage.make("port", "bob", network_id=network, fixed_ips=many[:100])
    assert len(port["fixed_ips"]) == 100
    error = stage.refused("PUT", f"ports/{port['id']}", {"port": {"fixed_ips": many}}, 400)
    assert "Exceeded maximum amount of fixed ips per port" in error["message"]
    error = stage.refused("POST", "ports", {"ports": [{"network_id": network, "fixed_ips": many}]}, 400)
    assert "Exceeded maximum amount of fixed ips per port" in error["message"]
