"""Names fit the kernel's limits, and no value a tenant chooses becomes another line or option."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.desired.addresses import Address
from cumulet.desired.port import Interface
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.node.net import names, rules

IDS = st.uuids().map(str)
GOOD = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"


@given(IDS, st.integers(1, (1 << 24) - 1))
def test_names_fit(identifier: str, vni: int) -> None:
    makers = [names.bridge, names.tap, names.dhcp_device, names.router_device, names.gateway_device]
    makers += [names.host_leg, names.host_leg_peer]
    assert all(len(make(identifier)) <= 15 for make in makers) and len(names.vxlan(vni)) <= 15
    chains = [names.chain_in, names.chain_out, names.chain_spoof]
    assert all(len(make(identifier)) <= 28 for make in chains)
    assert len(names.group_set(identifier, 4)) == 29
    assert names.bridge(identifier) == "brq" + identifier[:11]


@pytest.mark.parametrize("bad", ["", "../../etc", "A" * 36, GOOD.upper(), GOOD + "\n"])
def test_only_ids_become_names(bad: str) -> None:
    with pytest.raises(ValueError, match="not a UUID"):
        names.tap(bad)


@given(
    st.builds(
        Rule,
        id=IDS,
        direction=st.sampled_from(["ingress", "egress"]),
        ethertype=st.sampled_from(["IPv4", "IPv6"]),
        protocol=st.none() | st.sampled_from(["tcp", "udp", "icmp", "6", "sctp", "vrrp"]) | st.text(max_size=20),
        port_range_min=st.none() | st.integers(-5, 70000),
        port_range_max=st.none() | st.integers(-5, 70000),
        remote_ip_prefix=st.none() | st.sampled_from(["10.0.0.0/8", "::/0", "0.0.0.0/0"]) | st.text(max_size=20),
        remote_group_id=st.none() | IDS,
    )
)
def test_a_rule_is_one_line_or_refused(rule: Rule) -> None:
    iface = Interface(
        port_id=str(uuid.uuid4()),
        network_id=str(uuid.uuid4()),
        mac="fa:16:3e:00:00:05",
        addresses=[Address(ip="10.0.0.5", subnet_id=str(uuid.uuid4()), prefix=24)],
        security_groups=["g"],
    )
    try:
        found = rules.render(iface, {"g": SecurityGroup(id="g", rules=[rule])})
    except ValueError:
        return
    for chain in (*found.v4, *found.v6, found.spoof or []):
        for line in chain:
            assert "\n" not in line and line.count(" -j ") + line.startswith("-j ") <= 1


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (Rule(id="r", direction="ingress", protocol="icmp"), "-p icmp -j RETURN"),
        (
            Rule(id="r", direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22),
            "-p tcp -m tcp --dport 22 -j RETURN",
        ),
        (
            Rule(
                id="r",
                direction="ingress",
                protocol="udp",
                port_range_min=1,
                port_range_max=9,
                remote_ip_prefix="10.1.2.3/8",
            ),
            "-s 10.0.0.0/8 -p udp -m multiport --dports 1:9 -j RETURN",
        ),
        (
            Rule(id="r", direction="egress", protocol="icmp", port_range_min=8, port_range_max=0),
            "-p icmp -m icmp --icmp-type 8/0 -j RETURN",
        ),
        (Rule(id="r", direction="egress", remote_ip_prefix="0.0.0.0/0"), "-j RETURN"),
    ],
)
def test_rules_as_the_guides_show_them(rule: Rule, line: str) -> None:
    assert rules.rule_line(rule, 4) == line
