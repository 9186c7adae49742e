"""A world of its own for each file: private /run and /sys, a fake host, and fake guests in namespaces."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cumulet.desired.addresses import Address
from cumulet.desired.network import Dhcp, DhcpHost, Network, Subnet
from cumulet.desired.port import Interface
from cumulet.desired.router import Router, RouterPort
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.node.net import names
from cumulet.node.net.parts import NetworkParts, ProviderConfig, ProxyReply, ProxyRequest

assert os.environ.get("CUMULET_PRIVATE_NETWORK") == "1", "these tests change the network they run in"


def sh(*arguments: str, check: bool = True, timeout: float = 30) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, check=False)
    assert not check or done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def ok(*arguments: str) -> bool:
    return subprocess.run(arguments, capture_output=True, check=False).returncode == 0


def new_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture(scope="session", autouse=True)
def private_world() -> None:
    sh("mount", "--make-rprivate", "/")
    sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    sh("ip", "link", "set", "lo", "up")


@dataclass
class FakeGuest:
    """A namespace whose eth0 is the other end of the port's tap."""

    iface: Interface
    ns: str = ""

    def start(self, address: str | None = None, gateway: str | None = None) -> FakeGuest:
        self.ns = "g-" + self.iface.port_id[:8]
        tap = names.tap(self.iface.port_id)
        sh("ip", "netns", "add", self.ns)
        peer = ["peer", "name", "eth0", "address", self.iface.mac, "netns", self.ns]
        sh("ip", "link", "add", tap, "type", "veth", *peer)
        sh("ip", "link", "set", tap, "master", names.bridge(self.iface.network_id), "up")
        sh("ip", "-n", self.ns, "link", "set", "lo", "up")
        sh("ip", "-n", self.ns, "link", "set", "eth0", "up")
        if address:
            sh("ip", "-n", self.ns, "addr", "add", address, "dev", "eth0")
        if gateway:
            sh("ip", "-n", self.ns, "route", "add", "default", "via", gateway)
        return self

    def run(self, *arguments: str, check: bool = True, timeout: float = 30) -> str:
        return sh("ip", "netns", "exec", self.ns, *arguments, check=check, timeout=timeout)

    def pings(self, address: str, *more: str) -> bool:
        return ok("ip", "netns", "exec", self.ns, "ping", "-c", "3", "-i", "0.2", "-W", "1", *more, address)

    def lease(self, script: Path) -> dict[str, str]:
        found = self.run(
            "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "4", "-T", "1", "-O", "121", "-O", "mtu",
            "-s", str(script),
        )  # fmt: skip
        return dict(line.split("=", 1) for line in found.splitlines() if "=" in line)


@pytest.fixture
def udhcpc_script(tmp_path: Path) -> Path:
    path = tmp_path / "udhcpc.sh"
    path.write_text(
        "#!/bin/sh\n[ $1 = bound ] || exit 0\nenv\nip addr replace $ip/$mask dev $interface\n"
        '[ -z "$router" ] || ip route replace default via $router\n'
    )
    path.chmod(0o755)
    return path


@dataclass
class Cloud:
    """A cloud's network parts and what its metadata service was asked."""

    parts: NetworkParts
    asked: list[ProxyRequest] = field(default_factory=list)


@pytest.fixture
def make_cloud(tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    made: list[Cloud] = []

    def make(name: str = "a", config: ProviderConfig | None = None, tunnel_ip: str | None = None) -> Cloud:
        asked: list[ProxyRequest] = []

        def upstream(request: ProxyRequest) -> ProxyReply:
            asked.append(request)
            return ProxyReply(200, {"content-type": "text/plain"}, f"for {request.source}\n".encode())

        state = tmp_path / name
        state.mkdir(exist_ok=True)
        cloud = Cloud(NetworkParts(state, config or ProviderConfig(), upstream, tunnel_ip), asked)
        made.append(cloud)
        return cloud

    yield make
    for cloud in made:
        cloud.parts.purge()
        cloud.parts.close()
    for ns in sh("ip", "netns", "list").split("\n"):
        if ns.startswith("g-"):
            sh("ip", "netns", "del", ns.split()[0])


def tenant(cidr: str = "10.0.0.0/24", vni: int = 58, gateway: str | None = "10.0.0.1") -> Network:
    base = cidr.rsplit(".", 1)[0]
    subnet = Subnet(id=new_id(), cidr=cidr, gateway_ip=gateway)
    dhcp = Dhcp(
        port_id=new_id(), mac="fa:16:3e:00:00:02", addresses=[Address(ip=f"{base}.2", subnet_id=subnet.id, prefix=24)]
    )
    return Network(id=new_id(), segmentation_id=vni, subnets=[subnet], dhcp=dhcp)


def port(network: Network, last: int, groups: list[str]) -> Interface:
    base = network.subnets[0].cidr.rsplit(".", 1)[0]
    address = Address(ip=f"{base}.{last}", subnet_id=network.subnets[0].id, prefix=24)
    return Interface(
        port_id=new_id(),
        network_id=network.id,
        mac=f"fa:16:3e:00:01:{last:02x}",
        addresses=[address],
        security_groups=groups,
    )


def host_of(iface: Interface, name: str) -> DhcpHost:
    return DhcpHost(port_id=iface.port_id, mac=iface.mac, hostname=name, addresses=iface.addresses)


def group(*rules: Rule, members: list[str] | None = None) -> SecurityGroup:
    out = [
        Rule(id=new_id(), direction="egress", ethertype="IPv4"),
        Rule(id=new_id(), direction="egress", ethertype="IPv6"),
    ]
    return SecurityGroup(id=new_id(), rules=[*out, *rules], members=members or [])


def icmp() -> Rule:
    return Rule(id=new_id(), direction="ingress", protocol="icmp")


def tcp(number: int) -> Rule:
    return Rule(id=new_id(), direction="ingress", protocol="tcp", port_range_min=number, port_range_max=number)


def leg(network: Network, ip: str, mac: str) -> RouterPort:
    address = Address(ip=ip, subnet_id=network.subnets[0].id, prefix=24)
    return RouterPort(port_id=new_id(), mac=mac, network_id=network.id, addresses=[address], mtu=network.mtu)


def external() -> Network:
    subnet = Subnet(id=new_id(), cidr="172.24.4.0/24", gateway_ip="172.24.4.1", enable_dhcp=False)
    return Network(id=new_id(), kind="flat", physical_network="provider", mtu=1500, subnets=[subnet])


def router(inner: Network, outer: Network | None = None) -> Router:
    legs = [leg(inner, "10.0.0.1", "fa:16:3e:00:00:01")]
    gateway = leg(outer, "172.24.4.10", "fa:16:3e:00:00:10") if outer else None
    return Router(id=new_id(), ports=legs, gateway=gateway, gateway_ip="172.24.4.1" if outer else None)


def snapshot() -> str:
    """The world in words, without counters."""
    rules = sh("iptables-save") + sh("ip6tables-save") + sh("nft", "list", "ruleset", "bridge")
    lines = [line for line in rules.splitlines() if not line.startswith(("#", ":", "*", "COMMIT"))]
    devices = [line.split("<")[0] + line.split("mtu")[-1] for line in sh("ip", "-o", "link").splitlines()]
    return "\n".join([*lines, *sorted(devices), *sorted(sh("ip", "netns", "list").splitlines())])
