"""Text of a request that may reach a host: addresses, prefixes, MAC addresses, names, DHCP options, numbers.

One parser for both ends of the link. The controller's services ask it when a request comes in, the node asks it again
before a value becomes part of a command, a rule or a file, so neither takes what the other refuses. What a function
answers is canonical text (or a value that has only one spelling); ValueError says what is wrong in one short line.
Must never take a control character, a character outside ASCII, an IPv6 scope id, or white space around a value.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58, "igmp": 2, "ip": 0,
    "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
    "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136,
    "vrrp": 112,
}  # fmt: skip
"""IP protocols by the names that Neutron takes. 0 stands for every protocol."""

NAME_LIMIT = 255
"""Characters of a domain name, and of a DHCP option's value (RFC 2132: one octet says the length)."""

OPTION_LIMIT = 64
"""Characters of a DHCP option's name at the API, as Neutron has it."""

MAY_BE_EMPTY = ("router", "classless-static-route")
"""DHCP options that are said to be empty: clients are told that there is none."""

MOST_OPTIONS = 100
"""DHCP options of one port. dnsmasq goes through all of a network's for each answer."""

_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}")
_LENGTH = re.compile(r"[0-9]{1,3}")
_MASK = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_MAC = re.compile(
    r"[0-9a-fA-F]{1,2}([:-])[0-9a-fA-F]{1,2}(?:\1[0-9a-fA-F]{1,2}){4}"
    r"|[0-9a-fA-F]{1,4}([.:-])[0-9a-fA-F]{1,4}\2[0-9a-fA-F]{1,4}"
    r"|[0-9a-fA-F]{6}[:-]?[0-9a-fA-F]{6}"
)
_NO_MAC = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9+-]{0,63}")
_OPTION_NUMBER = re.compile(r"[1-9][0-9]{0,2}")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no line of configuration holds: control characters (but tabs), and what some program takes for a line's end."""
_FIT = bytes([*b"\t\n", *range(0x20, 0x7F)])


def shown(value: object) -> str:
    """A refused value as errors repeat it: escaped, and no longer than a line."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


# ---- addresses


def address(text: object) -> IPAddress:
    """An IPv4 or IPv6 address without a scope."""
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
        raise ValueError(f"not an IP address: {shown(text)}")
    return ipaddress.ip_address(text)


def prefix(text: object) -> IPNetwork:
    """A CIDR such as ``10.0.0.0/24``; bits of the host are dropped. A mask in place of the length is none."""
    first, slash, length = text.partition("/") if isinstance(text, str) else ("", "", "")
    if not slash or not _ADDRESS.fullmatch(first) or not _LENGTH.fullmatch(length):
        raise ValueError(f"not an IP prefix: {shown(text)}")
    return ipaddress.ip_network(text, strict=False)  # type: ignore[arg-type]


def interface(text: object) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """An address with the length of its prefix, a mask in place of the length (IPv4), or neither, which is all of it:
    what netaddr reads as a network. Its `network` has no bits of the host."""
    first, slash, length = text.partition("/") if isinstance(text, str) else ("", "", "")
    found = address(first)
    if slash and not _LENGTH.fullmatch(length) and not (found.version == 4 and _MASK.fullmatch(length)):
        raise ValueError(f"not an IP prefix: {shown(text)}")
    return ipaddress.ip_interface(text)  # type: ignore[arg-type]


def network(text: object) -> IPNetwork:
    """A CIDR, or a single address as a network of one."""
    if isinstance(text, str) and "/" in text:
        return prefix(text)
    return ipaddress.ip_network(address(text))


def of_version(text: object, version: int) -> IPAddress:
    """An address of IP `version` 4 or 6."""
    found = address(text)
    if found.version != version:
        raise ValueError(f"not an IPv{version} address: {found}")
    return found


def hardware(text: object) -> str:
    """A MAC address in lower case with colons, given in any usual spelling; neither zero nor everybody's.

    It may be a group's, which Neutron takes for a port. No device can have it: what lives by an address asks `mac`.
    """
    if not isinstance(text, str) or not _MAC.fullmatch(text):
        raise ValueError(f"not a MAC address: {shown(text)}")
    parts = re.split("[.:-]", text.lower())
    digits = "".join(part.zfill(12 // len(parts)) for part in parts)
    found = ":".join(digits[at : at + 2] for at in range(0, 12, 2))
    if found in _NO_MAC:
        raise ValueError(f"not a MAC address of a device: {found}")
    return found


def mac(text: object) -> str:
    """A MAC address that one device can have, in lower case with colons: no group's."""
    found = hardware(text)
    if int(found[:2], 16) & 1:
        raise ValueError(f"not a MAC address of one device: {found}")
    return found


