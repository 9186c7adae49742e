"""Desired state of networks, routers and security groups as nodes get it. Rendered when a node polls; reads only.

Each renderer takes all refs of a poll together: its number of queries does not depend on how many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, or_, select

from cumulet.db import Prepared, Transaction, TypedRow, TypedSelect, select_as
from cumulet.db.in_list import in_bound_list, in_list
from cumulet.desired.addresses import Address, Route
from cumulet.desired.network import Dhcp, DhcpHost, Network, Subnet
from cumulet.desired.port import AddressPair, Interface, Plug, Port, PortRecord
from cumulet.desired.router import FloatingIp, Router, RouterPort
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.fleet import door as fleet
from cumulet.services.identity import door as identity
from cumulet.services.network.extensions.dns_integration import DOMAIN, host_name
from cumulet.services.network.model import propagation, records
from cumulet.services.network.model.port_groups import of_ports as groups_of
from cumulet.services.network.model.ports import of_servers
from cumulet.services.network.model.router_ports import GATEWAY, INTERFACE
from cumulet.services.network.tables import (
    FloatingIpRow,
    NetworkRow,
    PortRow,
    RouterRow,
    SecurityGroupRow,
    SecurityGroupRuleRow,
    SubnetRow,
    addresses,
    floatingips,
    networks,
    port_groups,
    ports,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)


def _prefix(cidr: str) -> int:
    return int(cidr.rsplit("/", 1)[1])


def addresses_of(tx: Transaction, condition: Any) -> dict[str, list[Address]]:
    """Addresses of the ports that match `condition`, as nodes get them: port id → addresses. One query."""
    return _addresses(tx.rows(_addresses_where(condition)))


class _Address(TypedRow):
    """An address of a port, with the range of its subnet."""

    port_id: str
    ip_address: str
    subnet_id: str
    cidr: str


class _Answered(TypedRow):
    """A port that a DHCP server answers."""

    id: str
    network_id: str
    project_id: str
    mac_address: str
    dns_name: str
    extra_dhcp_opts: list[dict[str, Any]]
    plugged: bool


class _Port(PortRow):
    """A port with what a frame on its network may hold."""

    mtu: int


def _addresses_where(condition: Any) -> TypedSelect[_Address]:
    return (
        select_as(_Address, addresses.c.port_id, addresses.c.ip_address, addresses.c.subnet_id, subnets.c.cidr)
        .join(subnets, subnets.c.id == addresses.c.subnet_id)
        .join(ports, ports.c.id == addresses.c.port_id)
        .where(condition)
        .order_by(addresses.c.position)
    )


def _addresses(rows: Iterable[_Address]) -> dict[str, list[Address]]:
    found: defaultdict[str, list[Address]] = defaultdict(list)
    for row in rows:
        address = Address(ip=row.ip_address, subnet_id=row.subnet_id, prefix=_prefix(row.cidr))
        found[row.port_id].append(address)
    return found


# ---- networks


def render_networks(tx: Transaction, link_id: str, refs: Sequence[str]) -> Mapping[str, Network]:
    """Networks as the link shall have them."""
    rows = {row.id: row for row in tx.rows(select_as(NetworkRow).where(networks.c.id.in_(refs)))}
    owners = identity.owners(tx, {row.project_id for row in rows.values()})
    own: defaultdict[str, list[Subnet]] = defaultdict(list)
    query = select_as(SubnetRow).where(subnets.c.network_id.in_(refs)).order_by(subnets.c.created_at, subnets.c.id)
    for row in tx.rows(query):
        own[row.network_id].append(_subnet(row, rows[row.network_id]))
    peers = _peers(tx, link_id, refs)
    dhcp = _dhcp(tx, link_id, refs)
    return {
        row.id: Network(
            id=row.id,
            kind=row.kind,
            mtu=row.mtu,
            segmentation_id=row.segmentation_id,
            physical_network=row.physical_network,
            peers=peers.get(row.id, []) if row.kind == "vxlan" else [],
            subnets=own[row.id],
            dhcp=dhcp.get(row.id),
            record=records.of_network(row, owners),
        )
        for row in rows.values()
    }


def _subnet(row: SubnetRow, network: NetworkRow) -> Subnet:
    return Subnet(
        id=row.id,
        cidr=row.cidr,
        ip_version=row.ip_version,
        gateway_ip=row.gateway_ip,
        enable_dhcp=row.enable_dhcp,
        dns_nameservers=row.dns_nameservers,
        host_routes=[Route(destination=r["destination"], nexthop=r["nexthop"]) for r in row.host_routes],
        record=records.of_subnet(row, network),
    )


def _peers(tx: Transaction, link_id: str, refs: Sequence[str]) -> dict[str, list[str]]:
    """Tunnel addresses of the hosts of other links that have a port on the network."""
    where = and_(ports.c.network_id.in_(refs), ports.c.link_id.is_not(None), ports.c.link_id != link_id)
    rows = tx.rows(select(ports.c.network_id, ports.c.host).where(where).distinct())
    hosts = fleet.by_names(tx, sorted({row.host for row in rows})) if rows else {}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        host = hosts.get(row.host)
        if host is not None and host.facts.tunnel_ip:
            found[row.network_id].add(host.facts.tunnel_ip)
    return {network_id: sorted(ips) for network_id, ips in found.items()}


def _dhcp(tx: Transaction, link_id: str, refs: Sequence[str]) -> dict[str, Dhcp]:
    """DHCP servers that the link runs, with the ports that they answer."""
    here = and_(ports.c.device_owner == propagation.DHCP, ports.c.link_id == link_id)
    servers = tx.rows(select_as(PortRow).where(ports.c.network_id.in_(refs), here))
    if not servers:
        return {}
    nets = [row.network_id for row in servers]
    fixed = addresses_of(tx, ports.c.network_id.in_(nets))
    columns = (ports.c.id, ports.c.network_id, ports.c.project_id, ports.c.mac_address, ports.c.dns_name)
    answered = and_(ports.c.network_id.in_(nets), ports.c.device_owner.not_like("network:%"))
    query = select_as(_Answered, *columns, ports.c.extra_dhcp_opts, ports.c.plugged).where(answered)
    query = query.order_by(ports.c.named_at, ports.c.created_at, ports.c.id)
    rows = [row for row in tx.rows(query) if row.id in fixed]
    names = _names(rows, fixed)
    loose = _loose(tx, [row.id for row in rows if not row.plugged])
    hosts: defaultdict[str, list[DhcpHost]] = defaultdict(list)
    for row in rows:
        host = _dhcp_host(row, names[row.id], fixed[row.id])
        host.record = loose.get(row.id)
        hosts[row.network_id].append(host)
    return {
        row.network_id: Dhcp(
            port_id=row.id,
            mac=row.mac_address,
            addresses=fixed[row.id],
            hosts=hosts[row.network_id],
            domain=DOMAIN,
        )
        for row in servers
    }


def _loose(tx: Transaction, ids: Sequence[str]) -> dict[str, PortRecord]:
    """Records of ports that no server has. Two queries, none for no ids."""
    if not ids:
        return {}
    groups = groups_of(tx, ids)
    return {row.id: records.of_loose_port(row, groups[row.id]) for row in tx.rows(_select_ports(ids))}


def _select_ports(ids: Sequence[str]) -> TypedSelect[PortRow]:
    return select_as(PortRow).where(in_list(ports.c.id, ids))


def _names(rows: Sequence[_Answered], fixed: Mapping[str, list[Address]]) -> dict[str, str]:
    """The names that ports have on their networks: port id → name. `rows` in the order in which they asked for them.

    Where tenants share a network, a name that somebody has is not another one's to take, however it is spelled; who
    asks for it all the same goes by their address. Nor is the name that goes with somebody's address.
    """
    given = {row.id: host_name("", fixed[row.id][0].ip) for row in rows}
    owners = {(row.network_id, given[row.id]): row.project_id for row in rows}
    for row in rows:
        wanted = [(row.network_id, name) for name in _answered(row.dns_name)]
        if wanted and all(owners.get(one, row.project_id) == row.project_id for one in wanted):
            owners.update(dict.fromkeys(wanted, row.project_id))
            given[row.id] = row.dns_name
    return given


def _answered(name: str) -> set[str]:
    """What a DHCP server answers to for a port's name: the name itself, whether or not it was given in full, and its
    first label."""
    found = name.lower().removesuffix(".").removesuffix(f".{DOMAIN}")
    return {found, found.partition(".")[0]} - {""}


def _dhcp_host(row: _Answered, name: str, fixed: list[Address]) -> DhcpHost:
    """A port as its DHCP server knows it. Options of IPv6 have numbers of their own and nobody to serve them."""
    return DhcpHost(
        port_id=row.id,
        mac=row.mac_address,
        hostname=name,
        addresses=fixed,
        extra_opts=[
            (option["opt_name"], option["opt_value"]) for option in row.extra_dhcp_opts if option["ip_version"] == 4
        ],
    )


# ---- security groups


def render_security_groups(tx: Transaction, _link_id: str, refs: Sequence[str]) -> Mapping[str, SecurityGroup]:
    """Groups with their rules, and the addresses of all members of those that a rule names as remote."""
    rule = security_group_rules.c
    rules: defaultdict[str, list[Rule]] = defaultdict(list)
    remote: set[str] = set()
    where = or_(rule.security_group_id.in_(refs), rule.remote_group_id.in_(refs))
    for row in tx.rows(select_as(SecurityGroupRuleRow).where(where).order_by(rule.created_at, rule.id)):
        if row.remote_group_id is not None:
            remote.add(row.remote_group_id)
        rules[row.security_group_id].append(_rule(row))
    watched = remote.intersection(refs)
    members: defaultdict[str, list[str]] = defaultdict(list)
    if watched:
        query = (
            select(port_groups.c.group_id, addresses.c.ip_address)
            .join(addresses, addresses.c.port_id == port_groups.c.port_id)
            .where(port_groups.c.group_id.in_(watched))
            .order_by(addresses.c.number)
        )
        for member in tx.rows(query):
            members[member.group_id].append(member.ip_address)
    known = tx.rows(select_as(SecurityGroupRow).where(security_groups.c.id.in_(refs)))
    owners = identity.owners(tx, {row.project_id for row in known})
    return {
        row.id: SecurityGroup(
            id=row.id, rules=rules[row.id], members=members[row.id], record=records.of_group(row, owners)
        )
        for row in known
    }


def _rule(row: SecurityGroupRuleRow) -> Rule:
    return Rule(
        id=row.id,
        direction=row.direction,
        ethertype=row.ethertype,
        protocol=row.protocol,
        port_range_min=row.port_range_min,
        port_range_max=row.port_range_max,
        remote_ip_prefix=row.remote_ip_prefix,
        remote_group_id=row.remote_group_id,
        description=row.description,
    )


# ---- routers


def render_routers(tx: Transaction, _link_id: str, refs: Sequence[str]) -> Mapping[str, Router]:
    """Routers with their legs, gateways and floating ips."""
    own = and_(ports.c.device_id.in_(refs), ports.c.device_owner.in_([INTERFACE, GATEWAY]))
    legs: defaultdict[str, list[_Port]] = defaultdict(list)
    query = select_as(_Port, ports, networks.c.mtu).join(networks, networks.c.id == ports.c.network_id)
    for leg in tx.rows(query.where(own).order_by(ports.c.created_at, ports.c.id)):
        legs[leg.device_id].append(leg)
    fixed = addresses_of(tx, own)
    outside = {a.subnet_id for rows in legs.values() for r in rows if r.device_owner == GATEWAY for a in fixed[r.id]}
    nets = select(subnets.c.id, subnets.c.gateway_ip).where(subnets.c.id.in_(outside))
    gateways = {row.id: row.gateway_ip for row in tx.rows(nets)}
    floating_rows = _floating_rows(tx, refs)
    rows = tx.rows(select_as(RouterRow).where(routers.c.id.in_(refs)))
    owners = identity.owners(tx, {row.project_id for row in (*rows, *floating_rows)})
    floating = _floating(tx, floating_rows, owners)
    found = {}
    for row in rows:
        gateway = next((_leg(r, fixed) for r in legs[row.id] if r.device_owner == GATEWAY), None)
        found[row.id] = Router(
            id=row.id,
            admin_state_up=row.admin_state_up,
            ports=[_leg(r, fixed, row.project_id) for r in legs[row.id] if r.device_owner == INTERFACE],
            gateway=gateway,
            gateway_ip=_next_hop(gateway, gateways),
            enable_snat=row.enable_snat,
            floating_ips=floating[row.id],
            routes=[Route(destination=r["destination"], nexthop=r["nexthop"]) for r in row.routes],
            record=records.of_router(row, owners),
        )
    return found


def _leg(row: _Port, fixed: Mapping[str, list[Address]], project_id: str = "") -> RouterPort:
    return RouterPort(
        port_id=row.id,
        mac=row.mac_address,
        network_id=row.network_id,
        addresses=fixed.get(row.id, []),
        mtu=row.mtu,
        record=records.of_port(row, project_id),
    )


def _next_hop(gateway: RouterPort | None, gateways: Mapping[str, str | None]) -> str | None:
    """The way out: the gateway of the first IPv4 subnet that the router's gateway is on."""
    if gateway is None:
        return None
    return next((gateways[a.subnet_id] for a in gateway.addresses if "." in a.ip and gateways.get(a.subnet_id)), None)


