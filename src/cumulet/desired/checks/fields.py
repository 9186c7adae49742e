"""Checks of what several kinds have: owners, names, routes, ports. Each raises ValueError."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cumulet.desired import texts
from cumulet.desired.addresses import Address, Route
from cumulet.desired.port import PortRecord
from cumulet.desired.records import Owner

_MOST_LETTERS = 255
_OWNER = re.compile(r"(?:[0-9A-Za-z][0-9A-Za-z._-]{0,63})?")


def named(*names: str | None) -> None:
    """Texts that can be names, each of one line."""
    for name in names:
        if name is not None and (len(name) > _MOST_LETTERS or "\n" in name):
            raise ValueError(f"not a name: {texts.shown(name)}")


def id_of_owner(id: str) -> None:
    """Raises ValueError for what is no id of a project, a user or a domain; nobody's is empty."""
    if not _OWNER.fullmatch(id):
        raise ValueError(f"not an id: {texts.shown(id)}")


def owner(given: Owner) -> None:
    """A project or a user."""
    id_of_owner(given.id)
    id_of_owner(given.domain_id)
    named(given.name, given.domain)


def routes(given: Iterable[Route]) -> None:
    """Routes, each of one family."""
    for route in given:
        texts.of_version(route.nexthop, texts.prefix(route.destination).version)


def port(port_id: str, mac: str, addresses: Iterable[Address]) -> None:
    """A port by its id, its MAC address and its addresses."""
    texts.uuid(port_id)
    if texts.hardware(mac) != mac:
        raise ValueError(f"not a MAC address: {texts.shown(mac)}")
    for address in addresses:
        texts.uuid(address.subnet_id)
        if str(texts.address(address.ip)) != address.ip:
            raise ValueError(f"not an address: {texts.shown(address.ip)}")


def port_record(record: PortRecord | None) -> None:
    """What the API says of a port."""
    if record is None:
        return
    id_of_owner(record.project_id)
    named(record.name, record.description, record.device_id, record.device_owner, record.dns_name, record.dns_domain)
    if record.tag is not None and len(record.tag) > 60:
        raise ValueError("a tag that is too long")
    for group in record.security_groups:
        texts.uuid(group)
    for ip, mac in record.allowed_address_pairs:
        texts.network(ip)
        texts.mac(mac)
    for name, value, version in record.extra_dhcp_opts:
        texts.said_option(name, value)
        texts.whole(version, 4, 6)
