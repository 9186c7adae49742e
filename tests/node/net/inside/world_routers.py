"""Routers: floating IPs, the way out, metadata and DHCP's mending, end to end with a host in the provider network."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from worldkit import (
    Cloud,
    FakeGuest,
    external,
    group,
    host_of,
    icmp,
    new_id,
    ok,
    port,
    router,
    sh,
    snapshot,
    tcp,
    tenant,
)

from cumulet.desired.addresses import Route
from cumulet.desired.router import FloatingIp
from cumulet.node.net import names
from cumulet.node.net.parts import ProviderConfig

PROVIDER = ProviderConfig("provider", address="172.24.4.1/24", masquerade=True)


def ask(guest: FakeGuest, target: str = "169.254.169.254", *headers: str, port_number: int = 80) -> str:
    lines = ["GET /latest/meta-data/ HTTP/1.1", "Host: x", *headers, "", ""]
    code = (
        "import socket,sys\ns=socket.create_connection((sys.argv[1],int(sys.argv[2])),3)\n"
        "s.sendall(sys.argv[3].encode())\nd=b''\n"
        "while (p:=s.recv(9999)): d+=p\nprint(d.decode())"
    )
    return guest.run(sys.executable, "-c", code, target, str(port_number), "\r\n".join(lines), check=False)


def wait_for(what: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.1)
    return False


def test_floating_ip_there_and_back(make_cloud: Callable[..., Cloud]) -> None:
    before = snapshot()
    forward = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    cloud = make_cloud(config=PROVIDER)
    inner, outer, shut = tenant(), external(), group()
    guest = port(inner, 5, [shut.id])
    edge = router(inner, outer)
    for network in (inner, outer):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(edge)
    cloud.parts.ensure_ports([guest], {shut.id: shut})
    vm = FakeGuest(guest).start("10.0.0.5/24", "10.0.0.1")
    assert vm.pings("10.0.0.1") and vm.pings("172.24.4.1")
    ping = ["ping", "-c", "1", "-W", "1", "172.24.4.20"]
    assert not ok(*ping)

    edge.floating_ips = [FloatingIp(id=new_id(), floating_ip="172.24.4.20", fixed_ip="10.0.0.5")]
    cloud.parts.ensure_router(edge)
    assert not ok(*ping)
    shut.rules += [icmp(), tcp(22)]
    cloud.parts.ensure_ports([guest], {shut.id: shut})
    assert ok(*ping)
    _source_seen(vm, "172.24.4.20")

    namespace = names.router_namespace(edge.id)
    nat = sh("ip", "netns", "exec", namespace, "iptables", "-L", "-n", "-t", "nat")
    shown = [line.split()[0] for line in nat.splitlines() if "172.24.4.20" in line]
    assert sorted(shown) == ["DNAT", "DNAT", "SNAT"]
    same = snapshot()
    cloud.parts.ensure_router(edge)
    assert snapshot() == same

    edge.floating_ips = []
    cloud.parts.ensure_router(edge)
    assert not ok(*ping)
    known = sh("ip", "netns", "exec", namespace, "conntrack", "-L").splitlines()
    assert not [line for line in known if "172.24.4.20" in line and "10.0.0.5" in line]
    _source_seen(vm, "172.24.4.10")
    cloud.parts.purge()
    sh("ip", "netns", "del", vm.ns)
    assert wait_for(lambda: snapshot() == before), snapshot()
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forward
    assert not Path("/run/cumulet").exists()


def _source_seen(vm: FakeGuest, expected: str) -> None:
    with socket.create_server(("172.24.4.1", 0)) as server:
        server.settimeout(5)
        code = "import socket,sys; socket.create_connection(('172.24.4.1', int(sys.argv[1])), 3)"
        vm.run(sys.executable, "-c", code, str(server.getsockname()[1]))
        assert server.accept()[1][0] == expected


def test_out_by_masquerade_and_host_is_filtered(make_cloud: Callable[..., Cloud]) -> None:
    """A server behind the default route sees this machine's address; guests in the provider network are filtered."""
    sh("ip", "netns", "add", "g-world")
    sh("ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", "g-world")
    sh("ip", "addr", "add", "198.51.100.2/24", "dev", "up0")
    sh("ip", "link", "set", "up0", "up")
    sh("ip", "route", "add", "default", "via", "198.51.100.1")
    sh("ip", "-n", "g-world", "addr", "add", "198.51.100.1/24", "dev", "eth0")
    sh("ip", "-n", "g-world", "link", "set", "eth0", "up")
    cloud = make_cloud(config=PROVIDER)
    inner, outer, shut, open_ = tenant(), external(), group(), group(icmp())
    guest, direct = port(inner, 5, [shut.id]), port(outer, 30, [shut.id])
    for network in (inner, outer):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(router(inner, outer))
    cloud.parts.ensure_ports([guest, direct], {shut.id: shut})
    vm = FakeGuest(guest).start("10.0.0.5/24", "10.0.0.1")
    straight = FakeGuest(direct).start("172.24.4.30/24", "172.24.4.1")
    # No route back to 172.24.4.0/24 exists out there: an answer proves the masquerade.
    assert vm.pings("198.51.100.1") and straight.pings("198.51.100.1") and straight.pings("172.24.4.1")
    assert not ok("ping", "-c", "1", "-W", "1", "172.24.4.30")
    direct.security_groups = [open_.id]
    cloud.parts.ensure_ports([guest, direct], {shut.id: shut, open_.id: open_})
    assert ok("ping", "-c", "1", "-W", "1", "172.24.4.30")
    sh("ip", "link", "del", "up0")


