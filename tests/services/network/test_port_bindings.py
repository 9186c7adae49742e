"""Rows of bindings: one ACTIVE for each port that somebody put on a host, as its port says and as long as it is."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from cumulet.services.network import door
from cumulet.services.network.door import NetworkRequest
from cumulet.services.network.tables import port_bindings, ports
from tests.services.network.conftest import Cloud

PLUGGED = {"port_filter": True, "connectivity": "l2"}


def of(cloud: Cloud, port_id: str) -> list[Any]:
    with cloud.db.read() as tx:
        rows = tx.rows(select(port_bindings).where(port_bindings.c.port_id == port_id))
    return [(row.host, row.status, row.vif_type, row.vif_details, row.profile) for row in rows]


def agreed(cloud: Cloud) -> None:
    """What ports and bindings say is the same."""
    with cloud.db.read() as tx:
        found = {row.id: row for row in tx.rows(select(ports))}
        bound = tx.rows(select(port_bindings))
    assert max(Counter(row.port_id for row in bound).values(), default=1) == 1
    for row in bound:
        port = found[row.port_id]
        assert (row.host, row.profile, row.status) == (port.host, port.profile, "ACTIVE")
        assert (row.vif_type == "bridge") == bool(port.link_id)
    there = {row.port_id for row in bound}
    ours = ("network:dhcp", "network:router_interface", "network:router_gateway")
    assert [row.id for row in found.values() if row.host and row.device_owner not in ours and row.id not in there] == []


@pytest.fixture(autouse=True)
def _always_agreed(cloud: Cloud) -> Any:
    yield
    agreed(cloud)


def test_a_port_is_bound_moved_and_set_free(cloud: Cloud) -> None:
    network, _ = cloud.network()
    port = cloud.make("port", "admin", network_id=network["id"], **{"binding:profile": {"a": 1}})
    assert of(cloud, port["id"]) == []

    def put(**values: Any) -> None:
        body = {"port": {f"binding:{name}": value for name, value in values.items()}}
        cloud.call("PUT", f"ports/{port['id']}", body, "admin", 200)

    put(host_id="cpu-host")
    assert of(cloud, port["id"]) == [("cpu-host", "ACTIVE", "bridge", PLUGGED, {"a": 1})]
    put(profile={"b": 2})
    assert of(cloud, port["id"]) == [("cpu-host", "ACTIVE", "bridge", PLUGGED, {"b": 2})]
    put(host_id="nowhere")
    assert of(cloud, port["id"]) == [("nowhere", "ACTIVE", "binding_failed", {}, {"b": 2})]
    put(host_id="")
    assert of(cloud, port["id"]) == []
    put(host_id="net-host")
    cloud.call("DELETE", f"ports/{port['id']}", None, "admin", 204)
    assert of(cloud, port["id"]) == []


def test_a_new_port_on_a_host(cloud: Cloud) -> None:
    network, _ = cloud.network()
    port = cloud.make("port", "admin", network_id=network["id"], **{"binding:host_id": "cpu-host"})
    assert of(cloud, port["id"]) == [("cpu-host", "ACTIVE", "bridge", PLUGGED, {})]
    cloud.call("PUT", f"ports/{port['id']}", {"port": {"name": "other"}}, "admin", 200)
    assert of(cloud, port["id"]) == [("cpu-host", "ACTIVE", "bridge", PLUGGED, {})]


def test_ports_of_a_server_are_bound_where_it_runs(cloud: Cloud) -> None:
    network, _ = cloud.network()
    brought = cloud.make("port", "admin", network_id=network["id"], project_id="d" * 32)
    cloud.call("PUT", f"ports/{brought['id']}", {"port": {"binding:host_id": "nowhere"}}, "admin", 200)
    server = str(uuid.uuid4())
    asked = [NetworkRequest(network_id=network["id"]), NetworkRequest(port_id=brought["id"])]
    made, _ = cloud.plug(asked, server)
    both = (made.port_id, brought["id"])
    for id in both:
        assert of(cloud, id) == [("cpu-host", "ACTIVE", "bridge", PLUGGED, {})]
    with cloud.db.transaction() as tx:
        door.rebind_server(tx, server, "net-host", cloud.links[0])
    for id in both:
        assert of(cloud, id) == [("net-host", "ACTIVE", "bridge", PLUGGED, {})]
    with cloud.db.transaction() as tx:
        door.unplug_server(tx, server)
    assert [of(cloud, id) for id in both] == [[], []]


def test_a_network_goes_with_a_dhcp_port_that_somebody_bound(cloud: Cloud) -> None:
    """Bindings of ports that are not deleted one by one go with their ports, too."""
    network, subnet = cloud.network()
    (port,) = cloud.call("GET", f"ports?network_id={network['id']}", None, "admin")["ports"]
    assert of(cloud, port["id"]) == []  # the network host has it, and nobody chose that
    cloud.call("PUT", f"ports/{port['id']}", {"port": {"binding:host_id": "cpu-host"}}, "admin", 200)
    assert [host for host, *_ in of(cloud, port["id"])] == ["cpu-host"]
    cloud.call("DELETE", f"networks/{network['id']}", None, "demo", 204)
    assert of(cloud, port["id"]) == []
    network, subnet = cloud.network()
    (port,) = cloud.call("GET", f"ports?network_id={network['id']}", None, "admin")["ports"]
    cloud.call("PUT", f"ports/{port['id']}", {"port": {"binding:host_id": "cpu-host"}}, "admin", 200)
    cloud.call("DELETE", f"subnets/{subnet['id']}", None, "demo", 204)
    assert of(cloud, port["id"]) == []
