"""What compute does through the door: plug, unplug and move servers."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from cumulet.http.faults import Fault
from cumulet.services.network import door
from cumulet.services.network.door import NetworkRequest
from tests.services.network.conftest import Cloud


def test_a_server_comes_and_goes(cloud: Cloud) -> None:
    network, _ = cloud.network()
    brought = cloud.make("port", network_id=network["id"], name="mine")
    server = str(uuid.uuid4())
    made, bound = cloud.plug(
        [NetworkRequest(network_id=network["id"], tag="one"), NetworkRequest(port_id=brought["id"])], server
    )
    assert bound.port_id == brought["id"]
    port = cloud.call("GET", f"ports/{made.port_id}", token="admin")["port"]
    assert (port["device_id"], port["device_owner"]) == (server, "compute:nova")
    assert (port["binding:host_id"], port["dns_name"], port["status"]) == ("cpu-host", "web-1", "DOWN")
    with cloud.db.transaction() as tx:
        one, two = door.interfaces(tx, [server])[server]
        assert [one.port_id, two.port_id] == [made.port_id, brought["id"]]
        assert (one.mac, one.mtu, one.addresses[0].ip, one.addresses[0].prefix) == (
            made.mac,
            1450,
            made.addresses[0],
            24,
        )
        assert door.security_group_names(tx, [server]) == {server: ["default"]}
        door.set_ports_status(tx, [server], "ACTIVE")
        asked = {"network_id": network["id"], "ip": made.addresses[0]}
        owner = door.port_by_address(tx, link_id=cloud.links[0], **asked)
        assert owner == door.PortOwner(server, "d" * 32, made.port_id)
        # The guest's own host has no business with its metadata: it serves neither DHCP nor a router there.
        assert door.port_by_address(tx, link_id=cloud.links[1], **asked) is None
    assert cloud.call("GET", f"ports/{made.port_id}")["port"]["status"] == "ACTIVE"
    told = cloud.item(1, "network", network["id"])
    assert told.peers == ["10.255.0.1"]
    dhcp = cloud.item(0, "network", network["id"])
    assert dhcp.peers == ["10.255.0.2"]
    assert {host.port_id for host in dhcp.dhcp.hosts} == {made.port_id, brought["id"]}
    assert cloud.refused("PUT", f"ports/{made.port_id}", {"port": {"device_id": "x"}}, 409)["type"] == "PortInUse"
    with cloud.db.transaction() as tx:
        door.rebind_server(tx, server, "net-host", cloud.links[0])
    assert cloud.item(1, "network", network["id"]) is None
    for _ in range(2):
        with cloud.db.transaction() as tx:
            door.unplug_server(tx, server)
    cloud.refused("GET", f"ports/{made.port_id}", None, 404)
    left = cloud.call("GET", f"ports/{brought['id']}", token="admin")["port"]
    assert (left["device_id"], left["device_owner"], left["binding:host_id"]) == ("", "", "")


def test_floating_addresses_of_servers(cloud: Cloud) -> None:
    external, _ = cloud.external()
    network, subnet = cloud.network()
    router = cloud.make("router", external_gateway_info={"network_id": external["id"]})
    cloud.call("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}, status=200)
    server = str(uuid.uuid4())
    [made] = cloud.plug([NetworkRequest(network_id=network["id"])], server)
    floating = cloud.make("floatingip", floating_network_id=external["id"], port_id=made.port_id)
    with cloud.db.transaction() as tx:
        found = door.addresses(tx, [server])[server]
        assert [(a.ip, a.type, a.version) for a in found] == [
            (made.addresses[0], "fixed", 4),
            (floating["floating_ip_address"], "floating", 4),
        ]
        assert found[0].network_name == network["name"]
        door.unplug_server(tx, server)
    assert cloud.call("GET", f"floatingips/{floating['id']}")["floatingip"]["port_id"] is None


def test_what_nova_says(cloud: Cloud) -> None:
    network, _ = cloud.network()
    foreign, _ = cloud.network("other")
    empty = cloud.make("network")
    external, _ = cloud.external()
    used = cloud.make("port", network_id=network["id"], device_id="x")
    absent = str(uuid.uuid4())
    cases: list[tuple[Any, tuple[str, ...], int, str]] = [
        ([NetworkRequest(network_id=absent)], (), 400, f"Network {absent} could not be found."),
        ([NetworkRequest(network_id=foreign["id"])], (), 400, f"Network {foreign['id']} could not be found."),
        ([NetworkRequest(network_id=empty["id"])], (), 400, "requires a subnet"),
        ([NetworkRequest(network_id=external["id"])], (), 403, "external network"),
        ([NetworkRequest(port_id=absent)], (), 400, f"Port id {absent} could not be found."),
        ([NetworkRequest(port_id=used["id"])], (), 409, f"Port {used['id']} is still in use."),
        ([NetworkRequest(network_id=network["id"], fixed_ip="9.9.9.9")], (), 400, "is not a valid ip address"),
        ([NetworkRequest(network_id=network["id"])], ("absent",), 400, "Security group absent not found"),
        ("auto", (), 409, "Multiple possible networks found, use a Network ID to be more specific."),
    ]
    before = cloud.call("GET", "ports")["ports"]
    for networks, groups, status, message in cases:
        with pytest.raises(Fault) as caught:
            cloud.plug(networks, groups=groups)
        assert (caught.value.status, message in caught.value.message) == (status, True), caught.value.message
    cloud.call("PUT", "quotas/" + "d" * 32, {"quota": {"port": 0}}, "admin", 200)
    with pytest.raises(Fault) as caught:
        cloud.plug([NetworkRequest(network_id=network["id"])])
    assert (caught.value.status, caught.value.message) == (403, "Maximum number of ports exceeded")
    assert cloud.call("GET", "ports")["ports"] == before
    assert cloud.plug("none") == []


def test_a_full_network_refuses_a_server(cloud: Cloud) -> None:
    network, _ = cloud.network(cidr="10.249.0.0/30")
    with pytest.raises(Fault) as caught:
        cloud.plug([NetworkRequest(network_id=network["id"])])
    assert caught.value.status == 400
    assert caught.value.message == f"No fixed IP addresses available for network: {network['id']}"


def test_rendering_takes_a_constant_number_of_statements(cloud: Cloud) -> None:
    counts = []
    for size in (1, 8):
        networks = [cloud.network()[0] for _ in range(size)]
        servers = [str(uuid.uuid4()) for _ in networks]
        for network, server in zip(networks, servers, strict=True):
            cloud.plug([NetworkRequest(network_id=network["id"])], server)
        refs = [network["id"] for network in networks]
        with cloud.db.read() as tx:
            assert len(door.RENDERERS["network"](tx, cloud.links[0], refs)) == size
            assert len(door.interfaces(tx, servers)) == size
            door.addresses(tx, servers)
            counts.append(tx.statements)
    assert counts[0] == counts[1]
