"""The one parser: what it takes is canonical and harmless, and the API takes nothing that a node refuses."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.desired import texts
from cumulet.desired.addresses import Address, Route
from cumulet.desired.network import DhcpHost
from cumulet.desired.security_group import Rule
from cumulet.http.faults import Fault
from cumulet.node.net import intake, leases, rules
from cumulet.services.network.extensions.allowed_address_pairs import address_pair
from cumulet.services.network.extensions.dns_integration import dns_name
from cumulet.services.network.extensions.extra_dhcp_opt import dhcp_option
from cumulet.services.network.model.security_group_rules import NOUN as RULES
from cumulet.services.network.wire import security_groups, subnets
from cumulet.services.network.wire.attributes import Refused, ip_address, mac_address, route, subnet
from tests import hostile_texts

ODD = st.sampled_from([*hostile_texts.SUFFIXES, *hostile_texts.WHOLE[:-4]])
VALID = st.one_of(
    st.ip_addresses().map(str),
    st.builds(lambda ip, bits: f"{ip}/{bits}", st.ip_addresses(), st.integers(0, 128)),
    st.from_regex(r"\A[0-9a-fA-F]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}\Z"),
    st.from_regex(r"\A[A-Za-z0-9-]{1,20}(\.[a-z0-9-]{1,5}){0,3}\.?\Z"),
    st.integers(-5, 70000).map(str),
    st.sampled_from(["tcp", "ICMP", "ipv6-icmp", "hopopt", "any", "IPv6", "router", "nis+-domain"]),
)
TEXTS = st.one_of(VALID, st.builds(lambda a, b: a + b, VALID, ODD), ODD, st.text(max_size=30))
TAKEN: list[Callable[[Any], Any]] = [
    texts.address,
    texts.prefix,
    texts.network,
    texts.mac,
    texts.uuid,
    texts.domain,
    texts.option_name,
    texts.option_value,
    texts.whole,
    texts.protocol,
]


@pytest.mark.parametrize("parse", TAKEN)
@given(text=TEXTS)
def test_what_is_taken_is_one_line_and_stays_what_it_is(parse: Callable[[Any], Any], text: str) -> None:
    try:
        found = str(parse(text))
    except ValueError as error:
        assert len(str(error)) < 300 and str(error).isascii() and str(error).isprintable()
        return
    assert (found.isascii() and found.isprintable() and found.strip() == found) or parse is texts.option_value
    assert "%" not in found or parse is texts.option_value
    if parse is not texts.protocol:
        assert str(parse(found)) == found


@pytest.mark.parametrize("parse", TAKEN)
@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, b"1.2.3.4"])
def test_what_is_no_text_is_refused(parse: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse(value)


def test_forms() -> None:
    assert str(texts.address("FD00::1")) == "fd00::1"
    assert str(texts.network("10.1.2.3/8")) == "10.0.0.0/8" and str(texts.network("::1")) == "::1/128"
    assert texts.mac("FA-16-3E-00-00-01") == "fa:16:3e:00:00:01"
    assert texts.protocol("TCP") == texts.protocol(6) == texts.protocol("6") == 6
    assert texts.option_name("255") == "255" and texts.domain("a.b.") == "a.b."
    for refused in ("0", "256", "9999", "router\n", "", "-a", "a" * 65):
        with pytest.raises(ValueError, match="DHCP option"):
            texts.option_name(refused)
    for mac in ("00:00:00:00:00:00", "01:00:5e:00:00:01", "fa:16-3e:00:00:01", "fa:16:3e:00:00"):
        with pytest.raises(ValueError, match="MAC"):
            texts.mac(mac)


def test_lines() -> None:
    assert texts.lines(["a", 'b "\u00fc"\t']) == 'a\nb "\u00fc"\t\n' and texts.lines([]) == ""
    for bad in ("a\nb", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"):
        with pytest.raises(ValueError, match="control character"):
            texts.lines(["fine", f"x{bad}y"])
        with pytest.raises(ValueError, match="printable"):
            texts.line(f"x{bad}")


# ---- the API takes nothing that a node refuses

_PORT = str(uuid.UUID(int=5))


def _accepted(convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except (Refused, Fault):
        return None


@given(TEXTS)
def test_addresses_that_the_api_takes_are_the_nodes(text: str) -> None:
    if (found := _accepted(ip_address, text)) is not None:
        assert str(texts.address(found)) == found
    if (found := _accepted(subnet, text)) is not None:
        assert str(texts.prefix(found)) == found == str(ipaddress.ip_network(found))
    if (found := _accepted(mac_address, text)) is not None:
        assert texts.hardware(found) == found
    if (found := _accepted(subnets.nameserver, text)) is not None:
        assert str(texts.address(found)) == found
    if (found := _accepted(address_pair, {"ip_address": text, "mac_address": "fa:16:3e:00:00:01"})) is not None:
        assert str(rules.network(found["ip_address"]))


@given(TEXTS, TEXTS)
def test_dhcp_options_that_the_api_takes_are_the_nodes_or_left_out(name: str, value: str) -> None:
    found = _accepted(dhcp_option, {"opt_name": name, "opt_value": value})
    if found is not None:
        options = [("server-ip-address", "10.0.0.9"), (found["opt_name"], found["opt_value"])]
        host = DhcpHost(port_id=_PORT, mac="fa:16:3e:00:00:01", hostname="h", addresses=[], extra_opts=options)
        out: list[str] = []
        kept = intake._host(host, out).extra_opts
        assert len(kept) + len(out) == 2 and options[0] in kept
        for line in (leases.option_line(host, *each) for each in kept):
            assert line.isascii() and line.isprintable() and len(line) < leases.LINE_BYTES


@given(TEXTS)
def test_names_that_the_api_takes_are_the_nodes(name: str) -> None:
    if found := _accepted(dns_name, name):
        assert texts.domain(found) == found


@given(TEXTS, TEXTS)
def test_routes_that_the_api_takes_are_the_nodes(destination: str, nexthop: str) -> None:
    found = _accepted(route, {"destination": destination, "nexthop": nexthop})
    if found is not None:
        intake._check_route(Route(**found))


_RULE_PARTS = {
    "direction": st.sampled_from(["ingress", "egress"]),
    "ethertype": st.sampled_from(["IPv4", "IPv6", "ipv6"]),
    "protocol": st.none()
    | st.sampled_from([*texts.PROTOCOLS, "any", "TCP"])
    | st.integers(-1, 260)
    | st.integers(-1, 260).map(str),
    "port_range_min": st.none() | st.integers(-1, 70000) | st.integers(0, 300) | st.integers(0, 300).map(str),
    "port_range_max": st.none() | st.integers(-1, 70000) | st.integers(0, 300),
    "remote_ip_prefix": st.none() | TEXTS | st.sampled_from(["10.0.0.0/8", "::/0", "fd00::1", "0.0.0.0/0"]),
    "remote_group_id": st.none() | st.just(_PORT),
}


@given(st.fixed_dictionaries(_RULE_PARTS))
def test_rules_that_the_api_takes_are_the_nodes(body: dict[str, Any]) -> None:
    try:
        found = RULES.resource.accept({**body, "security_group_id": _PORT}, creating=True)
        security_groups.check_rule(found)
    except Fault:
        return
    fields = {name: found[name] for name in _RULE_PARTS}
    line = rules.rule_line(Rule(id=_PORT, **fields), 4 if found["ethertype"] == "IPv4" else 6)
    assert texts.line(line).endswith("-j RETURN") and line.count(" -j ") + line.startswith("-j ") == 1


def test_an_address_of_a_port_has_a_length_that_fits() -> None:
    with pytest.raises(ValueError, match="prefix"):
        intake._check_address(Address(ip="10.0.0.1", subnet_id=_PORT, prefix=33))
