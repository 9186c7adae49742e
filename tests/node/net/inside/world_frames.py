"""What a guest may say with bare frames (cases 31, 34 and 37): real packets between namespaces on one network.

A frame counts as held when another that was sent after it has arrived and it has not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from frames import (
    ALL_NODES,
    ARP,
    BROADCAST,
    IP4,
    IP6,
    OVERRIDE,
    ROUTER,
    SOLICITED,
    VLAN,
    Wire,
    advert,
    arp,
    ether,
    extension,
    fragment,
    ip6,
    mac,
    option,
    redirect,
    router_advert,
    solicit,
    summed,
    udp4,
    udp6,
)
from worldkit import Cloud, FakeGuest, group, new_id, port, sh, tenant

from cumulet.desired.addresses import Address
from cumulet.desired.network import Network
from cumulet.desired.port import AddressPair, Interface
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.node.net import names, rules

FD = "fd00:58::"
EVERYBODY = "ff02::1"


@dataclass
class Street:
    """A shared network: the attacker `mallory`, the victim `alice` and her neighbour `carol`, of three tenants."""

    cloud: Cloud
    network: Network
    groups: dict[str, SecurityGroup]
    mallory: Interface
    alice: Interface
    carol: Interface

    def settle(self) -> None:
        """Apply the ports as they are now."""
        assert self.cloud.parts.ensure_ports([self.mallory, self.alice, self.carol], self.groups) == {}


def with_ipv6(iface: Interface) -> Interface:
    last = iface.addresses[0].ip.rsplit(".", 1)[1]
    iface.addresses.append(Address(ip=f"{FD}{int(last):x}", subnet_id=new_id(), prefix=64))
    return iface


def local(iface: Interface) -> str:
    return rules.link_local(iface.mac)


@pytest.fixture
def street(make_cloud: Callable[..., Cloud]) -> Street:
    everything = [Rule(id=new_id(), direction="ingress", ethertype=kind) for kind in ("IPv4", "IPv6")]
    network, open_ = tenant(), group(*everything)
    ports = [with_ipv6(port(network, last, [open_.id])) for last in (5, 6, 7)]
    found = Street(make_cloud(), network, {open_.id: open_}, *ports)
    found.cloud.parts.ensure_network(network)
    found.settle()
    return found


def started(iface: Interface) -> FakeGuest:
    """A guest that speaks both, at once and without announcements of its own."""
    guest = FakeGuest(iface).start(f"{iface.addresses[0].ip}/24")
    guest.run("ip", "addr", "add", f"{iface.addresses[1].ip}/64", "dev", "eth0", "nodad")
    return guest


def seen_of(street: Street, frames: dict[str, bytes]) -> list[str]:
    """Which of mallory's frames alice sees."""
    sender, receiver = FakeGuest(street.mallory).start(), FakeGuest(street.alice).start()
    last = ether(street.mallory.mac, street.alice.mac, IP4, udp4("10.0.0.5", "10.0.0.6", (9, 9), b"the last one"))
    with Wire(sender) as out, Wire(receiver) as into:
        out.send(*frames.values(), last)
        seen = into.until(last)
    return [name for name, frame in frames.items() if frame in seen]


def message(
    street: Street, body: bytes, to: str = "", source: str = "", sent_by: str = "", at: str = "", before: str = ""
) -> bytes:
    """An ICMPv6 message of mallory's; `before` names headers that hide it: h(op by hop), d(estination options)."""
    source = source or local(street.mallory)
    to = to or local(street.alice)
    packet, first = summed(source, to, body), 58
    for letter in reversed(before):
        packet = extension(first) + packet
        first = {"h": 0, "d": 60}[letter]
    return ether(sent_by or street.mallory.mac, at or street.alice.mac, IP6, ip6(source, to, packet, first=first))


def in_pieces(street: Street, body: bytes, size: int, hidden: bool = False) -> list[bytes]:
    """An ICMPv6 message of mallory's to alice in fragments of `size` bytes, behind destination options if `hidden`."""
    source, to = local(street.mallory), local(street.alice)
    whole, first = summed(source, to, body), 58
    if hidden:
        whole, first = extension(58) + whole, 60
    pieces = []
    for start in range(0, len(whole), size):
        head = fragment(first, start, start + size < len(whole), identity=size + hidden)
        packet = ip6(source, to, head + whole[start : start + size], first=44)
        pieces.append(ether(street.mallory.mac, street.alice.mac, IP6, packet))
    return pieces


