"""Subnets: their ranges, gateways and pools, and the port of the DHCP server that serves them."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.engine import timeline
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.network import faults
from cumulet.services.network.draft import Draft
from cumulet.services.network.extensions import finish, settle
from cumulet.services.network.model import addresses, dhcp, networks, propagation, tags
from cumulet.services.network.model.nouns import Noun, written
from cumulet.services.network.model.standard_attributes import change, changed, fresh, given
from cumulet.services.network.tables import NetworkRow, SubnetRow, ports, subnets
from cumulet.services.network.tables import addresses as address_table
from cumulet.services.network.tables import networks as network_table
from cumulet.services.network.wire.subnets import SUBNET

Net = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_NAMESERVERS = 5
MOST_ROUTES = 20


def visible(caller: Caller) -> ColumnElement[bool]:
    """Subnets that the caller sees: their project's, and those of networks that are theirs or shared."""
    if caller.is_admin:
        return true()
    reachable = select(network_table.c.id).where(
        or_(network_table.c.project_id == caller.project_id, network_table.c.shared)
    )
    return or_(subnets.c.project_id == caller.project_id, subnets.c.network_id.in_(reachable))


def find(tx: Transaction, caller: Caller, id: str) -> SubnetRow:
    """A subnet that the caller sees. Raises 404."""
    row = tx.row(select_as(SubnetRow).where(subnets.c.id == id, visible(caller)))
    if row is None:
        raise faults.not_found("subnet", id)
    return row


def create(
    tx: Transaction, caller: Caller, project_id: str, values: Mapping[str, Any], network: NetworkRow | None
) -> str:
    """A new subnet of `network`; quota has been reserved."""
    assert network is not None
    net = _range(values)
    _check_modes(values, net)
    _check_lists(values, net.version)
    gateway = _gateway(values, net)
    asked = given(values, "allocation_pools")
    pools = default_pools(net, gateway) if asked is None else checked_pools(asked, net)
    _check_gateway_outside(gateway, pools)
    _check_overlap(tx, network, net)
    draft: Draft[SubnetRow] = Draft(
        caller, project_id, values, {**fresh(tx, project_id), **written(NOUN, values)}, parent=network
    )
    row = draft.columns
    row.update(cidr=str(net), gateway_ip=gateway, allocation_pools=pools, cursor="")
    settle(tx, "subnet", draft)
    tx.insert(subnets, row)
    finish(tx, "subnet", draft)
    timeline.record(tx, str(row["id"]), "created", f"The subnet was created, with {net}.", {"network_id": network.id})
    if row["enable_dhcp"]:
        dhcp.serve(tx, network)
    propagation.network_changed(tx, network.id)
    return str(row["id"])


def _range(values: Mapping[str, Any]) -> Net:
    cidr = given(values, "cidr")
    if values.get("subnetpool_id"):
        raise NotFound(f"Subnet pool {values['subnetpool_id']} could not be found.", code="SubnetPoolNotFound")
    if cidr is None:
        raise faults.malformed("subnets", "a subnetpool must be specified in the absence of a cidr")
    net = ipaddress.ip_network(cidr)
    if net.version != values["ip_version"]:
        raise faults.invalid_input(f"cidr '{cidr}' does not match the ip_version '{values['ip_version']}'")
    if net.prefixlen == 0:
        raise faults.invalid_input("Invalid CIDR subnet: 0 is not allowed as CIDR prefix length")
    if net.is_multicast or net.is_loopback:
        raise faults.invalid_input(f"Multicast and loopback ranges are not allowed for a subnet: '{cidr}'")
    if values["enable_dhcp"] and net.prefixlen >= net.max_prefixlen - (1 if net.version == 4 else 0):
        raise faults.invalid_input("Subnet has a prefix length that is incompatible with DHCP service enabled")
    return net