def _floating_rows(tx: Transaction, refs: Sequence[str]) -> Sequence[FloatingIpRow]:
    where = and_(floatingips.c.router_id.in_(refs), floatingips.c.port_id.is_not(None))
    return tx.rows(select_as(FloatingIpRow).where(where).order_by(floatingips.c.created_at, floatingips.c.id))


def _floating(
    tx: Transaction, rows: Sequence[FloatingIpRow], owners: records.Owners
) -> defaultdict[str, list[FloatingIp]]:
    """Floating ips by router. One query, none without any."""
    found: defaultdict[str, list[FloatingIp]] = defaultdict(list)
    if not rows:
        return found
    query = select_as(records.OutsideRow, ports.c.id, ports.c.mac_address, addresses.c.subnet_id).join(
        addresses, addresses.c.port_id == ports.c.id
    )
    outside = {row.id: row for row in tx.rows(query.where(in_list(ports.c.id, [r.floating_port_id for r in rows])))}
    for row in rows:
        ip = FloatingIp(id=row.id, floating_ip=row.floating_ip_address, fixed_ip=row.fixed_ip_address or "")
        if row.floating_port_id in outside:
            ip.record = records.of_floating(row, outside[row.floating_port_id], owners)
        found[row.router_id or ""].append(ip)
    return found