# ---- case 31: neighbour discovery (CVE-2021-20267, OSSA-2021-001; OSSA-2016-009) ----------------------------


def own_messages(street: Street) -> dict[str, bytes]:
    """What a guest must be able to say."""
    mallory, own = street.mallory, street.mallory.addresses[1].ip
    linked = option(2, mac(mallory.mac))
    return {
        "an answer": message(street, advert(own, linked, flags=SOLICITED | OVERRIDE)),
        "an answer without its MAC": message(street, advert(own, flags=SOLICITED)),
        "an announcement": message(street, advert(own, linked), to=EVERYBODY, at=ALL_NODES),
        "of its link-local address": message(street, advert(local(mallory), linked)),
        "as a router": message(street, advert(own, linked, flags=ROUTER | SOLICITED), source=own),
        "a question": message(street, solicit(street.alice.addresses[1].ip, option(1, mac(mallory.mac)))),
        "a look for doubles": message(street, solicit(own), source="::", to=EVERYBODY, at=ALL_NODES),
        "a look for doubles of its link-local address": message(
            street, solicit(local(mallory), option(14, bytes(6))), source="::", to=EVERYBODY, at=ALL_NODES
        ),
    }  # fmt: skip


def taken_messages(street: Street) -> dict[str, bytes]:
    """What takes an address of a neighbour's, or a neighbour's MAC."""
    mallory, carol = street.mallory, street.carol
    linked, other = option(2, mac(mallory.mac)), option(2, mac(carol.mac))
    theirs = advert(carol.addresses[1].ip, linked)
    own = mallory.addresses[1].ip
    nonce = option(14, bytes(6))
    found = {
        "an answer": message(street, advert(carol.addresses[1].ip, linked, flags=SOLICITED | OVERRIDE)),
        "an answer without a MAC": message(street, advert(carol.addresses[1].ip, flags=SOLICITED)),
        "an announcement": message(street, theirs, to=EVERYBODY, at=ALL_NODES),
        "from a routed address": message(street, theirs, source=own),
        "of a link-local address": message(street, advert(local(carol), linked)),
        "of an address that is nobody's": message(street, advert(f"{FD}99", linked)),
        "behind hop-by-hop options": message(street, theirs, before="h"),
        "behind two headers": message(street, theirs, before="hd"),
        "from the neighbour's address": message(street, theirs, source=local(carol)),
        "with the neighbour's frame": message(street, theirs, source=local(carol), sent_by=carol.mac),
        "own address at the neighbour's MAC": message(street, advert(own, other)),
        "own address at two MACs": message(street, advert(own, linked, other)),
        "own address, its MAC behind another option": message(street, advert(own, nonce, other)),
        "a neighbour's address is in use": message(
            street, solicit(carol.addresses[1].ip), source="::", to=EVERYBODY, at=ALL_NODES
        ),
        "in a VLAN": ether(mallory.mac, street.alice.mac, VLAN, b"\0\5\x86\xdd" + message(street, theirs)[14:]),
        "called IPv4": ether(mallory.mac, street.alice.mac, IP4, message(street, theirs)[14:]),
    }  # fmt: skip
    for size in (8, 16, 24):
        for hidden in (False, True):
            for number, piece in enumerate(in_pieces(street, theirs, size, hidden)):
                found[f"piece {number} of {size} bytes, hidden: {hidden}"] = piece
    return found


def test_31_neighbours_are_told_of_own_addresses_only(street: Street) -> None:
    """Finding S19, case 31."""
    own, taken = own_messages(street), taken_messages(street)
    seen = seen_of(street, {**{f"own: {name}": frame for name, frame in own.items()}, **taken})
    assert [name for name in seen if not name.startswith("own: ")] == [], "this takes a neighbour's address"
    assert seen == [f"own: {name}" for name in own], "this must pass"


