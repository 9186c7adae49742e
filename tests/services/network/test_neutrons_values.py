"""Values that Neutron's validators take (neutron_lib/api/validators, converters, definitions; neutron/extensions), each
generated as a class: what is taken here, how it comes back, and what a node makes of it."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cumulet.services.network import door
from cumulet.services.network.extensions import binding
from cumulet.services.network.extensions.allowed_address_pairs import address_pair
from cumulet.services.network.extensions.extra_dhcp_opt import dhcp_option
from cumulet.services.network.extensions.security_group import SECURITY_GROUP_RULE
from cumulet.services.network.wire import attributes, routers, subnets
from tests import node_side
from tests.services.network.conftest import Cloud

RELAXED = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


# ---- fixed_ips


@RELAXED
@given(seed=st.integers(0, 2**32))
def test_several_addresses_of_a_subnet(cloud: Cloud, seed: int) -> None:
    """`validate_fixed_ips`: "Duplicate subnet_id's are legitimate". They come in their order, none twice, and an update
    that asks for the same keeps them."""
    dice = random.Random(seed)
    number = dice.randrange(1, 250)
    network, subnet = cloud.network(cidr=f"10.243.{number}.0/28")
    free = [f"10.243.{number}.{last}" for last in range(2, 15) if last != 2]
    asked: list[dict[str, Any]] = [{"subnet_id": subnet["id"]} for _ in range(dice.randrange(2, 6))]
    for ip in dice.sample(free, dice.randrange(0, 4)):
        asked.insert(dice.randrange(len(asked) + 1), {"ip_address": ip, **({"subnet_id": subnet["id"]} if ip else {})})
    port = cloud.make("port", network_id=network["id"], fixed_ips=asked)
    got = [each["ip_address"] for each in port["fixed_ips"]]
    assert len(set(got)) == len(asked)
    assert all(want.get("ip_address", ip) == ip for want, ip in zip(asked, got, strict=True))
    again = {"port": {"fixed_ips": [{"subnet_id": subnet["id"], "unknown": 1}] * len(asked)}}
    after = cloud.call("PUT", f"ports/{port['id']}", again, status=200)["port"]
    assert after["fixed_ips"] == port["fixed_ips"]
    assert cloud.call("DELETE", f"ports/{port['id']}", status=204) is None


def test_more_than_there_are(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.242.0.0/29")
    for most, status in ((5, 409), (4, 201)):  # the gateway's and the DHCP server's are not to be had
        body = {"port": {"network_id": network["id"], "fixed_ips": [{"subnet_id": subnet["id"]}] * most}}
        answer = cloud.call("POST", "ports", body, status=status)
        assert status == 201 or answer["NeutronError"]["type"] == "IpAddressGenerationFailure"


def test_no_address_twice_and_none_of_nothing(cloud: Cloud) -> None:
    network, subnet = cloud.network(cidr="10.241.0.0/24")
    ip = "10.241.0.9"
    bad: list[list[dict[str, Any]]] = [[{"ip_address": ip}, {"ip_address": ip, "subnet_id": subnet["id"]}], [{}]]
    for fixed in bad:
        cloud.refused("POST", "ports", {"port": {"network_id": network["id"], "fixed_ips": fixed}}, 400)


# ---- MAC addresses

DIGITS = st.text("0123456789abcdefABCDEF", min_size=12, max_size=12)


def spellings(digits: str) -> Iterator[str]:
    """Those of netaddr's `RE_MAC_FORMATS`."""
    for sign in ":-":
        yield sign.join(digits[at : at + 2] for at in range(0, 12, 2))
        yield sign.join(digits[at : at + 2].lstrip("0") or "0" for at in range(0, 12, 2))
        yield sign.join(digits[at : at + 6] for at in (0, 6))
    for sign in ":-.":
        yield sign.join(digits[at : at + 4] for at in (0, 4, 8))
        yield sign.join(digits[at : at + 4].lstrip("0") or "0" for at in (0, 4, 8))
    yield digits


