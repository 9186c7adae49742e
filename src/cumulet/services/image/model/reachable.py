"""Which addresses are of the public Internet: where a URL of a tenant's may lead.

The lists are IANA's registries of special-purpose addresses (RFC 6890), by hand: Python's own differ between its
releases. Of IPv6 only what is given to networks (2000::/3) counts at all. It must never look anything up.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SPECIAL_V4 = [
    ipaddress.IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by a carrier's customers (RFC 6598)
        "127.0.0.0/8",  # this machine
        "169.254.0.0/16",  # this link, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4, withdrawn (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # measuring of networks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # groups
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
_GIVEN_V6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6 = [
    ipaddress.IPv6Network(each)
    for each in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, withdrawn (RFC 7526)
        "3fff::/20",  # documentation (RFC 9637)
    )
]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)

CLOUD_HOSTS: dict[str, str] = {
    "168.63.129.16": "Azure: the guest's host",
    "169.254.169.254": "metadata of most clouds",
    "169.254.170.2": "Amazon: credentials of a container",
    "100.100.100.200": "Alibaba: metadata",
    "192.0.0.192": "Oracle: metadata of its older cloud",
    "fd00:ec2::254": "Amazon: metadata",
    "fd20:ce::254": "Google: metadata",
    "fd00:42::42": "Scaleway: metadata",
    "fe80::a9fe:a9fe": "OpenStack: metadata",
}
"""Addresses at which clouds answer their guests with secrets: never fetched, be they public or not. Cumulet itself may
run in such a guest."""
_HOSTS = frozenset(ipaddress.ip_address(each) for each in CLOUD_HOSTS)


def is_public(address: Address) -> bool:
    """Whether an address, which is no wrapping of another (see `unwrapped`), is of the public Internet."""
    if address in _HOSTS:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _GIVEN_V6 and not any(address in network for network in _SPECIAL_V6)


def unwrapped(address: Address) -> Iterator[Address]:
    """What a packet to the address may reach in the end; each of them counts.

    That is the address itself and the IPv4 addresses that it carries (6to4, Teredo, ISATAP, IPv4-compatible and
    IPv4-translated form), or only the carried one (IPv4-mapped, NAT64), as the system then speaks IPv4 to it.
    """
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    low, number = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), int(address)
    if address.ipv4_mapped is not None or address in _NAT64:
        yield low
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    yield from address.teredo or ()
    if (number >> 32) & 0xFFFFFFFF in _ISATAP or (number >> 32 in (0, 0xFFFF0000) and number > 1):
        yield low
