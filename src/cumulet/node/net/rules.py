"""Security group rules as iptables and nftables text: pure functions, no machine.

Everything that reaches a line is parsed first (address, MAC, protocol number, port), so no value can
become another rule or option. ValueError says which value is wrong; the caller then closes that port and
no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, collapse_addresses

from cumulet.desired.port import Interface
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.desired.texts import mac, network, protocol
from cumulet.node.net import names

_PORTED = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
_ESTABLISHED = "-m state --state RELATED,ESTABLISHED -j RETURN"
_INVALID = "-m state --state INVALID -j DROP"
_FALLBACK = f"-j {names.SG_FALLBACK}"


@dataclass(frozen=True)
class PortRules:
    """All that filters one port. `v4`/`v6`: (ingress, egress, spoof) chains; `spoof` is None without port
    security.

    `accepts` are the statements that let traffic pass: when one goes away, known connections must go too: those of
    `addresses`, which is all that the port may send from, allowed pairs and link-local addresses with it.
    """

    port_id: str
    v4: tuple[list[str], list[str], list[str]]
    v6: tuple[list[str], list[str], list[str]]
    spoof: list[str] | None
    sets: frozenset[tuple[str, int]] = frozenset()
    accepts: frozenset[str] = frozenset()
    addresses: tuple[str, ...] = field(default=(), compare=False)

    def chains(self, version: int) -> dict[str, list[str]]:
        """Chain name → rules, for IP `version` 4 or 6."""
        incoming, outgoing, spoof = self.v4 if version == 4 else self.v6
        port = self.port_id
        return {
            names.chain_in(port): incoming,
            names.chain_out(port): outgoing,
            names.chain_spoof(port): spoof,
        }


def link_local(mac_address: str) -> str:
    """The IPv6 link-local address that a guest forms from its MAC (RFC 4291, appendix A)."""
    parts = [int(part, 16) for part in mac_address.split(":")]
    parts[0] ^= 2
    interface = bytes([*parts[:3], 0xFF, 0xFE, *parts[3:]])
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + interface))


def closed(port_id: str) -> PortRules:
    """Rules of a port through which nothing passes."""
    chains = ([_FALLBACK], [_FALLBACK], ["-j DROP"])
    return PortRules(port_id, chains, chains, ["drop"])


def opened(iface: Interface) -> PortRules:
    """Rules of a port without port security."""
    pass_all = ['-m comment --comment "Accept all packets when port security is disabled." -j RETURN']
    chains = (pass_all, pass_all, pass_all)
    return PortRules(iface.port_id, chains, chains, None, accepts=frozenset(["all"]))


def render(iface: Interface, groups: Mapping[str, SecurityGroup]) -> PortRules:
    """Rules of a port. ValueError when a group is not known or a rule cannot be expressed."""
    names.checked(iface.port_id)
    if not iface.admin_state_up:
        return closed(iface.port_id)
    if not iface.port_security:
        return opened(iface)
    pairs = _pairs(iface)
    accepts: dict[int, dict[str, list[str]]] = {version: {"ingress": [], "egress": []} for version in (4, 6)}
    sets: set[tuple[str, int]] = set()
    for group_id in iface.security_groups:
        if group_id not in groups:
            raise ValueError(f"security group {group_id} is not known on this host")
        for rule in groups[group_id].rules:
            version = 4 if rule.ethertype == "IPv4" else 6
            line = rule_line(rule, version)
            if line not in accepts[version][rule.direction]:
                accepts[version][rule.direction].append(line)
            if rule.remote_group_id:
                sets.add((rule.remote_group_id, version))
    return PortRules(
        iface.port_id,
        (_ingress4(iface, accepts[4]["ingress"]), _egress4(iface, accepts[4]["egress"]), _spoof(pairs, 4)),
        (_ingress6(accepts[6]["ingress"]), _egress6(iface, accepts[6]["egress"]), _spoof(pairs, 6)),
        _bridge_rules(pairs),
        frozenset(sets),
        _statements(accepts, pairs),
        tuple(str(each) for version in (4, 6) for each in _collapsed(pairs, version)),
    )


def rule_line(rule: Rule, version: int) -> str:
    """One security group rule, ending in ``-j RETURN``, as ``iptables -S`` shows it."""
    words: list[str] = []
    if rule.remote_ip_prefix:
        remote = network(rule.remote_ip_prefix)
        if remote.version != version:
            raise ValueError(f"rule {rule.id}: {remote} is not {rule.ethertype}")
        if remote.prefixlen:
            words.append(("-s " if rule.direction == "ingress" else "-d ") + str(remote))
    words += _protocol(rule, version)
    if rule.remote_group_id:
        side = "src" if rule.direction == "ingress" else "dst"
        words.append(f"-m set --match-set {names.group_set(rule.remote_group_id, version)} {side}")
    return " ".join([*words, "-j RETURN"])


def _protocol(rule: Rule, version: int) -> list[str]:
    first, last = rule.port_range_min, rule.port_range_max
    number = 0 if rule.protocol is None else protocol(rule.protocol)
    if number == 0:
        if first is not None or last is not None:
            raise ValueError(f"rule {rule.id}: ports without a protocol")
        return []
    if number in (1, 58):
        return _icmp(rule, version)
    if first is None and last is None:
        return [f"-p {_PORTED.get(number, str(number))}"]
    if number not in _PORTED:
        raise ValueError(f"rule {rule.id}: protocol {rule.protocol} has no ports")
    low, high = first if first is not None else 0, last if last is not None else 65535
    if not 0 <= low <= high <= 65535:
        raise ValueError(f"rule {rule.id}: not a port range: {low} to {high}")
    name = _PORTED[number]
    if number == 136 or low != high:
        return [f"-p {name} -m multiport --dports {low}" + (f":{high}" if low != high else "")]
    return [f"-p {name} -m {name} --dport {low}"]


def _icmp(rule: Rule, version: int) -> list[str]:
    name, option = ("icmp", "-m icmp --icmp-type") if version == 4 else ("ipv6-icmp", "-m icmp6 --icmpv6-type")
    kind, code = rule.port_range_min, rule.port_range_max
    if kind is None:
        return [f"-p {name}"]
    if not 0 <= kind <= 255 or (code is not None and not 0 <= code <= 255):
        raise ValueError(f"rule {rule.id}: not an ICMP type and code: {kind}, {code}")
    return [f"-p {name} {option} {kind}" + (f"/{code}" if code is not None else "")]


# ---- the fixed parts of a port's chains --------------------------------------------------------------------


def _ingress4(iface: Interface, accepts: list[str]) -> list[str]:
    dhcp = [each.ip for each in iface.addresses if network(each.ip).version == 4]
    server = "-p udp -m udp --sport 67 --dport 68 -j RETURN"
    return [
        _ESTABLISHED,
        *[f"-d {network(ip)} {server}" for ip in dhcp],
        f"-d 255.255.255.255/32 {server}",
        *accepts,
        _INVALID,
        _FALLBACK,
    ]


def _egress4(iface: Interface, accepts: list[str]) -> list[str]:
    client = "-p udp -m udp --sport 68 --dport 67 -j RETURN"
    return [
        f"-s 0.0.0.0/32 -d 255.255.255.255/32 {client}",
        f"-j {names.chain_spoof(iface.port_id)}",
        client,
        "-p udp -m udp --sport 67 --dport 68 -j DROP",
        _ESTABLISHED,
        *accepts,
        _INVALID,
        _FALLBACK,
    ]


def _ingress6(accepts: list[str]) -> list[str]:
    neighbours = [f"-p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j RETURN" for kind in (130, 135, 136)]
    return [
        *neighbours,
        _ESTABLISHED,
        "-d fe80::/64 -p udp -m udp --sport 547 --dport 546 -j RETURN",
        *accepts,
        _INVALID,
        _FALLBACK,
    ]


def _egress6(iface: Interface, accepts: list[str]) -> list[str]:
    unbound = "-s ::/128 -d ff02::/16 -p ipv6-icmp -m icmp6 --icmpv6-type"
    return [
        "-p ipv6-icmp -m icmp6 --icmpv6-type 134 -j DROP",
        *[f"{unbound} {kind} -j RETURN" for kind in (131, 133, 135, 143)],
        f"-j {names.chain_spoof(iface.port_id)}",
        "-p ipv6-icmp -j RETURN",
        "-p udp -m udp --sport 546 --dport 547 -j RETURN",
        "-p udp -m udp --sport 547 --dport 546 -j DROP",
        _ESTABLISHED,
        *accepts,
        _INVALID,
        _FALLBACK,
    ]


def _pairs(iface: Interface) -> list[tuple[str, IPv4Network | IPv6Network]]:
    own = mac(iface.mac)
    pairs = [(own, network(each.ip)) for each in iface.addresses]
    pairs.append((own, network(link_local(own))))
    for pair in iface.allowed_address_pairs:
        pairs.append((mac(pair.mac or iface.mac), network(pair.ip)))
        pairs.append((pairs[-1][0], network(link_local(pairs[-1][0]))))
    return list(dict.fromkeys(pairs))


def _spoof(pairs: Iterable[tuple[str, IPv4Network | IPv6Network]], version: int) -> list[str]:
    lines = []
    for hardware, address in pairs:
        if address.version == version:
            source = f"-s {address} " if address.prefixlen else ""
            lines.append(f"{source}-m mac --mac-source {hardware.upper()} -j RETURN")
    return [*lines, "-j DROP"]


def _bridge_rules(pairs: Iterable[tuple[str, IPv4Network | IPv6Network]]) -> list[str]:
    """Statements of the bridge family. Other protocols are dropped: a VLAN tag would hide a packet from
    iptables."""
    listed = list(pairs)
    macs = ", ".join(sorted({hardware for hardware, _ in listed}))
    v4 = _collapsed(listed, 4)
    senders = ["0.0.0.0", *[str(each) for each in v4 if str(each) != "0.0.0.0/32"]]
    lines = [
        f"ether saddr != {{ {macs} }} drop",
        "ether type != { ip, arp, ip6 } drop",
        f"ether type arp arp saddr ether != {{ {macs} }} drop",
    ]
    if "0.0.0.0/0" not in senders and "0.0.0.0/1" not in senders:
        lines.append(f"ether type arp arp saddr ip != {{ {', '.join(senders)} }} drop")
    return [*lines, *_neighbour_rules(listed)]


def _neighbour_rules(pairs: Iterable[tuple[str, IPv4Network | IPv6Network]]) -> list[str]:
    """Statements of the bridge family for IPv6's neighbour discovery (RFC 4861), as strict as those for ARP.

    Who advertises an address, or claims it while it has none itself (duplicate address detection), must own it, and
    the one option of an advertisement is the sender's own MAC. nft has no word for these fields: they are read by
    their offset (bits from the start of ICMPv6), also behind extension headers. What could hide them in fragments is
    dropped: RFC 6980 forbids it for neighbour discovery, RFC 7112 a first fragment without its upper layer.
    """
    listed = list(pairs)
    # Last in the chain: what is not IPv6, and then what is not ICMPv6, leaves it after one look.
    advert, solicit = "icmpv6 type nd-neighbor-advert", "ip6 saddr :: icmpv6 type nd-neighbor-solicit"
    macs = ", ".join(sorted({"0x" + hardware.replace(":", "") for hardware, _ in listed}))
    lines = [
        "ether type != ip6 return",
        "frag nexthdr { 0, 43, 44, 60 } drop",
        "meta l4proto != ipv6-icmp return",
        "icmpv6 type 133-137 exthdr frag exists drop",
        f"{advert} @th,192,16 != 0x0201 drop",
        f"{advert} @th,208,48 != {{ {macs} }} drop",
        f"{advert} @th,256,8 0x0-0xff drop",
    ]
    own = _collapsed(listed, 6)
    if all(each.prefixlen for each in own):
        targets = ", ".join(_as_number(each) for each in own)
        lines += [f"{asked} @th,64,128 != {{ {targets} }} drop" for asked in (advert, solicit)]
    return lines


def _as_number(addresses: IPv4Network | IPv6Network) -> str:
    """The addresses as nft's whole numbers: one, or from the first to the last."""
    first, last = (f"{int(each):#034x}" for each in (addresses[0], addresses[-1]))
    return first if first == last else f"{first}-{last}"