def test_31_whole_messages_of_a_router_stay_out(street: Street) -> None:
    """Case 31: advertisements and redirects of a router, plain, behind headers and in pieces."""
    gateway = "fe80::1"
    frames = {
        "plain": message(street, router_advert(street.mallory.mac), to=EVERYBODY, at=ALL_NODES),
        "to one": message(street, router_advert(street.mallory.mac)),
        "behind headers": message(street, router_advert(street.mallory.mac), before="hd"),
        "a redirect": message(street, redirect(local(street.mallory), street.carol.addresses[1].ip), source=gateway),
    }
    for hidden in (False, True):
        for number, piece in enumerate(in_pieces(street, router_advert(street.mallory.mac), 16, hidden)):
            frames[f"piece {number}, hidden: {hidden}"] = piece
    assert seen_of(street, frames) == []


def test_31_a_pair_is_an_own_address_and_no_more(street: Street) -> None:
    """Finding S19, case 31: an allowed pair's address may be advertised, the one after it may not."""
    virtual = "00:00:5e:00:01:07"
    street.mallory.allowed_address_pairs = [
        AddressPair(ip=f"{FD}40/122", mac=street.mallory.mac),
        AddressPair(ip=f"{FD}b0", mac=virtual),
    ]
    street.settle()
    linked, other = option(2, mac(street.mallory.mac)), option(2, mac(virtual))
    good = {
        "first of the pair": message(street, advert(f"{FD}40", linked)),
        "last of the pair": message(street, advert(f"{FD}7f", linked)),
        "with another MAC": message(
            street, advert(f"{FD}b0", other), source=rules.link_local(virtual), sent_by=virtual
        ),
    }
    bad = {
        "before the pair": message(street, advert(f"{FD}3f", linked)),
        "after the pair": message(street, advert(f"{FD}80", linked)),
        "the neighbour": message(street, advert(street.carol.addresses[1].ip, linked)),
    }
    assert seen_of(street, {**good, **bad}) == list(good)


@pytest.mark.parametrize("how", ["no port security", "every address"])
def test_31_who_may_use_all_addresses_may_say_so(street: Street, how: str) -> None:
    if how == "no port security":
        street.mallory.port_security, street.mallory.security_groups = False, []
    else:
        street.mallory.allowed_address_pairs = [AddressPair(ip="::/0", mac=street.mallory.mac)]
    street.settle()
    frame = message(street, advert(street.carol.addresses[1].ip, option(2, mac(street.mallory.mac))))
    assert seen_of(street, {"it": frame}) == ["it"]


def test_31_a_neighbour_keeps_its_place_in_a_real_kernel(street: Street) -> None:
    """Finding S19, case 31: alice goes on talking to carol, whatever mallory says."""
    mallory, alice, carol = (started(each) for each in (street.mallory, street.alice, street.carol))
    target = street.carol.addresses[1].ip
    assert alice.pings(target)
    with Wire(mallory) as out:
        for flags in (OVERRIDE, SOLICITED | OVERRIDE, ROUTER | SOLICITED | OVERRIDE):
            lie = advert(target, option(2, mac(street.mallory.mac)), flags=flags)
            out.send(message(street, lie), message(street, lie, to=street.alice.addresses[1].ip))
            out.send(message(street, lie, to=EVERYBODY, at=ALL_NODES))
        out.send(arp(street.mallory.mac, (street.mallory.mac, "10.0.0.7"), "10.0.0.6", to=street.alice.mac))
    assert alice.pings(target)
    assert street.carol.mac in alice.run("ip", "-6", "neigh", "show", target)
    assert carol.pings(street.alice.addresses[1].ip)


# ---- case 31: ARP and MAC (CVE-2021-38598, OSSA-2021-004) ---------------------------------------------------


