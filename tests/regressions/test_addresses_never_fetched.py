"""Addresses that a tenant's URL never leads to (finding S19, case 11): by registry, in every wrapping, by name."""

from __future__ import annotations

import ipaddress

import pytest

from cumulet.services.image.model.fetching import Refused, Rules, allowed_addresses, judge
from cumulet.services.image.model.reachable import CLOUD_HOSTS

CHECKED = {
    "this network": ["0.0.0.0", "0.1.2.3"],
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"],
    "carrier": ["100.64.0.0", "100.127.255.255"],
    "this machine": ["127.0.0.1", "127.255.255.254", "::1", "::"],
    "link": ["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1"],
    "protocols": ["192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.255"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "relays of 6to4": ["192.88.99.0", "192.88.99.1", "192.88.99.255"],
    "measuring": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "groups": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.254", "255.255.255.255", "4000::1", "e000::1", "100::1", "5f00::1"],
    "site": ["fec0::1", "feff::1"],
    "unique local": ["fc00::1", "fd00::1", "fdff::1"],
    "Teredo of a public address": ["2001:0:5db8:d70e::a247:28f1"],
    "ORCHID": ["2001:10::1", "2001:20::1"],
    "6to4 of a public address": ["2002:5db8:d70e::1"],
    "NAT64 of one's own": ["64:ff9b:1::5db8:d70e", "64:ff9b:1:ffff::1"],
    "clouds": [*CLOUD_HOSTS, "168.63.129.16"],
}
PUBLIC = [
    "93.184.215.14", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.0", "192.88.98.255", "192.88.100.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a00:1450:4001::1", "2001:200::1", "64:ff9b::5db8:d70e",
    "::ffff:93.184.215.14",
]  # fmt: skip
V4 = [each for found in CHECKED.values() for each in found if ":" not in each]


def wrapped(inner: str) -> dict[str, str]:
    """The forms in which IPv6 carries an IPv4 address, under a prefix that is public where the form has one."""
    number = int(ipaddress.IPv4Address(inner))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    turned = number ^ 0xFFFFFFFF
    return {
        "mapped": f"::ffff:{inner}",
        "compatible": f"::{high}:{low}",
        "translated": f"::ffff:0:{inner}",
        "NAT64": f"64:ff9b::{high}:{low}",
        "NAT64 of one's own": f"64:ff9b:1::{high}:{low}",
        "6to4": f"2002:{high}:{low}::1",
        "Teredo": f"2001:0:5db8:d70e::{turned >> 16:x}:{turned & 0xFFFF:x}",
        "a Teredo server": f"2001:0:{high}:{low}::a247:28f1",
        "ISATAP": f"2606:2800:21f:cb07:0:5efe:{high}:{low}",
        "ISATAP, public": f"2606:2800:21f:cb07:200:5efe:{high}:{low}",
    }


def url(address: str) -> str:
    return f"http://[{address}]/disk" if ":" in address else f"http://{address}/disk"


def asked(address: str) -> None:
    """A URL with the address and a name that leads to it. Raises Refused."""
    refused = 0
    try:
        judge(url(address), Rules())
    except Refused:
        refused = 1
    rules = Rules(lookup=lambda _host, _port: ["93.184.215.14", address])
    try:
        allowed_addresses(judge("http://mirror.example/disk", rules), rules)
    except Refused:
        refused += 1
    assert refused in (0, 2), f"{address} is judged in two ways"
    if refused:
        raise Refused(address)


@pytest.mark.parametrize("kind", CHECKED)
def test_11_addresses_that_are_not_public(kind: str) -> None:
    """Finding S19, case 11."""
    for address in CHECKED[kind]:
        with pytest.raises(Refused):
            asked(address)


@pytest.mark.parametrize("inner", V4)
def test_11_addresses_in_every_wrapping(inner: str) -> None:
    """Finding S19, case 11."""
    for form, address in wrapped(inner).items():
        if form == "compatible" and inner == "0.0.0.0":
            continue
        with pytest.raises(Refused):
            asked(address)
            pytest.fail(f"{form}: {address}")


@pytest.mark.parametrize("address", PUBLIC)
def test_11_public_addresses_are_fetched(address: str) -> None:
    asked(address)


def test_11_a_zone_is_no_part_of_an_address() -> None:
    """Finding S1's class: what follows a per cent sign names a device of this machine."""
    for address in ("2606:2800:21f:cb07::1%25eth0", "2606:2800:21f:cb07::1%eth0", "fe80::1%25lo"):
        with pytest.raises(Refused):
            judge(url(address), Rules())


def test_11_what_the_operator_names_is_let_through() -> None:
    for address in ("168.63.129.16", "fec0::1", "198.18.0.1"):
        judge(url(address), Rules((address,)))
    with pytest.raises(Refused):
        judge(url("168.63.129.16"), Rules(("168.63.129.17", "10.0.0.0/8")))
