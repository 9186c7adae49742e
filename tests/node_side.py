"""What a node would write for desired state, by its own pure functions: nothing is touched, no command runs.

`lines` is what would reach iptables, ip6tables, ipset, nft, ip, dnsmasq and libvirt; `odd` says which of them do not
have the form that those programs shall get.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from cumulet.desired import formats, texts
from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.desired.network import Network
from cumulet.desired.port import Port
from cumulet.desired.router import Router
from cumulet.desired.security_group import SecurityGroup
from cumulet.node import users
from cumulet.node.guest import domain
from cumulet.node.guest.domain import Disk
from cumulet.node.net import groupsets, intake, leases, nat, router, rules
from cumulet.node.net.dhcp import DhcpServers
from cumulet.node.within import Within
from tests.hostile_texts import MARK

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = "[A-Za-z0-9](?:[A-Za-z0-9.-]{0,290}[A-Za-z0-9])?"
_WORD = r"[A-Za-z0-9.:/,_+\[\]-]+"
FORMS = {
    "hosts": re.compile(rf"(?:[0-9a-f]{{2}}:){{5}}[0-9a-f]{{2}},(?:set:port-{_UUID},)?{_NAME},[0-9.]+"),
    "names": re.compile(rf"[0-9a-f:.]+ {_NAME} [A-Za-z0-9-]+"),
    "options": re.compile(rf"tag:(?:subnet|port)-{_UUID},(?:option:[A-Za-z0-9+-]+|[0-9]{{1,3}})(?:,[ -~]{{1,900}})?"),
    "arguments": re.compile(rf"dnsmasq|--[a-z-]+(?:={_WORD})?(?:,{_WORD})*|--conf-file="),
    "iptables": re.compile(rf'(?:-A |:|\*|COMMIT)?(?:(?:! )?(?:--?)?{_WORD}|"[A-Za-z .]+"| )+'),
    "rule": re.compile(rf'(?:(?:! )?--?[a-z][a-z0-9-]*(?: (?!-)(?:{_WORD}|"[A-Za-z .]+"))* ?)+'),
    "nft": re.compile(
        r"drop|ether (?:saddr|type) [a-z0-9 !={}:.,/]+ (?:drop|return)"
        r"|frag nexthdr \{ 0, 43, 44, 60 \} drop|meta l4proto != ipv6-icmp return"
        r"|icmpv6 type 133-137 exthdr frag exists drop"
        r"|(?:ip6 saddr :: )?icmpv6 type nd-neighbor-(?:advert|solicit) @th,[0-9]+,[0-9]+ [0-9a-fx !={},-]+ drop"
    ),
    "words": re.compile(rf"{_WORD}(?: {_WORD})*"),
}
_MAY_REPEAT = ("options", "hosts", "names")
"""An option's value is the tenant's; of a server's name a label is made, which the form of the line holds."""
_ORDERS = re.compile(r"(?:^| )(?:-[APFIDXNRZ]|-t|COMMIT|\*\S+)(?: |$)")
"""What a rule's text never holds: words that order something else."""


@dataclass
class Written:
    """Lines by the form that they must have, and what was left out."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, form: str, found: Iterable[str]) -> None:
        self.lines.setdefault(form, []).extend(found)

    def text(self, form: str, found: str) -> None:
        assert not found or found.endswith("\n")
        self.add(form, found.split("\n")[:-1])

    @property
    def everything(self) -> set[tuple[str, str]]:
        return {(form, line) for form, found in self.lines.items() for line in found}

    def odd(self) -> list[str]:
        """Lines that are not of their form."""
        bad = []
        for form, line in self.everything:
            wrong = form == "rule" and _ORDERS.search(line)
            if not FORMS[form].fullmatch(line) or not line.isascii() or not line.isprintable() or wrong:
                bad.append(f"{form}: {line!r:.300}")
            elif MARK in line and form not in _MAY_REPEAT:
                bad.append(f"{form} repeats the text: {line!r:.300}")
        return bad


def of_network(spec: Network, routed: frozenset[str] = frozenset()) -> Written:
    """dnsmasq's files and arguments, and the peers of the tunnel."""
    taken = intake.network(spec)
    found = Written(left_out=taken.left_out)
    spec = taken.spec
    if spec.dhcp is not None:
        found.text("hosts", leases.hosts(spec))
        found.text("names", leases.additional_hosts(spec))
        found.text("options", leases.options(spec, routed))  # type: ignore[arg-type]
        found.add("arguments", DhcpServers(Path("/run"))._arguments(spec, Path("/run/x")))
        found.add("words", (f"{texts.address(each.ip)}/{each.prefix}" for each in spec.dhcp.addresses))
    found.add("words", (str(texts.address(peer)) for peer in spec.peers))
    return found