def _check_modes(values: Mapping[str, Any], net: Net) -> None:
    ra, address = given(values, "ipv6_ra_mode"), given(values, "ipv6_address_mode")
    if net.version == 4:
        if ra or address:
            raise faults.invalid_input("ipv6_ra_mode or ipv6_address_mode are not valid when ip_version is 4")
        return
    if not values["enable_dhcp"] and (ra or address):
        raise faults.invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra and address and ra != address:
        raise faults.invalid_input(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if (ra in addresses.AUTOMATIC or address in addresses.AUTOMATIC) and net.prefixlen != 64:
        raise faults.invalid_input(
            f"Invalid CIDR {net} for IPv6 address mode. OpenStack uses the EUI-64 address format, "
            "which requires the prefix to be /64"
        )


def _check_lists(values: Mapping[str, Any], version: int) -> None:
    servers, routes = values.get("dns_nameservers") or [], values.get("host_routes") or []
    if len(servers) > MOST_NAMESERVERS:
        raise BadRequest(
            f"Unable to complete operation for {values.get('id', '')}. "
            f"The number of DNS nameservers exceeds the limit {MOST_NAMESERVERS}.",
            code="DNSNameServersExhausted",
        )
    if len(routes) > MOST_ROUTES:
        raise BadRequest(
            f"Unable to complete operation for {values.get('id', '')}. "
            f"The number of host routes exceeds the limit {MOST_ROUTES}.",
            code="HostRoutesExhausted",
        )
    for server in servers:
        _same_version(server, version, "dns_nameserver")
    for route in routes:
        _same_version(route["destination"].split("/")[0], version, "host_route destination")
        _same_version(route["nexthop"], version, "host_route nexthop")


def _same_version(ip: str, version: int, name: str) -> None:
    if ipaddress.ip_address(ip).version != version:
        raise faults.invalid_input(f"{name} '{ip}' does not match the ip_version '{version}'")


def _gateway(values: Mapping[str, Any], net: Net) -> str | None:
    """The gateway asked for; the first address when nothing was said; None when none is wanted."""
    gateway: str | None = given(values, "gateway_ip", "")
    if gateway == "":
        first = net.network_address if net.prefixlen >= net.max_prefixlen - 1 else net.network_address + 1
        return str(first)
    if gateway is not None:
        _check_gateway(gateway, net)
    return gateway


def _check_gateway(gateway: str, net: Net) -> None:
    _same_version(gateway, net.version, "gateway_ip")
    ip = ipaddress.ip_address(gateway)
    if net.version == 4 and net.prefixlen < 31 and ip in (net.network_address, net.broadcast_address):
        raise faults.invalid_input("Gateway is not valid on subnet")


def default_pools(net: Net, gateway: str | None) -> list[dict[str, str]]:
    """All of the subnet but its network, broadcast and gateway addresses."""
    whole = net.prefixlen >= net.max_prefixlen - 1
    first = int(net.network_address) + (0 if whole else 1)
    last = int(net.broadcast_address) - (1 if net.version == 4 and not whole else 0)
    ip = type(net.network_address)
    spans = [(first, last)]
    if gateway is not None and ipaddress.ip_address(gateway) in net:
        at = int(ipaddress.ip_address(gateway))
        spans = [(first, at - 1), (at + 1, last)]
    return [{"start": str(ip(a)), "end": str(ip(b))} for a, b in spans if a <= b]


def checked_pools(pools: Sequence[Mapping[str, str]], net: Net) -> list[dict[str, str]]:
    """Pools that lie in the subnet and do not overlap. Raises 400 or 409."""
    spans = []
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        if start.version != net.version or end.version != net.version:
            raise BadRequest(
                f"The allocation pool {pool['start']}-{pool['end']} is not valid.", code="InvalidAllocationPool"
            )
        if int(end) < int(start):
            raise BadRequest(f"The allocation pool {start}-{end} is not valid.", code="InvalidAllocationPool")
        inside = start in net and end in net
        edges = net.version == 4 and net.prefixlen < 31
        if not inside or (edges and (start == net.network_address or end == net.broadcast_address)):
            raise BadRequest(
                f"The allocation pool {start}-{end} spans beyond the subnet cidr {net}.",
                code="OutOfBoundsAllocationPool",
            )
        spans.append((int(start), int(end), f"{start}-{end}"))
    spans.sort()
    for one, two in itertools.pairwise(spans):
        if two[0] <= one[1]:
            raise Conflict(
                f"Found overlapping allocation pools: {one[2]} {two[2]} for subnet {net}.",
                code="OverlappingAllocationPools",
            )
    return [{"start": pool["start"], "end": pool["end"]} for pool in pools]


def _check_gateway_outside(gateway: str | None, pools: Sequence[Mapping[str, str]]) -> None:
    if gateway is None:
        return
    at = ipaddress.ip_address(gateway)
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        if start.version == at.version and int(start) <= int(at) <= int(end):
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {start}-{end}.",
                code="GatewayConflictWithAllocationPools",
            )