def test_31_arp_says_who_sends_it(street: Street) -> None:
    own, theirs = street.mallory.mac, street.carol.mac
    snap = ether(
        own, street.alice.mac, 36, b"\xaa\xaa\x03\0\0\0\x08\x06" + arp(own, (own, "10.0.0.7"), "10.0.0.6")[14:]
    )
    good = {
        "an answer": arp(own, (own, "10.0.0.5"), "10.0.0.6", to=street.alice.mac),
        "a question": arp(own, (own, "10.0.0.5"), "10.0.0.6", reply=False),
        "a look for doubles": arp(own, (own, "0.0.0.0"), "10.0.0.5", reply=False),
    }
    bad = {
        "the neighbour's address": arp(own, (own, "10.0.0.7"), "10.0.0.6", to=street.alice.mac),
        "an announcement": arp(own, (own, "10.0.0.7"), "10.0.0.7"),
        "a question": arp(own, (own, "10.0.0.7"), "10.0.0.6", reply=False),
        "the gateway's": arp(own, (own, "10.0.0.1"), "10.0.0.6", to=street.alice.mac),
        "the neighbour's MAC inside": arp(own, (theirs, "10.0.0.5"), "10.0.0.6", to=street.alice.mac),
        "the neighbour's MAC outside": arp(theirs, (own, "10.0.0.5"), "10.0.0.6", to=street.alice.mac),
        "in a VLAN": ether(own, BROADCAST, VLAN, b"\0\5\x08\6" + arp(own, (own, "10.0.0.7"), "10.0.0.6")[14:]),
        "in an LLC frame": snap,
        "nobody's protocol": ether(own, BROADCAST, 0x88CC, bytes(46)),
    }
    frames = {**{f"own: {name}": frame for name, frame in good.items()}, **bad}
    assert seen_of(street, frames) == [f"own: {name}" for name in good]


# ---- case 34: rules that come and go while guests talk (OSSA-2015-021) --------------------------------------

PAIR4, PAIR6 = "10.0.0.70", f"{FD}47"
TALKS = {
    "IPv4": ("10.0.0.5", "10.0.0.6"),
    "IPv6": (f"{FD}5", f"{FD}6"),
    "link-local addresses": (rules.link_local("fa:16:3e:00:01:05"), rules.link_local("fa:16:3e:00:01:06")),
    "to a pair": ("10.0.0.5", PAIR4),
    "to a pair of IPv6": (f"{FD}5", PAIR6),
}


def udp(number: int, **remote: str) -> list[Rule]:
    """Datagrams to this port may come in, of both IP versions."""
    return [
        Rule(
            id=new_id(), direction="ingress", ethertype=kind, protocol="udp",
            port_range_min=number, port_range_max=number, **remote,
        )
        for kind in ("IPv4", "IPv6")
    ]  # fmt: skip


def talk(street: Street, name: str, number: int, content: bytes = b"question", *, answer: bool = False) -> bytes:
    """A datagram from mallory to alice's port `number`, or her answer."""
    ends, macs = TALKS[name], (street.mallory.mac, street.alice.mac)
    ports = (5000, number)
    if answer:
        ends, macs, ports = (ends[1], ends[0]), (macs[1], macs[0]), (number, 5000)
    packet = (udp4 if "." in ends[0] else udp6)(*ends, ports, content)
    return ether(*macs, IP4 if "." in ends[0] else IP6, packet)


@pytest.mark.parametrize("change", ["the rule goes", "the group goes", "the rule is narrowed", "a member goes"])
def test_34_a_rule_that_goes_ends_what_it_let_in(street: Street, change: str) -> None:
    """Case 34: whichever of her addresses is spoken to."""
    street.alice.allowed_address_pairs = [AddressPair(ip=each, mac=street.alice.mac) for each in (PAIR4, PAIR6)]
    friends = group()
    friends.members = ["10.0.0.5", f"{FD}5", rules.link_local(street.mallory.mac)]
    opened = udp(9, remote_group_id=friends.id) if change == "a member goes" else udp(9)
    always, gone = group(*udp(10)), group(*opened)
    street.groups.update({each.id: each for each in (always, gone, friends)})
    street.alice.security_groups = [always.id, gone.id]
    street.settle()
    with Wire(FakeGuest(street.mallory).start()) as asker, Wire(FakeGuest(street.alice).start()) as answerer:
        for name in TALKS:
            asker.send(talk(street, name, 9))
            answerer.until(talk(street, name, 9))
            answerer.send(talk(street, name, 9, b"answer", answer=True))
            asker.until(talk(street, name, 9, b"answer", answer=True))
        if change == "the rule goes":
            gone.rules = gone.rules[:2]
        elif change == "the group goes":
            street.alice.security_groups = [always.id]
        elif change == "the rule is narrowed":
            gone.rules = [*gone.rules[:2], *udp(11)]
        else:
            friends.members = ["10.0.0.200"]
        street.settle()
        asker.send(*[talk(street, name, 9, b"more") for name in TALKS], talk(street, "IPv4", 10))
        seen = answerer.until(talk(street, "IPv4", 10))
    assert [name for name in TALKS if talk(street, name, 9, b"more") in seen] == []


