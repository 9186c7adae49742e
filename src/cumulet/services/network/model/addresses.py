"""Addresses of ports: which are free, which a port gets. Never two ports with one address of a subnet (primary key).

Each subnet has a cursor behind the address that was given out last. The next one is looked for from there, so that an
address that was just released is not handed to somebody else while the neighbours still know its old MAC; at the end
of the pools the search begins again at their start.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import and_, bindparam, select

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list, in_list
from cumulet.services.network import faults
from cumulet.services.network.tables import AddressRow, SubnetRow, addresses, subnets

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
AUTOMATIC = ("slaac", "dhcpv6-stateless")
_BATCH = 512
_SUBNETS = Prepared(
    select_as(SubnetRow)
    .where(subnets.c.network_id == bindparam("network"))
    .order_by(subnets.c.created_at, subnets.c.id)
)
_TAKEN = Prepared(
    select(addresses.c.number)
    .where(
        addresses.c.subnet_id == bindparam("subnet"),
        addresses.c.number >= bindparam("first"),
        addresses.c.number <= bindparam("last"),
    )
    .order_by(addresses.c.number)
    .limit(_BATCH)
)
_OF_PORTS = Prepared(
    select_as(AddressRow).where(in_bound_list(addresses.c.port_id, "ports")).order_by(addresses.c.position)
)


class Allocation(Struct, frozen=True):
    """An address that a port shall have."""

    subnet_id: str
    ip_address: str
    number: str


def number(ip: IP) -> str:
    """An address as hex digits of fixed width, which sort as addresses do."""
    return f"{int(ip):0{8 if ip.version == 4 else 32}x}"


def _ip(digits: str) -> IP:
    return ipaddress.IPv4Address(int(digits, 16)) if len(digits) == 8 else ipaddress.IPv6Address(int(digits, 16))


def _next(digits: str) -> str:
    return f"{int(digits, 16) + 1:0{len(digits)}x}"


def subnets_of(tx: Transaction, network_id: str) -> Sequence[SubnetRow]:
    """The network's subnets, oldest first."""
    return tx.rows(_SUBNETS, {"network": network_id})


def _free_between(tx: Transaction, subnet_id: str, first: str, last: str, promised: Sequence[str]) -> str | None:
    """The first number in the range that no port has, and that is not `promised`."""
    wanted = first
    while wanted <= last:
        taken = [row[0] for row in tx.rows(_TAKEN, {"subnet": subnet_id, "first": wanted, "last": last})]
        full = len(taken) == _BATCH
        upto = taken[-1] if full else last
        for found in sorted({*taken, *(each for each in promised if wanted <= each <= upto)}):
            if found != wanted:
                return wanted
            if wanted == last:
                return None
            wanted = _next(wanted)
        if not full:
            return wanted if wanted <= last else None
    return None


def next_free(tx: Transaction, subnet: SubnetRow, promised: Sequence[str] = ()) -> Allocation | None:
    """A free address of the subnet's pools, moving its cursor; None when they are full. `subnet` was read in this
    transaction, perhaps before the cursor moved in it; `promised` are numbers that are not stored yet."""
    pools = [
        (number(ipaddress.ip_address(pool["start"])), number(ipaddress.ip_address(pool["end"])))
        for pool in subnet.allocation_pools
    ]
    pools.sort()
    cursor = tx.local.get(("cursor", subnet.id), subnet.cursor)
    ahead = [(max(first, cursor), last) for first, last in pools if last >= cursor]
    behind = [(first, min(last, cursor)) for first, last in pools if cursor and first <= cursor]
    for first, last in (*ahead, *behind):
        if (found := _free_between(tx, subnet.id, first, last, promised)) is not None:
            after = _next(found) if int(found, 16) + 1 < 16 ** len(found) else ""
            tx.update_by_key(subnets, {"id": subnet.id}, cursor=after)
            tx.local["cursor", subnet.id] = after
            return Allocation(subnet.id, str(_ip(found)), found)
    return None


def from_mac(tx: Transaction, subnet: SubnetRow, mac: str, *, taken_by: str | None = None) -> Allocation:
    """The address that a port makes for itself from the router's announcements (modified EUI-64). Raises 409 when
    another port has it: who owns the network may have chosen it."""
    octets = [int(part, 16) for part in mac.split(":")]
    eui = [octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]
    net = ipaddress.IPv6Network(subnet.cidr)
    return _exact(tx, subnet, str(net[int.from_bytes(bytes(eui), "big")]), taken_by=taken_by)


def _exact(tx: Transaction, subnet: SubnetRow, text: str, *, taken_by: str | None) -> Allocation:
    """The address `text` of the subnet. Raises when it does not fit there or belongs to another port."""
    ip = ipaddress.ip_address(text)
    net = ipaddress.ip_network(subnet.cidr)
    whole = net.version == 6 or net.prefixlen >= 31
    if ip not in net or (not whole and ip in (net.network_address, net.broadcast_address)):
        raise faults.address_not_on_subnet(text)
    digits = number(ip)
    where = and_(addresses.c.subnet_id == subnet.id, addresses.c.number == digits)
    owner = tx.scalar(select(addresses.c.port_id).where(where))
    if owner is not None and owner != taken_by:
        raise faults.address_allocated(text, subnet.id)
    return Allocation(subnet.id, str(ip), digits)