def _check_overlap(tx: Transaction, network: NetworkRow, net: Net) -> None:
    for other in addresses.subnets_of(tx, network.id):
        if net.overlaps(ipaddress.ip_network(other.cidr)):
            raise faults.invalid_input(
                f"Requested subnet with cidr: {net} for network: {network.id} overlaps with another subnet"
            )


def update(tx: Transaction, caller: Caller, row: SubnetRow, asked: Mapping[str, Any]) -> None:
    """Change a subnet."""
    network = networks.by_id(tx, row.network_id)
    net = ipaddress.ip_network(row.cidr)
    _check_lists(asked, row.ip_version)
    values = written(NOUN, asked)
    pools = row.allocation_pools
    if "allocation_pools" in values:
        pools = values["allocation_pools"] = checked_pools(values["allocation_pools"], net)
        values["cursor"] = tx.local["cursor", row.id] = ""
    gateway = values.get("gateway_ip", row.gateway_ip)
    if "gateway_ip" in values and gateway is not None:
        _check_gateway(gateway, net)
        _check_gateway_unused(tx, row, gateway)
    if "gateway_ip" in values or "allocation_pools" in values:
        _check_gateway_outside(gateway, pools)
    draft = Draft(caller, row.project_id, asked, values, row, network)
    settle(tx, "subnet", draft)
    change(tx, subnets, row.id, **values)
    finish(tx, "subnet", draft)
    timeline.record(tx, row.id, "updated", f"The subnet was changed: {changed(row, values)}.")
    if values.get("enable_dhcp", row.enable_dhcp) != row.enable_dhcp:
        if values["enable_dhcp"]:
            dhcp.serve(tx, network)
        else:
            dhcp.leave(tx, network, row.id)
    propagation.network_changed(tx, network.id)
    if "gateway_ip" in values and network.external:
        dhcp.gateway_moved(tx, network.id)


def _check_gateway_unused(tx: Transaction, row: SubnetRow, gateway: str) -> None:
    if gateway == row.gateway_ip:
        return
    number = addresses.number(ipaddress.ip_address(gateway))
    where = and_(address_table.c.subnet_id == row.id, address_table.c.number == number)
    owner = tx.row(
        select(ports.c.id, ports.c.device_owner).join(address_table, address_table.c.port_id == ports.c.id).where(where)
    )
    if owner is not None and not owner.device_owner.startswith("network:router_interface"):
        raise Conflict(f"Gateway ip {gateway} is in use by port {owner.id}.", code="GatewayIpInUse")


def delete(tx: Transaction, _caller: Caller, row: SubnetRow) -> None:
    """Delete a subnet on which only the DHCP server still has an address."""
    network = networks.by_id(tx, row.network_id)
    where = and_(address_table.c.subnet_id == row.id, ports.c.device_owner != propagation.DHCP)
    query = select(ports.c.id).join(address_table, address_table.c.port_id == ports.c.id).where(where).limit(1)
    if tx.row(query) is not None:
        raise faults.subnet_in_use(row.id)
    dhcp.leave(tx, network, row.id)
    tags.forget(tx, [row.id])
    tx.delete(subnets, subnets.c.id == row.id)
    timeline.record(tx, row.id, timeline.DELETED, "The subnet was deleted.", {"name": row.name})
    propagation.network_changed(tx, network.id)


NOUN = Noun(
    SUBNET,
    SubnetRow,
    visible,
    ("subnet", "subnets"),
    hangs_on=("network_id", networks.NOUN),
    parents=networks.parents,
)