@given(DIGITS)
def test_every_spelling_of_a_mac_address(digits: str) -> None:
    plain = ":".join(digits.lower()[at : at + 2] for at in range(0, 12, 2))
    for text in spellings(digits):
        if plain in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"):
            with pytest.raises(attributes.Refused, match="is not a valid MAC address"):
                attributes.mac_address(text)
        else:
            assert attributes.mac_address(text) == plain


@pytest.mark.parametrize(
    "text", ["", "11:22:33:44:55", "11:22:33:44:55:66:77", "11:22:33:44:55:6g", "11:22:33:44:55-66"]
)
@pytest.mark.parametrize("end", ["", "\n", " "])
def test_what_is_no_mac_address(text: str, end: str) -> None:
    with pytest.raises(attributes.Refused):
        attributes.mac_address(text + end)


def test_a_group_s_mac_address_hurts_its_port_alone(cloud: Cloud) -> None:
    """Neutron takes it for a port (and for no address pair). No interface can have it."""
    network, _ = cloud.network(cidr="10.240.0.0/24")
    bad = cloud.make("port", network_id=network["id"], mac_address="11-22-33-44-55-66")
    good = cloud.make("port", network_id=network["id"])
    assert bad["mac_address"] == "11:22:33:44:55:66"
    pairs = [{"ip_address": "10.0.0.1", "mac_address": "11:22:33:44:55:66"}]
    cloud.refused("POST", "ports", {"port": {"network_id": network["id"], "allowed_address_pairs": pairs}}, 400)
    with cloud.db.read() as tx:
        spec = door.RENDERERS["network"](tx, cloud.links[0], [network["id"]])[network["id"]]
    written = node_side.of_network(spec)  # type: ignore[arg-type]
    assert [line.split(":")[0] for line in written.left_out] == ["DHCP host left out"]
    macs = {line.split(",")[0] for line in written.lines["hosts"]}
    assert good["mac_address"] in macs and bad["mac_address"] not in macs


# ---- DHCP options

PRINTABLE = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"], include_characters=" "), min_size=1)
NAMES = st.one_of(st.sampled_from(["test_option_1", "Foo", "9999", "router", "tftp server", "ñ", "a" * 64]), PRINTABLE)


@RELAXED
@given(st.lists(st.tuples(NAMES, PRINTABLE), min_size=1, max_size=8, unique_by=lambda each: each))
def test_dhcp_options_that_no_server_knows(cloud: Cloud, options: list[tuple[str, str]]) -> None:
    """Any line that is not blank (`EXTRA_DHCP_OPT_KEY_SPECS`); a node leaves out what it cannot tell."""
    wanted = [(name[:64], value[:255]) for name, value in options if name[:64].strip() and value[:255].strip()]
    wanted = list(dict.fromkeys(wanted))
    said = [{"opt_name": name, "opt_value": value, "ip_version": 4} for name, value in wanted]
    network, _ = cloud.network(cidr="10.239.0.0/24")
    port = cloud.make("port", network_id=network["id"], extra_dhcp_opts=said)
    assert port["extra_dhcp_opts"] == said
    with cloud.db.read() as tx:
        spec = door.RENDERERS["network"](tx, cloud.links[0], [network["id"]])[network["id"]]
    written = node_side.of_network(spec)  # type: ignore[arg-type]
    assert written.odd() == []
    left = [line for line in written.left_out if line.startswith(f"DHCP option of port {port['id']} left out")]
    told = [line for line in written.lines["options"] if f"port-{port['id']}" in line]
    assert len(left) + len(told) == len(said) and len(left) == len(written.left_out)
    cloud.call("DELETE", f"ports/{port['id']}", status=204)