# ---- names


def uuid(text: object) -> str:
    """A UUID in lower case with dashes, as ids of resources are; it becomes part of names and paths."""
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise ValueError(f"not a UUID: {shown(text)}")
    return text


def label(text: object) -> str:
    """One label of a domain name (RFC 1123)."""
    if not isinstance(text, str) or not _LABEL.fullmatch(text):
        raise ValueError(f"not a label of a domain name: {shown(text)}")
    return text


def domain(text: object) -> str:
    """A domain or host name of such labels, perhaps with one dot at its end, as it was given."""
    if not isinstance(text, str) or len(text) > NAME_LIMIT:
        raise ValueError(f"not a domain name: {shown(text)}")
    for part in text.removesuffix(".").split("."):
        label(part)
    return text


def option_name(text: object) -> str:
    """A DHCP option: a number from 1 to 255, or a name as dnsmasq has them, as it was given.

    Names are not compared with a list: versions of dnsmasq know different ones, and skip those that they do not know.
    """
    if not isinstance(text, str) or not (
        _OPTION.fullmatch(text) or (_OPTION_NUMBER.fullmatch(text) and int(text) <= 255)
    ):
        raise ValueError(f"not a DHCP option: {shown(text)}")
    return text


def option_value(text: object) -> str:
    """The value of a DHCP option: 1 to 255 printable characters of ASCII, and not only spaces.

    dnsmasq reads its files in pieces of a kilobyte: longer in bytes, the end of a value would be a line of its own.
    """
    if not isinstance(text, str) or not text.strip(" ") or len(text) > NAME_LIMIT or not _PRINTABLE.fullmatch(text):
        raise ValueError(f"not a DHCP option's value: {shown(text)}")
    return text


def said_option(name: object, value: object) -> tuple[str, str]:
    """A DHCP option as the API takes and keeps it: each of one printable line. Whether a DHCP server can be told so is
    for `option_name` and `option_value` to say, and what it cannot be told is left out."""
    for text, most in ((name, OPTION_LIMIT), (value, NAME_LIMIT)):
        if not isinstance(text, str) or len(text) > most or not text.isprintable():
            raise ValueError(f"not a part of a DHCP option: {shown(text)}")
        if not text.strip() and not (text is value and name in MAY_BE_EMPTY):
            raise ValueError(f"not a part of a DHCP option: {shown(text)}")
    return str(name), str(value)


# ---- numbers


def whole(value: object, least: int | None = None, most: int | None = None) -> int:
    """A whole number, given as one or in ASCII digits."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"not a whole number: {shown(value)}")
    if (least is not None and value < least) or (most is not None and value > most):
        raise ValueError(f"{shown(value)} is not between {least} and {most}")
    return value


def protocol(value: object) -> int:
    """The number of an IP protocol, given by name (in either case) or number."""
    if isinstance(value, str) and value.isascii() and value.lower() in PROTOCOLS:
        return PROTOCOLS[value.lower()]
    try:
        return whole(value, 0, 255)
    except ValueError:
        raise ValueError(f"not an IP protocol: {shown(value)}") from None


# ---- lines


def line(text: str) -> str:
    """The text itself when it is one line of printable ASCII; what a node writes is made of such lines."""
    if not _PRINTABLE.fullmatch(text):
        raise ValueError(f"not a line of printable ASCII: {shown(text)}")
    return text


def lines(found: Iterable[str]) -> str:
    """These lines, each ended; ValueError when one of them holds the end of a line or a control character.

    Letters beyond ASCII may pass: rules of other programs are carried over as they are.
    """
    listed = list(found)
    text = "\n".join([*listed, ""])
    if text.count("\n") != len(listed) or not plain(text):
        bad = next((each for each in listed if "\n" in each or not plain(each)), "")
        raise ValueError(f"a line with a control character: {shown(bad)}")
    return text


def plain(text: str) -> bool:
    """Whether a text holds no control character but ends of lines and tabs."""
    if text.isascii():  # tables are long: a pattern would take ten times as long to look at each letter
        return not text.encode().translate(None, _FIT)
    return not _UNFIT.search(text)
