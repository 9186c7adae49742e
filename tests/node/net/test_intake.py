"""A node's own defence: whatever text stands in whatever field of desired state, it becomes no line, rule or option of
its own, and what is left out is at most the thing that it stands in.

The fields come from the shapes: one that `BASES` does not fill fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import cumulet
from cumulet.desired.addresses import Address, Route
from cumulet.desired.guest import BootImage, Guest, LooseImage
from cumulet.desired.kinds import Kind
from cumulet.desired.network import Dhcp, DhcpHost, Network, Subnet
from cumulet.desired.port import AddressPair, Plug, Port
from cumulet.desired.router import FloatingIp, Router, RouterPort
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.node.guest.errors import GuestError
from tests import node_side
from tests.hostile_texts import leaves, replaced, texts
from tests.node_side import Written


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def _addresses(last: int) -> list[Address]:
    return [
        Address(ip=f"10.0.0.{last}", subnet_id=uid(1), prefix=24),
        Address(ip=f"10.0.1.{last}", subnet_id=uid(2), prefix=24),
    ]


def _mac(last: int) -> str:
    return f"fa:16:3e:00:00:{last:02x}"


def _host(last: int) -> DhcpHost:
    options = [("bootfile-name", "a.pxe"), ("66", "10.0.0.9")]
    return DhcpHost(
        port_id=uid(last), mac=_mac(last), hostname=f"h{last}", addresses=_addresses(last), extra_opts=options
    )


def _subnet(number: int) -> Subnet:
    routes = [
        Route(destination="10.5.0.0/16", nexthop="10.0.0.7"),
        Route(destination="10.6.0.0/16", nexthop="10.0.0.8"),
    ]
    cidr = f"10.0.{number - 1}.0/24"
    return Subnet(
        id=uid(number),
        cidr=cidr,
        gateway_ip=cidr.replace("0/24", "1"),
        dns_nameservers=["10.0.0.3", "10.0.0.4"],
        host_routes=routes,
    )


def _leg(last: int) -> RouterPort:
    return RouterPort(port_id=uid(last), mac=_mac(last), network_id=uid(99), addresses=_addresses(last))


def _rule(number: int, **more: Any) -> Rule:
    return Rule(id=uid(number), direction="ingress", protocol="tcp", port_range_min=1, port_range_max=number, **more)


NETWORK = Network(
    id=uid(99),
    segmentation_id=5,
    physical_network="p",
    peers=["10.255.0.1", "10.255.0.2"],
    subnets=[_subnet(1), _subnet(2)],
    dhcp=Dhcp(port_id=uid(3), mac=_mac(3), addresses=_addresses(2), hosts=[_host(5), _host(6)], domain="example.org"),
)
ROUTER = Router(
    id=uid(98),
    ports=[_leg(5), _leg(6)],
    gateway=_leg(7),
    gateway_ip="10.0.0.1",
    floating_ips=[
        FloatingIp(id=uid(1), floating_ip="10.9.0.5", fixed_ip="10.0.0.5"),
        FloatingIp(id=uid(2), floating_ip="10.9.0.6", fixed_ip="10.0.0.6"),
    ],
    routes=[
        Route(destination="10.7.0.0/16", nexthop="10.0.0.7"),
        Route(destination="10.8.0.0/16", nexthop="10.0.0.8"),
    ],
)
GROUP = SecurityGroup(
    id=uid(97),
    rules=[
        _rule(22, remote_ip_prefix="10.0.0.0/8"),
        _rule(23, remote_group_id=uid(97)),
        Rule(id=uid(24), direction="egress", ethertype="IPv6", protocol="58", port_range_min=128, port_range_max=0),
    ],
    members=["10.0.0.5", "fd00::5"],
)
GUEST = Guest(
    id=uid(96),
    name="instance-0000002a",
    display_name="web",
    vcpus=1,
    memory_mb=64,
    simulated={"boot": "2s"},
    root_gb=1,
    image=BootImage(
        id=uid(95),
        disk_format="qcow2",
        size=1,
        os_hash_value="0" * 128,
        kernel=LooseImage(id=uid(94), size=1, os_hash_value="0" * 128),
        ramdisk=LooseImage(id=uid(93), size=1, os_hash_value="0" * 128),
        properties={"os_command_line": "quiet"},
    ),
    ports=[Plug(port_id=uid(number), network_id=uid(99), mac=_mac(number)) for number in (5,)],
    config_drive={"openstack/latest/meta_data.json": "{}"},
    project_id="p",
    user_id="u",
    flavor_name="m1.nano",
)
PORT = Port(
    id=uid(5),
    guest_id=uid(1),
    network_id=uid(99),
    mac=_mac(5),
    addresses=_addresses(5),
    security_groups=[uid(97)],
    allowed_address_pairs=[
        AddressPair(ip="10.3.0.0/16", mac=_mac(9)),
        AddressPair(ip="fd00::7", mac=_mac(5)),
    ],
)
BEFORE = msgspec.structs.replace(GUEST, ports=[], interfaces=[PORT.interface])
"""The guest in its format 1."""
BASES: dict[str, tuple[Any, Callable[[Any], Written]]] = {
    "network": (NETWORK, node_side.of_network),
    "router": (ROUTER, node_side.of_router),
    "security_group": (GROUP, node_side.of_group),
    "guest": (GUEST, lambda spec: node_side.of_guest(spec, {})),
    "port": (PORT, lambda spec: node_side.of_port(spec, {uid(97): GROUP})),
    "guest of before": (BEFORE, lambda spec: node_side.of_guest(spec, {uid(97): GROUP})),
}
_OF_GUESTS = {("image", "id"), ("project_id",), ("user_id",)}
WHOLE_ITEM = {
    # Without these there is no item at all: its id, what its devices are called by, what a guest boots from.
    "network": {("id",), ("kind",), ("dhcp", "port_id"), ("dhcp", "mac")},
    "router": {("id",)},
    "security_group": {("id",)},
    "guest": {
        ("id",),
        ("name",),
        ("ports", 0, "port_id"),
        ("ports", 0, "network_id"),
        ("ports", 0, "mac"),
        *_OF_GUESTS,
    },
    "port": {("id",), ("guest_id",), ("network_id",), ("mac",), ("security_groups", 0)},
    "guest of before": {("id",), ("name",), ("interfaces", 0, "port_id"), ("interfaces", 0, "network_id")}
    | {("interfaces", 0, "mac"), ("interfaces", 0, "security_groups", 0), *_OF_GUESTS},
}


def _unfilled(spec: Any, path: str = "") -> Iterator[str]:
    """Fields of a shape that hold nothing in the base, so that no text is tried in them. Records are no host's: nodes
    keep them for the controller, which `test_nodes_keep_records_and_read_none` holds."""
    for field in msgspec.structs.fields(spec):
        if field.name == "record":
            continue
        value = getattr(spec, field.name)
        here = f"{path}.{field.name}"
        if value is None or value == [] or value == {}:
            yield here
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, msgspec.Struct):
                yield from _unfilled(inner, here)


def test_every_kind_and_every_field_has_a_base() -> None:
    assert set(BASES) == {*get_args(Kind), "guest of before"}
    rules_of_both = {".rules.remote_ip_prefix", ".rules.remote_group_id", ".rules.protocol"}
    for kind, (spec, _) in BASES.items():
        other_form = {".ports", ".interfaces"}
        assert set(_unfilled(spec)) - rules_of_both - other_form == set(), kind


def test_nodes_keep_records_and_read_none() -> None:
    sources = (Path(cumulet.__file__).parent / "node").rglob("*.py")
    assert [path.name for path in sources if ".record" in path.read_text()] == []


@pytest.mark.parametrize("kind", BASES)
def test_the_bases_are_taken_whole(kind: str) -> None:
    spec, write = BASES[kind]
    found = write(spec)
    least = 0 if kind == "guest" else 5  # a guest is its domain alone, which `write` has looked at
    assert found.odd() == [] and found.left_out == [] and sum(map(len, found.lines.values())) >= least


@pytest.mark.parametrize("kind", BASES)
def test_a_text_in_desired_state_hurts_only_what_it_stands_in(kind: str) -> None:
    spec, write = BASES[kind]
    plain = msgspec.to_builtins(spec)
    for path, leaf in leaves(plain):
        if not isinstance(leaf, str):
            continue
        for text in texts(leaf):
            changed = _converted(type(spec), replaced(plain, path, text))
            if changed is None:  # the agent refuses the item, in words of its shape
                assert path in WHOLE_ITEM[kind] or path[-1] in ("direction", "ethertype"), path  # type: ignore[operator]
                continue
            try:
                found = write(changed)
            except (ValueError, GuestError) as error:
                assert path in WHOLE_ITEM[kind], (path, text[:50], error)  # type: ignore[operator]
                continue
            assert found.odd() == [], (path, text[:50])
            _others_remain(spec, path, write, found)


def _converted(shape: type, plain: Any) -> Any:
    try:
        return msgspec.convert(plain, shape)
    except msgspec.ValidationError:
        return None


_IN_ONE_LINE = ("ports", "interfaces", "addresses", "allowed_address_pairs", "security_groups")
"""What a port's lines say all at once, or a guest's domain."""


def _others_remain(spec: Any, path: tuple[Any, ...], write: Callable[[Any], Written], found: Written) -> None:
    """What would be written without the thing that the text stands in is written with it, too."""
    index = next((place for place, step in enumerate(path) if isinstance(step, int)), None)
    if index is None or path[0] in _IN_ONE_LINE:
        return
    plain = msgspec.to_builtins(spec)
    outer = plain
    for step in path[:index]:
        outer = outer[step]
    del outer[path[index]]
    without = write(msgspec.convert(plain, type(spec)))
    kept = {(form, line) for form, line in without.everything if form != "arguments" and "--to-source" not in line}
    assert kept <= found.everything, (path, kept - found.everything)