@pytest.mark.parametrize("name", ["router", "classless-static-route"])
def test_options_that_are_empty(cloud: Cloud, name: str) -> None:
    """`VALID_BLANK_EXTRA_DHCP_OPTS`: clients are told that there is none."""
    network, _ = cloud.network(cidr="10.238.0.0/24")
    option = {"opt_name": name, "opt_value": "", "ip_version": 4}
    port = cloud.make("port", network_id=network["id"], extra_dhcp_opts=[option])
    assert port["extra_dhcp_opts"] == [option]
    with cloud.db.read() as tx:
        spec = door.RENDERERS["network"](tx, cloud.links[0], [network["id"]])[network["id"]]
    written = node_side.of_network(spec)  # type: ignore[arg-type]
    assert f"tag:port-{port['id']},option:{name}" in written.lines["options"] and written.left_out == []


# ---- networks in numbers


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_subnets_routes_and_pairs_in_every_spelling(ip: Any, bits: int) -> None:
    """netaddr reads a mask, an address alone, and bits of the host. A subnet's CIDR loses those, a route's
    destination must have none, a pair keeps them."""
    both = ipaddress.ip_interface(f"{ip}/{bits}")
    net = both.network
    for text in (f"{ip}/{bits}", f"{ip}/{net.netmask}"):
        assert attributes.subnet(text) == str(net)
        assert SECURITY_GROUP_RULE.attributes["remote_ip_prefix"].convert(text) == str(net)
    assert attributes.subnet(str(ip)) == f"{ip}/32"
    assert address_pair({"ip_address": f"{ip}/{bits}"}) == {"ip_address": str(both)}
    for text in (f"{net.network_address}/{net.netmask}", str(net)):
        wish = {"destination": text, "nexthop": "10.0.0.1"}
        if net.network_address.is_loopback:
            with pytest.raises(attributes.Refused, match="not a routable CIDR"):
                attributes.route(wish)
        else:
            assert attributes.route(wish) == {"destination": str(net), "nexthop": "10.0.0.1"}
    if net.network_address != ip:
        with pytest.raises(attributes.Refused):
            attributes.route({"destination": str(both), "nexthop": "10.0.0.1"})


# ---- words and numbers

TRUE, FALSE = ["1", "t", "true", "on", "y", "yes"], ["0", "f", "false", "off", "n", "no"]


@given(st.sampled_from(TRUE + FALSE), st.sampled_from([str.lower, str.upper, str.title]), st.sampled_from(["", " "]))
def test_yes_and_no(word: str, case: Any, space: str) -> None:
    """oslo.utils' `bool_from_string`."""
    assert attributes.boolean(space + case(word) + space) is (word in TRUE)


@pytest.mark.parametrize("value", [4, "4", 4.0])
def test_whole_numbers(value: Any) -> None:
    assert subnets.SUBNET.attributes["ip_version"].convert(value) == 4
    option = {"opt_name": "a", "opt_value": "b", "ip_version": value}
    assert dhcp_option(option) == {"opt_name": "a", "opt_value": "b", "ip_version": 4}


@pytest.mark.parametrize("value", [4.5, "x", True, None, [4], "4\n"])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(attributes.Refused):
        subnets.SUBNET.attributes["ip_version"].convert(value)


def test_a_router_s_outer_addresses(cloud: Cloud) -> None:
    """`external_fixed_ips` is checked as `fixed_ips` is."""
    subnet_id = "11111111-1111-4111-8111-111111111111"
    value = {"network_id": subnet_id, "external_fixed_ips": [{"subnet_id": subnet_id}, {"subnet_id": subnet_id}]}
    assert routers.gateway_info(value) == value
    with pytest.raises(attributes.Refused, match="Duplicate IP address"):
        routers.gateway_info({**value, "external_fixed_ips": [{"ip_address": "10.0.0.1"}] * 2})


@pytest.mark.parametrize("kind", binding.VNIC_TYPES)
def test_kinds_of_cards(cloud: Cloud, kind: str) -> None:
    network, _ = cloud.network(cidr="10.237.0.0/24")
    made = cloud.make("port", network_id=network["id"], **{"binding:vnic_type": kind})
    assert made["binding:vnic_type"] == kind
