"""Routers and floating ips, and what the network host is told of them."""

from __future__ import annotations

from cumulet.desired.items import Report
from cumulet.services.network import door
from tests.services.network.conftest import Cloud


def test_a_router_reaches_the_node(cloud: Cloud) -> None:
    router, network, subnet, external = cloud.routed()
    info = router["external_gateway_info"]
    assert info["network_id"] == external["id"]
    assert info["enable_snat"] is True
    assert info["external_fixed_ips"][0]["ip_address"].startswith("172.24.4.")
    item = cloud.item(0, "router", router["id"])
    assert [leg.addresses[0].ip for leg in item.ports] == [subnet["gateway_ip"]]
    assert item.gateway.addresses[0].ip == info["external_fixed_ips"][0]["ip_address"]
    assert item.gateway_ip == "172.24.4.1"
    assert cloud.item(0, "network", external["id"]).physical_network == "public"
    assert cloud.item(1, "router", router["id"]) is None
    ports = cloud.call("GET", f"ports?device_id={router['id']}", token="admin")["ports"]
    assert sorted(p["device_owner"] for p in ports) == ["network:router_gateway", "network:router_interface"]
    with cloud.db.transaction() as tx:
        report = Report(host="net-host", kind="router", ref=router["id"], revision=1, state="ready")
        door.REPORTS["router"](tx, [report])
    ports = cloud.call("GET", f"ports?device_id={router['id']}", token="admin")["ports"]
    assert {port["status"] for port in ports} == {"ACTIVE"}
    assert cloud.refused("DELETE", f"routers/{router['id']}", None, 409)["type"] == "RouterInUse"
    [leg] = [p for p in ports if p["device_owner"] == "network:router_interface"]
    assert cloud.refused("DELETE", f"ports/{leg['id']}", None, 409)["type"] == "ServicePortInUse"
    assert cloud.refused("DELETE", f"subnets/{subnet['id']}", None, 409)["type"] == "SubnetInUse"
    answer = cloud.call(
        "PUT", f"routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]}, status=200
    )
    assert answer["port_id"] == leg["id"]
    cloud.call("DELETE", f"routers/{router['id']}", status=204)
    assert cloud.item(0, "router", router["id"]) is None
    cloud.call("DELETE", f"networks/{network['id']}", status=204)
    assert cloud.item(0, "network", network["id"]) is None


def test_bad_interfaces(cloud: Cloud) -> None:
    router, network, subnet, _ = cloud.routed()
    path = f"routers/{router['id']}/add_router_interface"
    message = cloud.refused("PUT", path, {"subnet_id": subnet["id"]}, 400)["message"]
    assert message == f"Bad router request: Router already has a port on subnet {subnet['id']}."
    assert "Either subnet_id or port_id" in cloud.refused("PUT", path, {}, 400)["message"]
    other, _ = cloud.network(cidr=subnet["cidr"])
    again = cloud.call("GET", f"subnets?network_id={other['id']}")["subnets"][0]
    assert "overlaps with cidr" in cloud.refused("PUT", path, {"subnet_id": again["id"]}, 400)["message"]
    foreign, foreign_subnet = cloud.network("other")
    assert cloud.refused("PUT", path, {"subnet_id": foreign_subnet["id"]}, 404)["type"] == "SubnetNotFound"
    port = cloud.make("port", "other", network_id=foreign["id"])
    assert cloud.refused("PUT", path, {"port_id": port["id"]}, 404)["type"] == "PortNotFound"
    used = cloud.make("port", network_id=network["id"], device_id="x", device_owner="compute:nova")
    assert cloud.refused("PUT", path, {"port_id": used["id"]}, 409)["type"] == "PortInUse"
    body = {"router": {"external_gateway_info": {"network_id": network["id"]}}}
    assert "is not an external network" in cloud.refused("PUT", f"routers/{router['id']}", body, 400)["message"]
    path = f"routers/{router['id']}/remove_router_interface"
    error = cloud.refused("PUT", path, {"port_id": port["id"]}, 404)
    assert error["type"] == "RouterInterfaceNotFound"
    error = cloud.refused("PUT", path, {"subnet_id": foreign_subnet["id"]}, 404)
    assert error["type"] == "RouterInterfaceNotFoundForSubnet"


def test_a_port_becomes_an_interface(cloud: Cloud) -> None:
    network, _ = cloud.network()
    router = cloud.make("router")
    port = cloud.make("port", network_id=network["id"])
    cloud.call("PUT", f"routers/{router['id']}/add_router_interface", {"port_id": port["id"]}, status=200)
    leg = cloud.call("GET", f"ports/{port['id']}")["port"]
    assert (leg["device_owner"], leg["security_groups"]) == ("network:router_interface", [])
    item = cloud.item(0, "router", router["id"])
    assert [leg.port_id for leg in item.ports] == [port["id"]]


def test_routes(cloud: Cloud) -> None:
    router, _, subnet, _ = cloud.routed()
    hop = subnet["gateway_ip"].rsplit(".", 1)[0] + ".99"
    route = {"destination": "10.99.0.0/16", "nexthop": hop}
    body = {"router": {"routes": [route]}}
    assert cloud.call("PUT", f"routers/{router['id']}", body, status=200)["router"]["routes"] == [route]
    assert cloud.item(0, "router", router["id"]).routes[0].nexthop == hop
    path = f"routers/{router['id']}/remove_router_interface"
    error = cloud.refused("PUT", path, {"subnet_id": subnet["id"]}, 409)
    assert error["type"] == "RouterInterfaceInUseByRoute"
    body = {"router": {"routes": [{"destination": "10.99.0.0/16", "nexthop": "9.9.9.9"}]}}
    assert cloud.refused("PUT", f"routers/{router['id']}", body, 400)["type"] == "InvalidRoutes"
    path = f"routers/{router['id']}/remove_extraroutes"
    assert cloud.call("PUT", path, {"router": {"routes": [route]}}, status=200)["router"]["routes"] == []
