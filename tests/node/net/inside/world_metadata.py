"""Metadata where networks meet: which leg a guest's packet came through, and guests who claim a neighbour's address."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from worldkit import Cloud, FakeGuest, group, host_of, leg, new_id, port, sh, tcp, tenant

from cumulet.desired.addresses import Address, Route
from cumulet.desired.network import Network, Subnet
from cumulet.desired.port import AddressPair
from cumulet.desired.router import Router
from cumulet.desired.security_group import Rule
from cumulet.node.net import names

METADATA = "169.254.169.254"
ASK = (
    "import socket,sys\ns=socket.socket()\ns.settimeout(2)\ns.bind((sys.argv[1],0))\ns.connect((sys.argv[2],80))\n"
    "s.sendall(b'GET /latest/user-data HTTP/1.0\\r\\n\\r\\n')\nd=b''\n"
    "while (p:=s.recv(9999)): d+=p\nprint(d.decode())"
)
SOCKET = "import socket,sys\ns=socket.socket(10 if ':' in sys.argv[1] else 2,2)\n"
SAY = SOCKET + "s.bind((sys.argv[1],0))\ns.sendto(b'hi',(sys.argv[2],53))"
HEAR = SOCKET + "s.bind((sys.argv[1],53))\ns.settimeout(3)\nprint(s.recvfrom(9)[1][0])"


def ask(guest: FakeGuest, source: str) -> str:
    return guest.run(sys.executable, "-c", ASK, source, METADATA, check=False)


def two_networks() -> tuple[Network, Network, Router]:
    """The victim's network, the other tenant's, and a router of the latter with a leg on both."""
    theirs, own = tenant(), tenant("10.1.0.0/24", 59, "10.1.0.1")
    assert own.dhcp
    own.dhcp.mac = "fa:16:3e:00:01:02"
    legs = [leg(theirs, "10.0.0.30", "fa:16:3e:00:00:30"), leg(own, "10.1.0.1", "fa:16:3e:00:00:31")]
    return theirs, own, Router(id=new_id(), ports=legs)


def test_the_leg_says_which_network_asks(make_cloud: Callable[..., Cloud]) -> None:
    """Finding S4: an address of the shared network, sent from the sender's own, behind the same router."""
    cloud = make_cloud()
    theirs, own, edge = two_networks()
    shut = group()
    victim, sender = port(theirs, 5, [shut.id]), port(own, 66, [shut.id])
    sender.allowed_address_pairs = [AddressPair(ip=ip, mac=sender.mac) for ip in ("10.0.0.5", "10.9.0.5")]
    for network in (theirs, own):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(edge)
    cloud.parts.ensure_ports([victim, sender], {shut.id: shut})
    honest = FakeGuest(victim).start("10.0.0.5/24", "10.0.0.30")
    evil = FakeGuest(sender).start("10.1.0.66/24", "10.1.0.1")
    for guest, source, network in ((honest, "10.0.0.5", theirs), (evil, "10.1.0.66", own)):
        assert f"for {source}" in ask(guest, source)
        assert (cloud.asked[-1].network_id, cloud.asked[-1].source) == (network.id, source)

    count = len(cloud.asked)
    sh("ip", "-n", evil.ns, "addr", "add", "10.0.0.5/32", "dev", "eth0")
    assert ask(evil, "10.0.0.5") == "" and len(cloud.asked) == count
    # A controller refuses these routes; a node that was told them all the same leaves them out.
    edge.routes = [Route(destination=each, nexthop="10.1.0.66") for each in ("10.0.0.5/32", "10.0.0.0/24")]
    cloud.parts.ensure_router(edge)
    assert ask(evil, "10.0.0.5") == "" and len(cloud.asked) == count
    assert "for 10.0.0.5" in ask(honest, "10.0.0.5")
    # An address from behind a guest is on no network here: nobody is asked about it.
    count = len(cloud.asked)
    edge.routes = [Route(destination="10.9.0.5/32", nexthop="10.1.0.66")]
    cloud.parts.ensure_router(edge)
    sh("ip", "-n", evil.ns, "addr", "add", "10.9.0.5/32", "dev", "eth0")
    assert " 404 " in ask(evil, "10.9.0.5") and len(cloud.asked) == count


