"""Ports: what the security groups of the guides' lab let pass, seen from guests."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch
from worldkit import Cloud, FakeGuest, group, host_of, icmp, new_id, ok, port, sh, snapshot, tcp, tenant

from cumulet.desired.port import AddressPair
from cumulet.desired.security_group import Rule
from cumulet.node.net import names, rules

ECHO = """
import socket
server = socket.create_server(("10.0.0.5", 22))
print("listening", flush=True)
connection, _ = server.accept()
while data := connection.recv(100):
    connection.sendall(data)
"""
TALK = """
import socket, sys
link = socket.create_connection(("10.0.0.5", 22), timeout=5)
link.sendall(b"echo")
print(link.recv(100).decode(), flush=True)
sys.stdin.readline()
link.settimeout(1.5)
link.sendall(b"more")
try:
    print(link.recv(100).decode(), flush=True)
except TimeoutError:
    print("silence", flush=True)
"""
FORGE = """
import socket, sys
own, other = (bytes.fromhex(each.replace(":", "")) for each in sys.argv[1:])
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
raw.send(other + own + b"\\x81\\x00\\x00\\x05\\x08\\x00" + bytes(46))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("10.0.0.5", 67))
udp.sendto(b"offer", ("10.0.0.6", 68))
"""


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


def test_twice_is_the_same_world(make_cloud: Callable[..., Cloud]) -> None:
    before = snapshot()
    cloud = make_cloud(tunnel_ip="127.0.0.1")
    network, open_ = tenant(), group(icmp(), tcp(22))
    network.peers = ["127.0.0.2", "127.0.0.1"]
    ports = [port(network, 5, [open_.id]), port(network, 6, [open_.id])]
    for _ in range(2):
        cloud.parts.ensure_network(network)
        assert cloud.parts.ensure_ports(ports, {open_.id: open_}) == {}
        for each in ports:
            assert cloud.parts.plug(each) == names.tap(each.port_id)
        after_this = snapshot()
        fdb = sh("bridge", "fdb", "show", "dev", "vxlan-58")
    flood = [line.split()[2] for line in fdb.splitlines() if line.startswith("00:00:00:00:00:00")]
    assert snapshot() == after_this and flood == ["127.0.0.2"]
    cloud.parts.close()
    again = make_cloud(tunnel_ip="127.0.0.1")
    again.parts.ensure_network(network)
    again.parts.ensure_ports(ports, {open_.id: open_})
    assert sorted(snapshot().splitlines()) == sorted(after_this.splitlines())
    assert again.parts.observe().ports == {each.port_id for each in ports}
    again.parts.purge()
    assert snapshot() == before


def test_a_rule_that_goes_ends_its_connections(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, open_ = tenant(), group(icmp(), tcp(22))
    server, client = port(network, 5, [open_.id]), port(network, 6, [open_.id])
    cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports([server, client], {open_.id: open_})
    a, b = FakeGuest(server).start("10.0.0.5/24"), FakeGuest(client).start("10.0.0.6/24")
    listener = subprocess.Popen(
        ["ip", "netns", "exec", a.ns, sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True
    )
    assert listener.stdout and listener.stdout.readline() == "listening\n"
    talker = subprocess.Popen(
        ["ip", "netns", "exec", b.ns, sys.executable, "-c", TALK],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert talker.stdin and talker.stdout
    try:
        assert talker.stdout.readline() == "echo\n"
        open_.rules = [each for each in open_.rules if each.protocol != "tcp"]
        cloud.parts.ensure_ports([server, client], {open_.id: open_})
        talker.stdin.write("more\n")
        talker.stdin.flush()
        assert talker.stdout.readline() == "silence\n"
    finally:
        for process in (listener, talker):
            process.kill()
            process.wait()


def test_equal_addresses_do_not_meet(make_cloud: Callable[..., Cloud]) -> None:
    """Two networks with the same addresses: what is known in one opens nothing in the other."""
    cloud = make_cloud()
    nets = [tenant(vni=58), tenant(vni=59)]
    open_, shut = group(icmp()), group()
    groups = {open_.id: open_, shut.id: shut}
    ports = [port(nets[0], 5, [open_.id]), port(nets[0], 6, [open_.id])]
    ports += [port(nets[1], 5, [shut.id]), port(nets[1], 6, [shut.id])]
    for network in nets:
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports(ports, groups)
    guests = [FakeGuest(each).start(f"{each.addresses[0].ip}/24") for each in ports]
    assert guests[0].pings("10.0.0.6") and not guests[2].pings("10.0.0.6")
    raw = sh("iptables", "-t", "raw", "-S", names.PREROUTING)
    zones = {line.split()[-1] for line in raw.splitlines() if "--zone" in line}
    assert len(zones) == 2
    # The same five-tuple, known in the first network's zone, must not pass in the second.
    hold = ["-e", "4242", "-c", "1", "-W", "1"]
    assert ok("ip", "netns", "exec", guests[0].ns, "ping", *hold, "10.0.0.6")
    assert not ok("ip", "netns", "exec", guests[2].ns, "ping", *hold, "10.0.0.6")
    assert len(sh("conntrack", "-L", "-p", "icmp", "--src", "10.0.0.5").splitlines()) >= 1


def test_remote_group_follows_its_members(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, friends = tenant(), group()
    friends.rules.append(Rule(id=new_id(), direction="ingress", remote_group_id=friends.id))
    a, b = port(network, 5, [friends.id]), port(network, 6, [friends.id])
    friends.members = ["10.0.0.5", "10.0.0.6"]
    cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports([a, b], {friends.id: friends})
    first = FakeGuest(a).start("10.0.0.5/24")
    FakeGuest(b).start("10.0.0.6/24")
    assert first.pings("10.0.0.6")
    friends.members = ["10.0.0.6"]
    cloud.parts.ensure_ports([a, b], {friends.id: friends})
    assert not first.pings("10.0.0.6")
    friends.members = ["0.0.0.0/0", "10.0.0.6"]
    assert cloud.parts.ensure_ports([a, b], {friends.id: friends}) == {}
    assert first.pings("10.0.0.6")


def test_a_bad_rule_or_pair_is_left_out_and_nothing_else(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, good = tenant(), group(icmp())
    bad = group(icmp(), Rule(id=new_id(), direction="ingress", protocol="tcp -j ACCEPT\n-A INPUT"))
    bad.members = ["fe80::1%lo\nflush all"]
    a, b, c = port(network, 5, [good.id]), port(network, 6, [bad.id]), port(network, 7, [good.id])
    b.allowed_address_pairs = [AddressPair(ip="fe80::1%lo -j RETURN\n-F neutron-linuxbri-sg-chain\n#/128", mac=b.mac)]
    good.rules.append(Rule(id=new_id(), direction="ingress", ethertype="IPv6", remote_group_id=bad.id))
    cloud.parts.ensure_network(network)
    groups = {good.id: good, bad.id: bad}
    for _ in range(2):
        assert cloud.parts.ensure_ports([a, b, c], groups) == {}
    first, second = FakeGuest(a).start("10.0.0.5/24"), FakeGuest(b).start("10.0.0.6/24")
    FakeGuest(c).start("10.0.0.7/24")
    assert first.pings("10.0.0.7") and first.pings("10.0.0.6") and second.pings("10.0.0.7")
    assert "ACCEPT" not in sh("iptables", "-S", names.chain_in(b.port_id))
    assert "%" not in sh("ip6tables-save") and "-j DROP" in sh("ip6tables", "-S", names.chain_spoof(b.port_id))


def test_a_port_without_a_mac_address_closes_itself_only(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, good = tenant(), group(icmp())
    a, b, c = port(network, 5, [good.id]), port(network, 6, [good.id]), port(network, 7, [good.id])
    cloud.parts.ensure_network(network)
    b.mac = "fa:16:3e:00:00:06\n"
    nameless = port(network, 8, [good.id])
    nameless.port_id += "\n"
    for _ in range(2):
        errors = cloud.parts.ensure_ports([a, b, c, nameless], {good.id: good})
        assert set(errors) == {b.port_id, nameless.port_id} and "not a MAC address" in errors[b.port_id]
    assert sh("iptables", "-S", names.chain_in(b.port_id)).count("-A") == 1
    b.mac = "fa:16:3e:00:01:06"
    assert cloud.parts.ensure_ports([a, b, c], {good.id: good}) == {}
    first = FakeGuest(a).start("10.0.0.5/24")
    FakeGuest(b).start("10.0.0.6/24")
    assert first.pings("10.0.0.6")


def test_rules_the_tables_refuse_close_one_port(make_cloud: Callable[..., Cloud], monkeypatch: MonkeyPatch) -> None:
    cloud = make_cloud()
    network, good, bad = tenant(), group(icmp()), group(tcp(99))
    a, b = port(network, 5, [good.id]), port(network, 6, [bad.id])
    cloud.parts.ensure_network(network)
    real = rules.rule_line
    monkeypatch.setattr(
        rules, "rule_line", lambda r, v: "-m nonsense -j RETURN" if r.port_range_min == 99 else real(r, v)
    )
    errors = cloud.parts.ensure_ports([a, b], {good.id: good, bad.id: bad})
    assert list(errors) == [b.port_id]
    assert "-p icmp -j RETURN" in sh("iptables", "-S", names.chain_in(a.port_id))
    assert sh("iptables", "-S", names.chain_in(b.port_id)).count("-A") == 1


def test_addresses_pairs_and_no_port_security(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, open_ = tenant(), group(icmp())
    a, b, c = port(network, 5, [open_.id]), port(network, 6, [open_.id]), port(network, 7, [])
    a.allowed_address_pairs = [AddressPair(ip="10.0.0.64/26", mac=a.mac)]
    c.port_security = False
    cloud.parts.ensure_network(network)
    groups = {open_.id: open_}
    assert cloud.parts.ensure_ports([a, b, c], groups) == {}
    first, second = FakeGuest(a).start("10.0.0.5/24"), FakeGuest(b).start("10.0.0.6/24")
    third = FakeGuest(c).start("10.0.0.7/24")
    for each in (first, second, third):
        each.run("ip", "addr", "add", "10.0.0.77/24" if each is not second else "10.0.0.78/24", "dev", "eth0")
    assert first.pings("10.0.0.6", "-I", "10.0.0.77")
    assert not second.pings("10.0.0.5", "-I", "10.0.0.78")
    first.run("ip", "addr", "del", "10.0.0.77/24", "dev", "eth0")
    second.run("ip", "neigh", "flush", "all")
    assert third.pings("10.0.0.6", "-I", "10.0.0.77")
    b.allowed_address_pairs = [AddressPair(ip="0.0.0.0/0", mac=b.mac)]
    assert cloud.parts.ensure_port(b, groups) is None
    assert second.pings("10.0.0.5", "-I", "10.0.0.78")


def test_vlan_tags_and_dhcp_servers_do_not_pass(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, open_ = tenant(), group(icmp())
    open_.rules.append(Rule(id=new_id(), direction="ingress"))
    a, b = port(network, 5, [open_.id]), port(network, 6, [open_.id])
    cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports([a, b], {open_.id: open_})
    first, second = FakeGuest(a).start("10.0.0.5/24"), FakeGuest(b).start("10.0.0.6/24")
    with subprocess.Popen(
        ["ip", "netns", "exec", second.ns, "tcpdump", "-l", "-n", "-e", "-i", "eth0", "-c", "2",
         "icmp[0] == 8 or udp port 68 or vlan"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as dump:  # fmt: skip
        assert dump.stderr and dump.stdout
        while "listening" not in dump.stderr.readline():
            pass
        first.run(sys.executable, "-c", FORGE, a.mac, b.mac)
        first.pings("10.0.0.6")
        assert first.pings("10.0.0.6")
        threading.Timer(5, dump.kill).start()
        seen = dump.communicate()[0]
    assert "802.1Q" not in seen
    assert "10.0.0.6.68" not in seen
    assert seen.count("ICMP echo request") == 2


def test_somebody_flushed_the_tables(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, shut = tenant(), group()
    a, b = port(network, 5, [shut.id]), port(network, 6, [shut.id])
    cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports([a, b], {shut.id: shut})
    first = FakeGuest(a).start("10.0.0.5/24")
    FakeGuest(b).start("10.0.0.6/24")
    sh("iptables", "-F")
    assert first.pings("10.0.0.6")
    assert cloud.parts.check()
    assert not first.pings("10.0.0.6") and not cloud.parts.check()


def test_another_cloud_is_left_alone(make_cloud: Callable[..., Cloud]) -> None:
    sh("iptables", "-A", "INPUT", "-s", "198.51.100.1/32", "-j", "DROP")
    one, two = make_cloud("one"), make_cloud("two")
    nets, shut = [tenant(vni=58), tenant(vni=58)], group()
    ports = [port(nets[0], 5, [shut.id]), port(nets[1], 6, [shut.id])]
    empty = snapshot()
    one.parts.ensure_network(nets[0])
    one.parts.ensure_ports(ports[:1], {shut.id: shut})
    one.parts.plug(ports[0])
    alone = snapshot()
    two.parts.ensure_network(nets[1])
    two.parts.ensure_ports(ports[1:], {shut.id: shut})
    two.parts.plug(ports[1])
    assert names.bridge(nets[0].id) in two.parts.observe().strangers
    two.parts.sweep([], [], [])
    two.parts.purge()
    assert sorted(snapshot().splitlines()) == sorted(alone.splitlines())
    one.parts.purge()
    assert snapshot() == empty
    sh("iptables", "-D", "INPUT", "-s", "198.51.100.1/32", "-j", "DROP")


def test_speed_of_one_port(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    network, open_ = tenant(), group(icmp(), tcp(22))
    cloud.parts.ensure_network(network)
    ports = [port(network, 5 + n, [open_.id]) for n in range(12)]
    took = []
    for each in ports:
        start = time.perf_counter()
        cloud.parts.ensure_port(each, {open_.id: open_})
        cloud.parts.plug(each)
        took.append(time.perf_counter() - start)
    start = time.perf_counter()
    cloud.parts.ensure_ports(ports, {open_.id: open_})
    cloud.parts.ensure_network(network)
    idle = time.perf_counter() - start
    print(f"port: median {sorted(took)[6] * 1000:.0f} ms; unchanged: {idle * 1000:.0f} ms")
    assert sorted(took)[6] < 0.4 and idle < 0.3