def of_router(spec: Router) -> Written:
    """The tables, routes and addresses of a router."""
    taken = intake.router(spec)
    found = Written(left_out=taken.left_out)
    spec = taken.spec
    found.text("iptables", nat.render(spec))
    found.add("words", (" ".join([where, *way]) for where, way in router.routes(spec).items()))
    legs = [*spec.ports, *([spec.gateway] if spec.gateway else [])]
    found.add("words", (f"{leg.port_id} {each.ip}/{each.prefix}" for leg in legs for each in leg.addresses))
    found.add("words", (f"{leg.port_id} {leg.mac}" for leg in legs))
    return found


def of_group(spec: SecurityGroup) -> Written:
    """The rules and the sets of a group."""
    taken = intake.group(spec)
    found = Written(left_out=taken.left_out)
    for rule in taken.spec.rules:
        found.add("rule", [rules.rule_line(rule, 4 if rule.ethertype == "IPv4" else 6)])
    for version in (4, 6):
        found.add("words", groupsets.members(taken.spec.members, version))
    return found


def of_guest(spec: Guest, groups: Mapping[str, SecurityGroup]) -> Written:
    """The domain of a guest, whose XML is looked at here, and the filters of ports that stand in it."""
    within = Within()
    kept = intake.guest(within.taken_out(spec.id, spec))
    spec = kept.spec
    found = Written(left_out=list(kept.left_out))
    for port in within.every().values():
        filters = of_port(port, groups)
        found.left_out += filters.left_out
        for form, lines in filters.lines.items():
            found.add(form, lines)
    domain.check(spec)
    place = domain.Place("owner", Path("/state/x"), Path("/state/x.sock"), users.User(7, 7))
    xml = domain.render(spec, place, domain.Boot([Disk(Path("/state/disk"), "qcow2")]))
    assert "\n" not in xml
    root = ET.fromstring(xml)
    assert not [node.tag for node in root.iter() if MARK in node.tag]
    assert len(root.findall("devices/interface")) == len(spec.ports)
    return found


def of_port(spec: Port, groups: Mapping[str, SecurityGroup]) -> Written:
    """The filters of a port."""
    found = Written(left_out=intake.card(spec))
    if found.left_out:
        return found
    taken = intake.interface(spec.interface)
    found.left_out += taken.left_out
    port = rules.render(taken.spec, intake.Groups(groups))
    for version in (4, 6):
        found.add("rule", (line for chain in port.chains(version).values() for line in chain))
    found.add("nft", port.spoof or [])
    return found


def of_items(items: Iterable[Item]) -> list[Written]:
    """All of a host, after its way over the link."""
    specs: dict[str, dict[str, Any]] = {}
    for item in items:
        sent = msgspec.json.decode(msgspec.json.encode(item), type=Item)
        specs.setdefault(item.kind, {})[item.ref] = formats.read(sent.kind, sent.format, sent.spec)
    groups = specs.get("security_group", {})
    found = [of_network(spec) for spec in specs.get("network", {}).values()]
    found += [of_router(spec) for spec in specs.get("router", {}).values()]
    found += [of_group(spec) for spec in groups.values()]
    found += [of_port(spec, groups) for spec in specs.get("port", {}).values()]
    return found + [of_guest(spec, groups) for spec in specs.get("guest", {}).values()]