def test_metadata_knows_who_asks(make_cloud: Callable[..., Cloud], udhcpc_script: Path) -> None:
    cloud = make_cloud(config=PROVIDER)
    inner, outer, shut = tenant(), external(), group()
    guest = port(inner, 5, [shut.id])
    inner.dhcp.hosts = [host_of(guest, "vm")]
    edge = router(inner, outer)
    for network in (inner, outer):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports([guest], {shut.id: shut})
    vm = FakeGuest(guest).start()
    assert "169.254.169.254/32 10.0.0.2" in vm.lease(udhcpc_script)["staticroutes"]
    vm.run("ip", "route", "replace", "169.254.169.254", "via", "10.0.0.2")
    forged = ["X-Forwarded-For: 10.0.0.99", "X-Instance-ID: other", "x_neutron_network_id: z", "X-Own: yes"]
    assert "for 10.0.0.5" in ask(vm, "169.254.169.254", *forged)
    asked = cloud.asked[-1]
    assert (asked.network_id, asked.source) == (inner.id, "10.0.0.5")
    assert asked.path == "/latest/meta-data/" and asked.headers == {"host": "x", "x-own": "yes"}

    cloud.parts.ensure_router(edge)
    assert "staticroutes" not in vm.lease(udhcpc_script)
    vm.run("ip", "route", "del", "169.254.169.254")
    assert "for 10.0.0.5" in ask(vm)
    assert cloud.asked[-1].network_id == inner.id
    count = len(cloud.asked)
    assert ask(vm, "10.0.0.1", port_number=9697) == "" and len(cloud.asked) == count
    with pytest.raises(OSError):
        socket.create_connection(("172.24.4.10", 9697), 1)

    cloud.parts.absent_router(edge.id)
    assert "169.254.169.254/32 10.0.0.2" in vm.lease(udhcpc_script)["staticroutes"]
    vm.run("ip", "route", "replace", "169.254.169.254", "via", "10.0.0.2")
    assert "for 10.0.0.5" in ask(vm) and cloud.asked[-1].network_id == inner.id