# ---- guests


_GUESTS = and_(of_servers("ids"), ports.c.link_id.is_not(None))
_INTERFACES = Prepared(
    select_as(_Port, ports, networks.c.mtu)
    .join(networks, networks.c.id == ports.c.network_id)
    .where(_GUESTS)
    .order_by(ports.c.position, ports.c.created_at, ports.c.id)
)
_GUEST_ADDRESSES = Prepared(_addresses_where(_GUESTS))


_PLUGS = Prepared(
    select(ports.c.id, ports.c.device_id, ports.c.network_id, ports.c.mac_address, networks.c.mtu)
    .join(networks, networks.c.id == ports.c.network_id)
    .where(_GUESTS)
    .order_by(ports.c.position, ports.c.created_at, ports.c.id)
)


def plugs(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[Plug]]:
    """What servers have of their ports, in the order in which they were plugged. One query."""
    found: dict[str, list[Plug]] = {id: [] for id in server_ids}
    for port_id, server_id, network_id, mac, mtu in map(tuple, tx.rows(_PLUGS, {"ids": server_ids})):
        found[server_id].append(Plug(port_id=port_id, network_id=network_id, mac=mac, mtu=mtu))
    return found


_HERE = and_(in_bound_list(ports.c.id, "ids"), ports.c.plugged, ports.c.link_id == bindparam("link"))
_PORTS = Prepared(
    select_as(_Port, ports, networks.c.mtu).join(networks, networks.c.id == ports.c.network_id).where(_HERE)
)
_PORT_ADDRESSES = Prepared(_addresses_where(_HERE))