def _collapsed(pairs: Iterable[tuple[str, IPv4Network | IPv6Network]], version: int) -> list[IPv4Network | IPv6Network]:
    """The addresses of these pairs, without overlaps."""
    if version == 4:
        return list(collapse_addresses([each for _, each in pairs if isinstance(each, IPv4Network)]))
    return list(collapse_addresses([each for _, each in pairs if isinstance(each, IPv6Network)]))


def versions_of(statements: Iterable[str]) -> set[int]:
    """The IP versions that these of a port's `accepts` are about."""
    found: set[int] = set()
    for each in statements:
        first, _, rest = each.partition(" ")
        if first == "from":
            found.add(network(rest.rpartition(" ")[2]).version)
        else:
            found |= {int(first)} if first in ("4", "6") else {4, 6}
    return found


def _statements(
    accepts: dict[int, dict[str, list[str]]], pairs: Iterable[tuple[str, IPv4Network | IPv6Network]]
) -> frozenset[str]:
    lines = [
        f"{version} {direction} {line}"
        for version, directions in accepts.items()
        for direction, found in directions.items()
        for line in found
    ]
    return frozenset([*lines, *[f"from {hardware} {address}" for hardware, address in pairs]])


# ---- what the shared chains say about a port ---------------------------------------------------------------


def jumps(port_id: str) -> list[tuple[str, str]]:
    """(shared chain, rule) pairs that lead a port's traffic to its own chains."""
    device = names.tap(port_id)
    outgoing, incoming = names.chain_out(port_id), names.chain_in(port_id)
    to_guest = f"-m physdev --physdev-out {device} --physdev-is-bridged"
    # Without is-bridged: what a guest sends to be routed by this machine is filtered too.
    from_guest = f"-m physdev --physdev-in {device}"
    return [
        (names.FORWARD, f"{from_guest} -j {names.SG_CHAIN}"),
        (names.FORWARD, f"{to_guest} -j {names.SG_CHAIN}"),
        (names.SG_CHAIN, f"{from_guest} -j {outgoing}"),
        (names.SG_CHAIN, f"{to_guest} -j {incoming}"),
        (names.INPUT, f"{from_guest} -j {outgoing}"),
    ]