class Request(Struct, frozen=True):
    """What is known of the port that wants addresses. `port_id` is set when it exists already."""

    network_id: str
    mac: str
    device_owner: str
    port_id: str | None = None


def wanted(tx: Transaction, request: Request, fixed_ips: Sequence[Mapping[str, str]]) -> list[Allocation]:
    """Addresses for explicitly asked `fixed_ips` (subnet_id and/or ip_address each), in their order. Those with an
    address are looked up first, so that none of them is given to one that takes any."""
    known = {row.id: row for row in subnets_of(tx, request.network_id)}
    asked_on = [(asked, _subnet_for(known, request.network_id, asked)) for asked in fixed_ips]
    found: dict[int, Allocation] = {}
    for place, (asked, subnet) in sorted(enumerate(asked_on), key=lambda each: "ip_address" not in each[1][0]):
        allocation = _one(tx, request, subnet, asked, list(found.values()))
        if any(a.subnet_id == allocation.subnet_id and a.number == allocation.number for a in found.values()):
            raise faults.address_allocated(allocation.ip_address, subnet.id)
        found[place] = allocation
    return [found[place] for place in sorted(found)]


def _one(
    tx: Transaction, request: Request, subnet: SubnetRow, asked: Mapping[str, str], others: Sequence[Allocation]
) -> Allocation:
    if "ip_address" in asked:
        return _exact(tx, subnet, asked["ip_address"], taken_by=request.port_id)
    if subnet.ipv6_address_mode in AUTOMATIC and not request.device_owner.startswith("network:router"):
        return from_mac(tx, subnet, request.mac, taken_by=request.port_id)
    promised = [each.number for each in others if each.subnet_id == subnet.id]
    allocation = _kept(tx, subnet, request.port_id, promised) or next_free(tx, subnet, promised)
    if allocation is None:
        raise faults.no_more_addresses(request.network_id)
    return allocation


def _kept(tx: Transaction, subnet: SubnetRow, port_id: str | None, promised: Sequence[str]) -> Allocation | None:
    """An address that the port has on this subnet already, when any will do."""
    if port_id is None:
        return None
    where = and_(addresses.c.port_id == port_id, addresses.c.subnet_id == subnet.id)
    for row in tx.rows(select_as(AddressRow).where(where).order_by(addresses.c.position)):
        if row.number not in promised:
            return Allocation(row.subnet_id, row.ip_address, row.number)
    return None


def _subnet_for(known: Mapping[str, SubnetRow], network_id: str, asked: Mapping[str, str]) -> SubnetRow:
    if "subnet_id" in asked:
        subnet = known.get(asked["subnet_id"])
        if subnet is None:
            raise faults.invalid_input(
                f"Failed to create port on network {network_id}, because fixed_ips included invalid subnet "
                f"{asked['subnet_id']}"
            )
        return subnet
    if "ip_address" not in asked:
        raise faults.invalid_input("IP allocation requires subnet_id or ip_address")
    ip = ipaddress.ip_address(asked["ip_address"])
    for subnet in known.values():
        if ip in ipaddress.ip_network(subnet.cidr):
            return subnet
    raise faults.address_not_on_network(asked["ip_address"])


def automatic(tx: Transaction, request: Request) -> list[Allocation]:
    """Addresses for a port that asked for none: one of each family, and one of each self-configured subnet.
    A network without subnets gives none."""
    rows = [row for row in subnets_of(tx, request.network_id) if _serves(row, request.device_owner)]
    found: list[Allocation] = []
    for version in (4, 6):
        stateful = [r for r in rows if r.ip_version == version and r.ipv6_address_mode not in AUTOMATIC]
        allocation = next((a for r in stateful if (a := next_free(tx, r)) is not None), None)
        if allocation is not None:
            found.append(allocation)
        elif stateful:
            raise faults.no_more_addresses(request.network_id)
    found += [from_mac(tx, row, request.mac) for row in rows if row.ipv6_address_mode in AUTOMATIC]
    return found


def _serves(subnet: SubnetRow, device_owner: str) -> bool:
    return not subnet.service_types or any(device_owner.startswith(kind) for kind in subnet.service_types)


def assign(tx: Transaction, port_id: str, network_id: str, allocations: Iterable[Allocation]) -> None:
    """Give the addresses to the port."""
    tx.insert(
        addresses,
        [
            {
                "subnet_id": a.subnet_id,
                "number": a.number,
                "port_id": port_id,
                "network_id": network_id,
                "ip_address": a.ip_address,
                "position": index,
            }
            for index, a in enumerate(allocations)
        ],
    )


def release(tx: Transaction, port_ids: Sequence[str]) -> None:
    """Take all addresses from the ports."""
    tx.delete(addresses, addresses.c.port_id.in_(port_ids))


def of_ports(tx: Transaction, port_ids: Sequence[str]) -> dict[str, list[AddressRow]]:
    """Addresses of ports, in their order."""
    found: dict[str, list[AddressRow]] = {id: [] for id in port_ids}
    query = select_as(AddressRow).where(in_list(addresses.c.port_id, port_ids)).order_by(addresses.c.position)
    for row in tx.rows(query):
        found[row.port_id].append(row)
    return found
