"""Hosts that join late, agents, and IPv6."""

from __future__ import annotations

from pathlib import Path

from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Report
from cumulet.engine import tables as _engine_tables  # noqa: F401 - declares its tables
from cumulet.fleet.model import hosts
from cumulet.fleet.model.desired import changes
from cumulet.services.network import door
from cumulet.services.network.api import load
from cumulet.services.network.context import NetworkContext
from tests.services.network.conftest import Cloud
from tests.services.serving import running


def test_what_was_made_before_the_network_host_goes_there_when_it_joins(tmp_path: Path) -> None:
    with running(load(), NetworkContext(), tmp_path / "late.db") as found, found.client("demo") as client:
        network = client.post("/v2.0/networks", json={"network": {}}).json()["network"]["id"]
        body = {"subnet": {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4}}
        subnet = client.post("/v2.0/subnets", json=body).json()["subnet"]["id"]
        router = client.post("/v2.0/routers", json={"router": {}}).json()["router"]["id"]
        client.put(f"/v2.0/routers/{router}/add_router_interface", json={"subnet_id": subnet})
        facts = HostFacts(hostname="late", vcpus=1, memory_mb=1, disk_gb=1)
        with found.db.transaction() as tx:
            link = hosts.join(tx, "late", [facts])[0]
            door.hosts_changed(tx, ["late"])
        with found.db.read() as tx:
            told = changes(tx, link, 0, ("network", "router", "security_group"), door.RENDERERS).items
        assert {(item.kind, item.ref) for item in told} == {("network", network), ("router", router)}
        [dhcp] = [item.spec.dhcp for item in told if item.kind == "network"]
        assert [address.ip for address in dhcp.addresses] == ["10.0.0.2"]
        before = told
        with found.db.transaction() as tx:
            door.hosts_changed(tx, ["late"])
        with found.db.read() as tx:
            again = changes(tx, link, 0, ("network", "router", "security_group"), door.RENDERERS).items
        assert [item.spec for item in again] == [item.spec for item in before]


def test_the_dhcp_port_follows_reports_and_comes_back(cloud: Cloud) -> None:
    network, _ = cloud.network()
    [port] = cloud.call("GET", f"ports?network_id={network['id']}&device_owner=network:dhcp")["ports"]
    with cloud.db.transaction() as tx:
        report = Report(host="net-host", kind="network", ref=network["id"], revision=1, state="ready")
        door.REPORTS["network"](tx, [report])
    assert cloud.call("GET", f"ports/{port['id']}")["port"]["status"] == "ACTIVE"
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    [again] = cloud.call("GET", f"ports?network_id={network['id']}&device_owner=network:dhcp")["ports"]
    assert again["id"] != port["id"]
    assert cloud.item(0, "network", network["id"]).dhcp.port_id == again["id"]


def test_addresses_of_both_families(cloud: Cloud) -> None:
    network, _ = cloud.network()
    slaac = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    subnet = cloud.make("subnet", network_id=network["id"], ip_version=6, cidr="fd00:1::/64", **slaac)
    port = cloud.make("port", network_id=network["id"], mac_address="fa:16:3e:01:02:03")
    ips = [fixed["ip_address"] for fixed in port["fixed_ips"]]
    assert "fd00:1::f816:3eff:fe01:203" in ips
    assert len(ips) == 2
    cloud.make("subnet", network_id=network["id"], ip_version=6, cidr="fd00:2::/64")
    plain = cloud.make("port", network_id=network["id"])
    assert [f["ip_address"] for f in plain["fixed_ips"] if f["ip_address"].startswith("fd00:2")] == ["fd00:2::3"]
    error = cloud.refused(
        "POST",
        "subnets",
        {"subnet": {"network_id": network["id"], "cidr": "fd00:3::/60"} | slaac | {"ip_version": 6}},
        400,
    )
    assert error["type"] == "InvalidInput"
    assert cloud.refused("DELETE", f"subnets/{subnet['id']}", None, 409)["type"] == "SubnetInUse"


def test_an_address_is_not_reused_at_once(cloud: Cloud) -> None:
    network, _ = cloud.network()
    port = cloud.make("port", network_id=network["id"])
    cloud.call("DELETE", f"ports/{port['id']}", status=204)
    assert cloud.make("port", network_id=network["id"])["fixed_ips"] != port["fixed_ips"]


def test_address_pairs(cloud: Cloud) -> None:
    network, _ = cloud.network()
    pairs = [{"ip_address": "10.0.0.0/8"}]
    port = cloud.make("port", network_id=network["id"], allowed_address_pairs=pairs)
    assert port["allowed_address_pairs"] == [{"ip_address": "10.0.0.0/8", "mac_address": port["mac_address"]}]
    body = {"port": {"port_security_enabled": False, "security_groups": []}}
    error = cloud.refused("PUT", f"ports/{port['id']}", body, 409)
    assert error["type"] == "AddressPairAndPortSecurityRequired"
    body = {"port": {"allowed_address_pairs": [*pairs, *pairs]}}
    cloud.refused("PUT", f"ports/{port['id']}", body, 400)
