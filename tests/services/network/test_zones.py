"""Availability zones and service providers: there is one of each."""

from __future__ import annotations

import pytest

from tests.services.network.conftest import Cloud, Json

NETWORK: Json = {"name": "nova", "resource": "network", "state": "available"}
ROUTER: Json = {"name": "nova", "resource": "router", "state": "available"}
PROVIDER: Json = {"service_type": "L3_ROUTER_NAT", "name": "single_node", "default": True}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [NETWORK, ROUTER]),
        ("resource=router", [ROUTER]),
        ("resource=router&resource=network", [NETWORK, ROUTER]),
        ("name=nova", [NETWORK, ROUTER]),
        ("name=mars", []),
        ("state=unavailable", []),
        ("state=available&resource=network", [NETWORK]),
    ],
)
def test_zones(cloud: Cloud, query: str, wanted: list[Json]) -> None:
    found = cloud.call("GET", f"availability_zones?{query}", None, "reader", 200)
    assert found == {"availability_zones": wanted}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [PROVIDER]),
        ("service_type=L3_ROUTER_NAT", [PROVIDER]),
        ("service_type=VPN", []),
        ("name=single_node", [PROVIDER]),
        ("name=dvr", []),
    ],
)
def test_service_providers(cloud: Cloud, query: str, wanted: list[Json]) -> None:
    assert cloud.call("GET", f"service-providers?{query}", None, "reader", 200) == {"service_providers": wanted}


def test_a_network_is_in_the_zone_while_it_has_a_subnet(cloud: Cloud) -> None:
    network, subnet = cloud.network(availability_zone_hints=["nova"])
    assert network["availability_zones"] == []
    shown = cloud.show("network", network["id"])
    assert (shown["availability_zones"], shown["availability_zone_hints"]) == (["nova"], ["nova"])
    cloud.call("DELETE", f"subnets/{subnet['id']}", status=204)
    assert cloud.show("network", network["id"])["availability_zones"] == []


def test_a_router_is_in_the_zone_while_a_host_has_it(cloud: Cloud) -> None:
    router = cloud.make("router")
    assert router["availability_zones"] == []
    _, subnet = cloud.network()
    cloud.call("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}, status=200)
    assert cloud.show("router", router["id"])["availability_zones"] == ["nova"]


def test_a_network_cannot_be_in_a_zone_that_is_not_there(cloud: Cloud) -> None:
    body = {"network": {"availability_zone_hints": ["mars"]}}
    wanted = ("AvailabilityZoneNotFound", "AvailabilityZone mars could not be found.")
    assert cloud.fault("POST", "networks", body, 404) == wanted


@pytest.mark.parametrize("path", ["availability_zones", "service-providers"])
def test_nobody_without_a_token(cloud: Cloud, path: str) -> None:
    with cloud.client("") as client:
        assert client.get(f"/v2.0/{path}").status_code == 401
