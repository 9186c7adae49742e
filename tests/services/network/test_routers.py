"""Routers, their gateways, interfaces and routes, and what the network host is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.desired.items import Report
from cumulet.services.network import door
from tests.services.network.conftest import Cloud, Json

ABSENT = "11111111-2222-3333-4444-555555555555"


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


def bad(message: str) -> tuple[str, str]:
    return "BadRequest", f"Bad router request: {message}."


@pytest.mark.parametrize("verb", ["add", "remove"])
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, bad("Either subnet_id or port_id must be specified")),
        ({"subnet_id": "x"}, ("HTTPBadRequest", "Invalid input for subnet_id. Reason: 'x' is not a valid UUID.")),
        ({"port_id": "x"}, ("HTTPBadRequest", "Invalid input for port_id. Reason: 'x' is not a valid UUID.")),
    ],
)
def test_interfaces_that_say_nothing(cloud: Cloud, verb: str, given: Json, wanted: tuple[str, str]) -> None:
    path = f"routers/{cloud.make('router')['id']}/{verb}_router_interface"
    assert cloud.fault("PUT", path, given, 400) == wanted


def test_an_interface_is_by_a_subnet_or_by_a_port(cloud: Cloud) -> None:
    router = cloud.make("router")
    network, subnet = cloud.network()
    path = f"routers/{router['id']}/add_router_interface"
    wanted = bad("Cannot specify both subnet-id and port-id")
    assert cloud.fault("PUT", path, {"subnet_id": subnet["id"], "port_id": ABSENT}, 400) == wanted
    answer = cloud.call("PUT", path, {"subnet_id": subnet["id"]}, status=200)
    assert answer == {
        "id": router["id"],
        "port_id": answer["port_id"],
        "network_id": network["id"],
        "tags": [],
        "subnet_id": subnet["id"],
        "subnet_ids": [subnet["id"]],
        **dict.fromkeys(("tenant_id", "project_id"), "d" * 32),
    }
    body = {"port_id": answer["port_id"], "subnet_id": ABSENT}
    wanted = (
        "SubnetMismatchForPort",
        f"Subnet on port {answer['port_id']} does not match the requested subnet {ABSENT}.",
    )
    path = f"routers/{router['id']}/remove_router_interface"
    assert cloud.fault("PUT", path, body, 400) == wanted
    assert cloud.call("PUT", path, {**body, "subnet_id": subnet["id"]}, status=200) == answer


def test_a_subnet_without_a_gateway_has_no_place_for_a_router(cloud: Cloud) -> None:
    router, network = cloud.make("router"), cloud.make("network")
    subnet = cloud.make("subnet", network_id=network["id"], cidr="10.220.0.0/24", gateway_ip=None)
    path = f"routers/{router['id']}/add_router_interface"
    wanted = bad("Subnet for router interface must have a gateway IP")
    assert cloud.fault("PUT", path, {"subnet_id": subnet["id"]}, 400) == wanted
    port = cloud.make("port", network_id=network["id"], fixed_ips=[])
    wanted = bad("Router port must have at least one fixed IP")
    assert cloud.fault("PUT", path, {"port_id": port["id"]}, 400) == wanted


def test_a_router_with_interfaces_stays(cloud: Cloud) -> None:
    router, _, subnet, _ = cloud.routed()
    wanted = ("RouterInUse", f"Router {router['id']} still has ports")
    assert cloud.fault("DELETE", f"routers/{router['id']}", None, 409) == wanted
    path = f"routers/{router['id']}/remove_router_interface"
    cloud.call("PUT", path, {"subnet_id": subnet["id"]}, status=200)
    cloud.call("DELETE", f"routers/{router['id']}", status=204)
    assert cloud.found("port", f"device_id={router['id']}", "admin") == []


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_gateway_is_taken_away(cloud: Cloud, nothing: Json | None) -> None:
    external, _ = cloud.external()
    router = cloud.make("router", external_gateway_info={"network_id": external["id"]})
    assert router["external_gateway_info"]["network_id"] == external["id"]
    query = f"device_id={router['id']}"
    assert len(cloud.found("port", query, "admin")) == 1
    assert cloud.change("router", router["id"], external_gateway_info=nothing)["external_gateway_info"] is None
    assert cloud.found("port", query, "admin") == []


@pytest.mark.parametrize(("name", "value"), [("enable_snat", False), ("external_fixed_ips", [])])
def test_administrators_say_how_a_gateway_is(cloud: Cloud, name: str, value: Any) -> None:
    external, _ = cloud.external()
    router = cloud.make("router")
    body = {"router": {"external_gateway_info": {"network_id": external["id"], name: value}}}
    error = cloud.fault("PUT", f"routers/{router['id']}", body, 403)
    assert error[0] == "PolicyNotAuthorized"
    assert f"rule:update_router:external_gateway_info:{name}" in error[1]
    info = cloud.call("PUT", f"routers/{router['id']}", body, "admin", 200)["router"]["external_gateway_info"]
    assert info["enable_snat"] is (name != "enable_snat")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"distributed": True}, "distributed and highly available routers are not supported"),
        ({"ha": True}, "distributed and highly available routers are not supported"),
        ({"external_gateway_info": 1}, "'1' is not a dictionary"),
        ({"flavor_id": "x"}, "'x' is not a valid UUID"),
    ],
)
def test_values_that_do_not_fit(cloud: Cloud, given: Json, message: str) -> None:
    wanted = ("HTTPBadRequest", f"Invalid input for {next(iter(given))}. Reason: {message}.")
    assert cloud.fault("POST", "routers", {"router": given}, 400) == wanted


@pytest.mark.parametrize(
    ("last", "reason"),
    [("10.219.9.9", "the nexthop is not connected with router"), ("10.219.0.1", "the nexthop is used by router")],
)
def test_routes_that_lead_nowhere(cloud: Cloud, last: str, reason: str) -> None:
    router = cloud.make("router")
    _, subnet = cloud.network(cidr="10.219.0.0/24")
    cloud.call("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}, status=200)
    routes = [{"destination": "10.99.0.0/16", "nexthop": last}]
    wanted = ("InvalidRoutes", f"Invalid format for routes: {routes}, {reason}")
    for end in ("", "/add_extraroutes"):
        assert cloud.fault("PUT", f"routers/{router['id']}{end}", {"router": {"routes": routes}}, 400) == wanted


def test_routes_are_added_to_those_that_are_there(cloud: Cloud) -> None:
    router = cloud.make("router")
    _, subnet = cloud.network(cidr="10.218.0.0/24")
    path = f"routers/{router['id']}"
    cloud.call("PUT", f"{path}/add_router_interface", {"subnet_id": subnet["id"]}, status=200)
    one, two = ({"destination": f"10.6.{net}.0/24", "nexthop": "10.218.0.9"} for net in (1, 2))
    for verb, routes, wanted in (
        ("add", [one], [one]),
        ("add", [one, two], [one, two]),
        ("remove", [one], [two]),
        ("remove", [one], [two]),
    ):
        answer = cloud.call("PUT", f"{path}/{verb}_extraroutes", {"router": {"routes": routes}}, status=200)
        assert answer["router"]["routes"] == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("name=out", {"out"}),
        ("admin_state_up=false", {"in"}),
        ("status=ACTIVE", {"in", "out"}),
        ("ha=false&distributed=False", {"in", "out"}),
        ("ha=true", set()),
        ("external_gateway_info=network_id=EXTERNAL", {"out"}),
        (f"external_gateway_info={ABSENT}", set()),
    ],
)
def test_lists_are_filtered(cloud: Cloud, query: str, wanted: set[str]) -> None:
    external, _ = cloud.external()
    out = cloud.make("router", name="out", external_gateway_info={"network_id": external["id"]})
    inner = cloud.make("router", name="in", admin_state_up=False)
    found = cloud.found("router", f"id={out['id']}&id={inner['id']}&{query.replace('EXTERNAL', external['id'])}")
    assert {each["name"] for each in found} == wanted
