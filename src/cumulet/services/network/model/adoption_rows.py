"""What rows of networks there are already, beside what nodes keep, and the rows that are about to be made of it."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, select

from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.desired.addresses import Address
from cumulet.desired.network import DhcpHost
from cumulet.desired.records import Record
from cumulet.services.network.model import port_bindings as bindings
from cumulet.services.network.model.addresses import IP, number
from cumulet.services.network.tables import (
    NetworkRow,
    addresses,
    floatingips,
    networks,
    port_bindings,
    port_groups,
    ports,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)

ADOPTED = "Made of what a node kept."
"""The description of a port that only its network's DHCP server knew."""
_ORDER = (networks, subnets, security_groups, security_group_rules, routers, ports, addresses, port_groups, floatingips)


@dataclass
class Net:
    """A network. `new`: it is being made now."""

    id: str
    project_id: str
    open: bool
    new: bool


@dataclass
class Range:
    """A subnet."""

    network_id: str
    net: ipaddress.IPv4Network | ipaddress.IPv6Network
    gateway_ip: str | None


Span = tuple[int, int, int]
"""Version, first and last address of a subnet."""


@dataclass
class World:
    """Rows by id, those that are there and those to come. `taken`: (subnet, number) → port, `macs`: (network, MAC) →
    port, `loose`: ports of which only a DHCP server has told so far, `answered`: what DHCP servers say of ports, with
    the place among their network's."""

    tx: Transaction
    nets: dict[str, Net] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    ports: set[str] = field(default_factory=set)
    loose: dict[str, Any] = field(default_factory=dict)
    taken: dict[tuple[str, str], str] = field(default_factory=dict)
    macs: dict[tuple[str, str], str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    rules: set[str] = field(default_factory=set)
    defaults: set[str] = field(default_factory=set)
    routers: set[str] = field(default_factory=set)
    floating: set[str] = field(default_factory=set)
    answered: dict[str, tuple[int, DhcpHost]] = field(default_factory=dict)
    segments: set[tuple[str, Any]] = field(default_factory=set)
    rows: defaultdict[Table, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _owners: set[str] = field(default_factory=set)
    _spans: defaultdict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, tx: Transaction) -> World:
        """What there is. Twelve queries; a cloud whose rows were lost has few rows."""
        found = cls(tx)
        for net in tx.rows(select_as(NetworkRow)):
            found.nets[net.id] = Net(net.id, net.project_id, net.shared or net.external, False)
            found.segments.add((net.kind, net.segmentation_id or net.physical_network))
        for row in tx.rows(select(subnets.c.id, subnets.c.network_id, subnets.c.cidr, subnets.c.gateway_ip)):
            found.range(row.id, Range(row.network_id, ipaddress.ip_network(row.cidr), row.gateway_ip))
        columns = [ports.c[name] for name in ("id", "network_id", "mac_address", "project_id", "description")]
        for row in tx.rows(select(*columns, ports.c.plugged, ports.c.device_id)):
            found.ports.add(row.id)
            found.macs[row.network_id, row.mac_address] = row.id
            if row.description == ADOPTED and not row.plugged and not row.device_id:
                found.loose[row.id] = row
        for row in tx.rows(select(addresses.c.subnet_id, addresses.c.number, addresses.c.port_id)):
            found.taken[row.subnet_id, row.number] = row.port_id
        group = security_groups.c
        for row in tx.rows(select(group.id, group.project_id, group.is_default)):
            found.groups[row.id] = row.project_id
            (found.defaults if row.is_default else found._owners).add(row.project_id)
        for known, table in (
            (found.rules, security_group_rules),
            (found.routers, routers),
            (found.floating, floatingips),
        ):
            known.update(tx.execute(select(table.c.id)).scalars())
        for table in (routers, floatingips, ports):
            found._owners.update(tx.execute(select(table.c.project_id).distinct()).scalars())
        return found

    @property
    def owners(self) -> set[str]:
        """Projects that have something here that they made."""
        return {net.project_id for net in self.nets.values()} | self._owners

    def range(self, id: str, new: Range) -> bool:
        """Add a subnet, unless its network has one that it overlaps. Looks at its neighbours alone: none of those that
        are there overlap."""
        net, spans = new.net, self._spans[new.network_id]
        span = (net.version, int(net.network_address), int(net.broadcast_address))
        at = bisect_left(spans, span)
        before, after = spans[at - 1 : at] if at else [], spans[at : at + 1]
        if any(near[0] == span[0] and near[1] <= span[2] and span[1] <= near[2] for near in (*before, *after)):
            return False
        spans.insert(at, span)
        self.ranges[id] = new
        return True

    def standard(self, id: str, project_id: str, record: Record | None, place: int = 0) -> dict[str, Any]:
        """The standard columns. `place` among its like keeps their order where no time is known."""
        at = record.created_at if record is not None else 0
        at = at if 0 < at <= self.tx.now else self.tx.now + place
        described = record.description if record is not None else ""
        return {
            "id": id, "project_id": project_id, "description": described, "created_at": at, "updated_at": at,
            "revision_number": 0,
        }  # fmt: skip

    def address(self, port_id: str, network_id: str, told: Sequence[Address], *, gateway: bool = False) -> list[str]:
        """Give the port these addresses, as far as they are on its network and nobody else's; those that it does not
        get. `gateway`: it may be its subnet's gateway."""
        refused = []
        for place, each in enumerate(told):
            ip, range_ = ipaddress.ip_address(each.ip), self.ranges.get(each.subnet_id)
            key = (each.subnet_id, number(ip))
            fits = range_ is not None and range_.network_id == network_id and _inside(ip, range_)
            if not fits or self.taken.get(key, port_id) != port_id or (each.ip == range_.gateway_ip and not gateway):  # type: ignore[union-attr]
                refused.append(each.ip)
                continue
            self.taken[key] = port_id
            self.rows[addresses].append(
                {
                    "subnet_id": each.subnet_id, "number": key[1], "port_id": port_id, "network_id": network_id,
                    "ip_address": each.ip, "position": place,
                }
            )  # fmt: skip
        return refused

    def port(self, row: dict[str, Any], groups: Collection[str] = ()) -> None:
        """A new port with these security groups."""
        self.ports.add(row["id"])
        self.macs[row["network_id"], row["mac_address"]] = row["id"]
        self.rows[ports].append({**_PORT, **row})
        self.rows[port_groups] += [{"port_id": row["id"], "group_id": group} for group in groups]

    def replace(self, port_ids: Collection[str]) -> None:
        """Ports of which only a DHCP server had told are made anew."""
        self.tx.delete(addresses, in_list(addresses.c.port_id, port_ids))
        self.tx.delete(port_groups, in_list(port_groups.c.port_id, port_ids))
        bindings.unbind(self.tx, port_ids)
        self.tx.delete(ports, in_list(ports.c.id, port_ids))

    def write(self) -> None:
        """Insert the rows. One statement for each table."""
        for table in _ORDER:
            self.tx.insert(table, self.rows[table])
        self.tx.insert(port_bindings, bindings.rows(self.rows[ports]))


_PORT: dict[str, Any] = {
    "name": "", "admin_state_up": True, "status": "DOWN", "device_id": "", "device_owner": "",
    "port_security_enabled": False, "host": "", "link_id": None, "vnic_type": "normal", "profile": {},
    "extra_dhcp_opts": [], "allowed_address_pairs": [], "dns_name": "", "dns_domain": "", "named_at": 0,
    "plugged": False, "by_compute": False, "tag": None, "position": 0,
}  # fmt: skip


def _inside(ip: IP, range_: Range) -> bool:
    net = range_.net
    whole = net.version == 6 or net.prefixlen >= 31
    return ip in net and (whole or ip not in (net.network_address, net.broadcast_address))