def test_legs_that_go_and_come_again(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    theirs, own, edge = two_networks()
    shut = group()
    victim = port(theirs, 5, [shut.id])
    for network in (theirs, own):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports([victim], {shut.id: shut})
    guest = FakeGuest(victim).start("10.0.0.5/24", "10.0.0.30")
    legs = list(edge.ports)
    for kept in (legs, legs[:1], legs[1:], legs, []):
        edge.ports = list(kept)
        cloud.parts.ensure_router(edge)
        listening = sh("ip", "netns", "exec", names.router_namespace(edge.id), "ss", "-Htln").splitlines()
        assert len(listening) == len(kept) and all(f":{names.METADATA_PORT} " in line for line in listening)
        answered = "for 10.0.0.5" in ask(guest, "10.0.0.5")
        assert answered == (legs[0] in kept)
        assert not answered or cloud.asked[-1].network_id == theirs.id
    shown = sh("ip", "netns", "exec", names.router_namespace(edge.id), "iptables", "-t", "nat", "-S")
    assert f"-d {METADATA}/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697" in shown


def test_a_router_is_no_way_round_the_filters(make_cloud: Callable[..., Cloud]) -> None:
    """What a tenant may send on an own network does not leave their router as a neighbour's on a shared one."""
    cloud = make_cloud()
    theirs, own, edge = two_networks()
    shut, open_ = group(), group(tcp(53))
    open_.rules += [Rule(id=new_id(), direction="ingress", ethertype=kind, protocol="udp") for kind in ("IPv4", "IPv6")]
    target, sender = port(theirs, 6, [open_.id]), port(own, 66, [shut.id])
    for inner, iface, last in ((theirs, target, "6"), (own, sender, "66")):
        stem = "fd00:a" if inner is theirs else "fd00:b"
        inner.subnets.append(Subnet(id=new_id(), cidr=f"{stem}::/64", ip_version=6, enable_dhcp=False))
        six = inner.subnets[-1].id
        iface.addresses.append(Address(ip=f"{stem}::{last}", subnet_id=six, prefix=64))
        edge.ports[inner is own].addresses.append(Address(ip=f"{stem}::1", subnet_id=six, prefix=64))
    sender.allowed_address_pairs = [AddressPair(ip=ip, mac=sender.mac) for ip in ("10.0.0.5", "fd00:a::5")]
    for network in (theirs, own):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(edge)
    assert cloud.parts.ensure_ports([target, sender], {shut.id: shut, open_.id: open_}) == {}
    listener = FakeGuest(target).start("10.0.0.6/24", "10.0.0.30")
    evil = FakeGuest(sender).start("10.1.0.66/24", "10.1.0.1")
    for guest, stem, last in ((listener, "fd00:a", "6"), (evil, "fd00:b", "66")):
        sh("ip", "-n", guest.ns, "addr", "add", f"{stem}::{last}/64", "dev", "eth0", "nodad")
        sh("ip", "-n", guest.ns, "-6", "route", "add", "default", "via", f"{stem}::1")
    sh("ip", "-n", evil.ns, "addr", "add", "10.0.0.5/32", "dev", "eth0")
    sh("ip", "-n", evil.ns, "addr", "add", "fd00:a::5/128", "dev", "eth0", "nodad")
    for source, to, heard in (
        ("10.1.0.66", "10.0.0.6", True),
        ("10.0.0.5", "10.0.0.6", False),
        ("fd00:b::66", "fd00:a::6", True),
        ("fd00:a::5", "fd00:a::6", False),
    ):
        says = f'ip netns exec {evil.ns} {sys.executable} -c "$2" {source} {to}'
        script = f'{sys.executable} -c "$1" {to} & sleep 0.7; {says}; {says}; wait'
        found = listener.run("sh", "-c", script, "sh", HEAR, SAY, check=False)
        assert found.strip() == (source if heard else ""), (source, found)


def test_anothers_leg_does_not_take_the_way_to_metadata(make_cloud: Callable[..., Cloud], udhcpc_script: Path) -> None:
    """Guests of a shared network keep the way through the DHCP port while no router is their gateway."""
    cloud = make_cloud()
    theirs, own, edge = two_networks()
    shut = group()
    victim = port(theirs, 5, [shut.id])
    assert theirs.dhcp
    theirs.dhcp.hosts = [host_of(victim, "vm")]
    for network in (theirs, own):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_router(edge)
    cloud.parts.ensure_ports([victim], {shut.id: shut})
    guest = FakeGuest(victim).start()
    assert f"{METADATA}/32 10.0.0.2" in guest.lease(udhcpc_script)["staticroutes"]
    edge.ports.append(leg(theirs, "10.0.0.1", "fa:16:3e:00:00:32"))
    cloud.parts.ensure_router(edge)
    assert "staticroutes" not in guest.lease(udhcpc_script)