def render_ports(tx: Transaction, link_id: str, refs: Sequence[str]) -> Mapping[str, Port]:
    """Ports of guests as the link shall have them. Three queries."""
    rows = tx.rows(_PORTS, {"ids": refs, "link": link_id})
    fixed = _addresses(tx.rows(_PORT_ADDRESSES, {"ids": refs, "link": link_id}))
    groups = groups_of(tx, [row.id for row in rows])
    return {
        row.id: Port(
            id=row.id,
            guest_id=row.device_id,
            network_id=row.network_id,
            mac=row.mac_address,
            addresses=fixed.get(row.id, []),
            mtu=row.mtu,
            port_security=row.port_security_enabled,
            security_groups=groups[row.id],
            allowed_address_pairs=_pairs(row.allowed_address_pairs),
            admin_state_up=row.admin_state_up,
            record=records.of_port(row),
        )
        for row in rows
    }


def _pairs(pairs: Sequence[Mapping[str, str]]) -> list[AddressPair]:
    return [AddressPair(ip=pair["ip_address"], mac=pair["mac_address"]) for pair in pairs]


def interfaces(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[Interface]]:
    """Interfaces of servers, in the order in which they were plugged. Three queries."""
    rows = tx.rows(_INTERFACES, {"ids": server_ids})
    fixed = _addresses(tx.rows(_GUEST_ADDRESSES, {"ids": server_ids}))
    groups = groups_of(tx, [row.id for row in rows])
    found: dict[str, list[Interface]] = {id: [] for id in server_ids}
    for row in rows:
        found[row.device_id].append(
            Interface(
                port_id=row.id,
                network_id=row.network_id,
                mac=row.mac_address,
                addresses=fixed.get(row.id, []),
                mtu=row.mtu,
                port_security=row.port_security_enabled,
                security_groups=groups[row.id],
                allowed_address_pairs=_pairs(row.allowed_address_pairs),
                admin_state_up=row.admin_state_up,
                record=records.of_port(row),
            )
        )
    return found