def test_metadata_bounds(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    inner, shut = tenant(), group()
    guest = port(inner, 5, [shut.id])
    cloud.parts.ensure_network(inner)
    cloud.parts.ensure_ports([guest], {shut.id: shut})
    vm = FakeGuest(guest).start("10.0.0.5/24")
    vm.run("ip", "route", "replace", "169.254.169.254", "via", "10.0.0.2")
    assert " 431 " in ask(vm, "169.254.169.254", "X-Long: " + "a" * 20000)
    assert " 413 " in ask(vm, "169.254.169.254", "Content-Length: 9999999")
    assert " 411 " in ask(vm, "169.254.169.254", "Transfer-Encoding: chunked")
    assert cloud.asked == []
    many = (
        "import socket\nheld=[socket.create_connection(('169.254.169.254',80),3) for _ in range(40)]\n"
        "import time; time.sleep(0.5)\nclosed=0\n"
        "for s in held:\n s.settimeout(0.05)\n try:\n  closed+=s.recv(1)==b''\n"
        " except TimeoutError: pass\n except OSError: closed+=1\nprint(closed)"
    )
    assert int(vm.run(sys.executable, "-c", many)) >= 20
    assert "for 10.0.0.5" in ask(vm)


def test_dnsmasq_is_mended_and_leases_move_on(make_cloud: Callable[..., Cloud], udhcpc_script: Path) -> None:
    cloud = make_cloud()
    inner, shut = tenant(), group()
    first = port(inner, 5, [shut.id])
    inner.dhcp.hosts = [host_of(first, "one")]
    cloud.parts.ensure_network(inner)
    cloud.parts.ensure_ports([first], {shut.id: shut})
    assert FakeGuest(first).start().lease(udhcpc_script)["ip"] == "10.0.0.5"
    pid_file = next(Path("/run/cumulet").glob(f"*/dhcp/{inner.id}/pid"))
    old = int(pid_file.read_text())
    os.kill(old, signal.SIGKILL)
    assert wait_for(lambda: not Path(f"/proc/{old}/cmdline").exists() or not _cmdline(old))
    cloud.parts.ensure_network(inner)
    pid = int(pid_file.read_text())
    assert pid != old and _cmdline(pid)

    # The address goes to a new port with another MAC: the old lease must not stand in its way.
    second = port(inner, 5, [shut.id])
    second.mac = "fa:16:3e:00:02:05"
    inner.dhcp.hosts = [host_of(second, "two")]
    inner.dhcp.hosts[0].extra_opts = [("bootfile-name", "a.pxe")]
    cloud.parts.absent_port(first.port_id)
    cloud.parts.ensure_network(inner)
    cloud.parts.ensure_ports([second], {shut.id: shut})
    lease = FakeGuest(second).start().lease(udhcpc_script)
    assert lease["ip"] == "10.0.0.5" and lease["hostname"] == "two"

    # A host with a tag has a lease: dnsmasq would die of reading it again.
    inner.dhcp.hosts[0].hostname = "three"
    cloud.parts.ensure_network(inner)
    time.sleep(0.3)
    assert _cmdline(int(pid_file.read_text()))
    inner.dhcp.hosts[0].extra_opts = [("bootfile-name", "a\ndhcp-script=/tmp/x"), ("9999", "a"), ("66", "b.pxe")]
    left_out = cloud.parts.ensure_network(inner)
    assert [reason.startswith("DHCP option of port") for reason in left_out] == [True, True]
    assert cloud.parts.ensure_network(inner) == left_out
    time.sleep(0.3)
    last = int(pid_file.read_text())
    assert _cmdline(last)
    options = (pid_file.parent / "opts").read_text()
    assert ",66,b.pxe" in options and "script" not in options and "9999" not in options
    inner.dhcp.hosts[0].extra_opts = []
    cloud.parts.ensure_network(inner)
    plain = int(pid_file.read_text())
    inner.dhcp.hosts[0].hostname = "four"
    cloud.parts.ensure_network(inner)
    time.sleep(0.3)
    assert plain != last and int(pid_file.read_text()) == plain and _cmdline(plain)


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_neighbours_by_floating_ip_and_extra_routes(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(config=PROVIDER)
    inner, outer, open_ = tenant(), external(), group(icmp())
    ports = [port(inner, 5, [open_.id]), port(inner, 6, [open_.id])]
    edge = router(inner, outer)
    edge.floating_ips = [FloatingIp(id=new_id(), floating_ip="172.24.4.20", fixed_ip="10.0.0.6")]
    edge.routes = [Route(destination="10.9.0.0/16", nexthop="10.0.0.6")]
    for network in (inner, outer):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(edge)
    cloud.parts.ensure_ports(ports, {open_.id: open_})
    first, _ = (FakeGuest(each).start(f"{each.addresses[0].ip}/24", "10.0.0.1") for each in ports)
    assert first.pings("172.24.4.20")
    shown = sh("ip", "-n", names.router_namespace(edge.id), "route")
    assert "default via 172.24.4.1" in shown and "10.9.0.0/16 via 10.0.0.6" in shown
    # The kernel takes no broadcast address for a next hop: that route is not there, the others are.
    edge.routes += [Route(destination="10.8.0.0/16", nexthop="10.0.0.255")]
    edge.routes += [Route(destination="10.7.0.0/16", nexthop="10.0.0.6")]
    edge.routes += [Route(destination="fd00::%x/64", nexthop="::1")]
    left_out = cloud.parts.ensure_router(edge)
    assert len(left_out) == 2 and "not an IP prefix" in left_out[0] and "10.8.0.0/16" in left_out[1]
    assert cloud.parts.ensure_router(edge) == left_out
    there = sh("ip", "-n", names.router_namespace(edge.id), "route", "show", "proto", "static")
    assert "10.9.0.0/16" in there and "10.7.0.0/16" in there and "10.8.0.0/16" not in there and "default" in there
    edge.routes = []
    cloud.parts.ensure_router(edge)
    assert "10.9.0.0/16" not in sh("ip", "-n", names.router_namespace(edge.id), "route")
    edge.admin_state_up = False
    cloud.parts.ensure_router(edge)
    assert not first.pings("10.0.0.1")


def test_a_restarted_node_finds_its_world(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(config=PROVIDER)
    inner, outer, open_ = tenant(), external(), group(icmp())
    guest, edge = port(inner, 5, [open_.id]), router(inner, outer)
    for network in (inner, outer):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(edge)
    cloud.parts.ensure_ports([guest], {open_.id: open_})
    before = snapshot()
    cloud.parts.close()
    again = make_cloud(config=PROVIDER)
    for network in (inner, outer):
        again.parts.ensure_network(network)
    again.parts.ensure_router(edge)
    again.parts.ensure_ports([guest], {open_.id: open_})
    assert sorted(snapshot().splitlines()) == sorted(before.splitlines())
    vm = FakeGuest(guest).start("10.0.0.5/24", "10.0.0.1")
    assert "for 10.0.0.5" in ask(vm) and again.asked
    again.parts.sweep([outer.id], [], [])
    seen = again.parts.observe()
    assert (seen.networks, seen.routers, seen.ports) == ({outer.id}, set(), set())


def test_settings_that_a_crash_left_out(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(config=PROVIDER)
    inner, outer = tenant(), external()
    edge = router(inner, outer)
    namespace = names.router_namespace(edge.id)
    sh("ip", "netns", "add", namespace)  # the first step, and no other
    for network in (inner, outer):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(edge)
    assert sh("ip", "netns", "exec", namespace, "cat", "/proc/sys/net/ipv4/ip_forward").strip() == "1"
    assert ",UP" in sh("ip", "-n", namespace, "-o", "link", "show", "dev", "lo")