def test_34_a_rule_that_comes_is_for_running_guests(street: Street) -> None:
    """Case 34: the next packet after the change passes."""
    later = group(*udp(10))
    street.groups[later.id] = later
    street.alice.security_groups = [later.id]
    street.settle()
    with Wire(FakeGuest(street.mallory).start()) as asker, Wire(FakeGuest(street.alice).start()) as answerer:
        asker.send(talk(street, "IPv4", 9), talk(street, "IPv6", 9), talk(street, "IPv4", 10))
        assert not {talk(street, "IPv4", 9), talk(street, "IPv6", 9)} & {*answerer.until(talk(street, "IPv4", 10))}
        later.rules += udp(9)
        street.settle()
        asker.send(talk(street, "IPv4", 9, b"again"), talk(street, "IPv6", 9, b"again"))
        answerer.until(talk(street, "IPv4", 9, b"again"))
        answerer.until(talk(street, "IPv6", 9, b"again"))


# ---- case 37: nobody sees another's unicast (OSSA-2019-004) -------------------------------------------------


def learned(network: Network) -> set[str]:
    """MACs that the bridge has learned."""
    shown = sh("bridge", "fdb", "show", "br", names.bridge(network.id))
    return {line.split()[0] for line in shown.splitlines() if "permanent" not in line and " vlan " not in line}


def test_37_a_bridge_remembers_who_is_where(street: Street) -> None:
    """Case 37: with an ageing time of 0 a bridge floods everything to everybody."""
    for number, network in enumerate([street.network, tenant(vni=61)]):
        if number:
            street.cloud.parts.ensure_network(network)
        bridge = Path("/sys/class/net") / names.bridge(network.id) / "bridge"
        assert int((bridge / "ageing_time").read_text()) == 300 * 100


def test_37_unicast_is_for_its_receiver(street: Street) -> None:
    """Case 37: what alice sends to carol does not reach mallory, also after she said that she is carol, and after
    more MACs than a table might hold."""
    mallory, alice, carol = (FakeGuest(each).start() for each in (street.mallory, street.alice, street.carol))

    def secret(number: int) -> bytes:
        packet = udp4("10.0.0.6", "10.0.0.7", (9, 9), b"secret %d" % number)
        return ether(street.alice.mac, street.carol.mac, IP4, packet)

    end = ether(street.alice.mac, BROADCAST, IP4, udp4("10.0.0.6", "255.255.255.255", (9, 9), b"the end"))
    hello = arp(street.carol.mac, (street.carol.mac, "10.0.0.7"), "10.0.0.7")
    with Wire(mallory) as evil, Wire(alice) as sender, Wire(carol) as receiver:
        receiver.send(hello)
        evil.until(hello)
        before = learned(street.network)
        assert street.carol.mac in before
        evil.send(ether(street.carol.mac, street.alice.mac, IP4, udp4("10.0.0.7", "10.0.0.6", (9, 9), b"moved")))
        evil.send(arp(street.carol.mac, (street.carol.mac, "10.0.0.7"), "10.0.0.7"))
        for _ in range(5000):
            evil.send(ether("02:" + os.urandom(5).hex(":"), BROADCAST, ARP, bytes(46)))
        sender.send(*[secret(number) for number in range(20)], end)
        overheard, heard = evil.until(end), receiver.until(end)
    assert [frame for frame in overheard if b"secret" in frame] == []
    assert [frame for frame in heard if b"secret" in frame] == [secret(number) for number in range(20)]
    assert learned(street.network) <= before | {street.alice.mac, street.mallory.mac}, "invented MACs fill the table"
