"""Ports: what the security groups of the guides' lab let pass, seen from guests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from worldkit import Cloud, FakeGuest, group, host_of, icmp, ok, port, sh, snapshot, tcp, tenant

from cumulet.desired.shapes import AddressPair, Rule
from cumulet.node.net import names


def test_lease_ping_and_spoofing(make_cloud: Callable[..., Cloud], udhcpc_script: Path) -> None:
    cloud = make_cloud()
    network, shut = tenant(), group()
    a, b = port(network, 5, [shut.id]), port(network, 6, [shut.id])
    network.dhcp.hosts = [host_of(a, "vm-a"), host_of(b, "vm-b")]
    cloud.parts.ensure_network(network)
    assert cloud.parts.ensure_ports([a, b], {shut.id: shut}) == {}
    first, second = FakeGuest(a).start(), FakeGuest(b).start()
    lease = first.lease(udhcpc_script)
    second.lease(udhcpc_script)
    assert lease["ip"] == "10.0.0.5" and lease["mtu"] == "1450" and lease["hostname"] == "vm-a"
    assert "169.254.169.254/32" in lease["staticroutes"]
    assert not first.pings("10.0.0.6")

    shut.rules += [icmp(), tcp(22)]
    assert cloud.parts.ensure_ports([a, b], {shut.id: shut}) == {}
    assert first.pings("10.0.0.6") and second.pings("10.0.0.5")
    shown = sh("iptables", "-S", names.chain_in(a.port_id))
    assert f"-A neutron-linuxbri-i{a.port_id[:10]} -p icmp -j RETURN" in shown
    assert f"-A neutron-linuxbri-i{a.port_id[:10]} -p tcp -m tcp --dport 22 -j RETURN" in shown

    first.run("ip", "addr", "add", "10.0.0.77/24", "dev", "eth0")
    assert not first.pings("10.0.0.6", "-I", "10.0.0.77")
    first.run("ip", "link", "set", "eth0", "address", "fa:16:3e:00:09:09")
    assert not first.pings("10.0.0.6")
    first.run("ip", "link", "set", "eth0", "address", a.mac)
    assert first.pings("10.0.0.6")
