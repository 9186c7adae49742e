"""Lists of a body come back in the order in which they were given, where Neutron keeps it and where it has none."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.services.network.conftest import Cloud


def shuffled(dice: random.Random, values: list[Any]) -> list[Any]:
    return dice.sample(values, len(values))


def lists_of_subnets(dice: random.Random) -> dict[str, list[Any]]:
    return {
        "dns_nameservers": shuffled(dice, [f"10.9.9.{last}" for last in range(1, 6)]),
        "host_routes": shuffled(
            dice, [{"destination": f"10.8.{last}.0/24", "nexthop": f"10.236.0.{last + 5}"} for last in range(1, 8)]
        ),
        "allocation_pools": shuffled(
            dice, [{"start": f"10.236.0.{first}", "end": f"10.236.0.{first + 9}"} for first in range(20, 90, 10)]
        ),
        "service_types": shuffled(dice, ["compute:a", "compute:b", "network:dhcp", "compute:c", "network:x"]),
    }


def lists_of_ports(dice: random.Random, subnets: list[str]) -> dict[str, list[Any]]:
    return {
        "fixed_ips": shuffled(
            dice,
            [
                {"subnet_id": id, "ip_address": f"10.23{4 + n}.0.{last}"}
                for n, id in enumerate(subnets)
                for last in (9, 4)
            ],
        ),
        "allowed_address_pairs": [
            {"ip_address": ip, "mac_address": "fa:16:3e:00:00:01"}
            for ip in shuffled(dice, [f"10.7.0.{last}" for last in range(1, 9)])
        ],
        "extra_dhcp_opts": [
            {"opt_name": name, "opt_value": "x", "ip_version": 4}
            for name in shuffled(dice, ["bootfile-name", "tftp-server", "66", "ntp-server", "150", "domain-name"])
        ],
    }


@pytest.mark.parametrize("seed", range(4))
def test_of_subnets(cloud: Cloud, seed: int) -> None:
    network = cloud.make("network", "admin", name="orders")
    dice = random.Random(seed)
    wish = {"network_id": network["id"], "cidr": "10.236.0.0/24", "ip_version": 4}
    first, second = lists_of_subnets(dice), lists_of_subnets(dice)
    made = cloud.make("subnet", "admin", **wish, **first)
    assert {name: made[name] for name in first} == first
    cloud.call("PUT", f"subnets/{made['id']}", {"subnet": second}, "admin", 200)
    shown = cloud.call("GET", f"subnets/{made['id']}", None, "admin", 200)["subnet"]
    assert {name: shown[name] for name in second} == second
    cloud.call("DELETE", f"networks/{network['id']}", None, "admin", 204)


@pytest.mark.parametrize("seed", range(4))
def test_of_ports(cloud: Cloud, seed: int) -> None:
    network, one = cloud.network(cidr="10.234.0.0/24")
    two = cloud.make("subnet", network_id=network["id"], cidr="10.235.0.0/24", ip_version=4)
    dice = random.Random(seed)
    first, second = (lists_of_ports(dice, [one["id"], two["id"]]) for _ in range(2))
    made = cloud.make("port", network_id=network["id"], **first)  # type: ignore[arg-type]
    assert {name: made[name] for name in first} == first
    cloud.call("PUT", f"ports/{made['id']}", {"port": second}, status=200)
    shown = cloud.call("GET", f"ports/{made['id']}", status=200)["port"]
    assert {name: shown[name] for name in second} == second
    (listed,) = cloud.call("GET", f"ports?id={made['id']}", status=200)["ports"]
    assert {name: listed[name] for name in second} == second
    cloud.call("DELETE", f"ports/{made['id']}", status=204)
    cloud.call("DELETE", f"networks/{network['id']}", status=204)


@pytest.mark.parametrize("seed", range(3))
def test_of_routers(cloud: Cloud, seed: int) -> None:
    _, subnet = cloud.network(cidr="10.233.0.0/24")
    router = cloud.make("router", name="orders")
    cloud.call("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}, status=200)
    routes = [{"destination": f"10.6.{last}.0/24", "nexthop": f"10.233.0.{last + 9}"} for last in range(1, 9)]
    wish = shuffled(random.Random(seed), routes)
    cloud.call("PUT", f"routers/{router['id']}", {"router": {"routes": wish}}, status=200)
    assert cloud.call("GET", f"routers/{router['id']}", status=200)["router"]["routes"] == wish
