"""Networks, routers, security groups and ports, made of what nodes keep.

A row that is there stays as it is. An id, an address, a MAC address or a segment that somebody has is nobody else's;
a port on another project's network is none, unless the network is for others, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from cumulet.db import Transaction
from cumulet.desired.addresses import Address
from cumulet.desired.guest import Guest
from cumulet.desired.network import DhcpHost, Network, NetworkRecord, Subnet
from cumulet.desired.port import Interface, PortRecord
from cumulet.desired.records import Owner
from cumulet.desired.router import FloatingIp, Router, RouterPort
from cumulet.fleet import door as fleet
from cumulet.fleet.door import Adoption, Thing
from cumulet.services.network.extensions.dns_integration import host_name
from cumulet.services.network.model import dhcp, propagation
from cumulet.services.network.model.addresses import number
from cumulet.services.network.model.adoption_rows import ADOPTED, Net, Range, World
from cumulet.services.network.model.default_groups import RULE_FIELDS, meaning
from cumulet.services.network.model.floatingips import OWNER as FLOATING
from cumulet.services.network.model.ports import COMPUTE
from cumulet.services.network.model.router_ports import GATEWAY, INTERFACE
from cumulet.services.network.model.subnets import default_pools
from cumulet.services.network.tables import (
    floatingips,
    networks,
    port_groups,
    ports,
    quotas,
    routers,
    security_group_rules,
    security_groups,
    sequences,
    subnets,
)


def adopt(tx: Transaction, adoption: Adoption) -> None:
    """Make rows of networks, groups and routers, and of the ports of guests, and tell the nodes."""
    world = World.of(tx)
    adoption.busy |= world.owners
    owners = _network_owners(adoption)
    said = _all_said(adoption)
    for thing in _once(adoption, "network"):
        _network(world, adoption, thing, owners, said)
    users = _group_users(adoption)
    for thing in _once(adoption, "security_group"):
        _group(world, adoption, thing, users)
    for thing in _once(adoption, "router"):
        _router(world, adoption, thing)
    for thing in _once(adoption, "network"):
        _dhcp(world, thing)
    for thing in _once(adoption, "guest"):
        _guest(world, adoption, thing)
    for thing in _once(adoption, "network"):
        _loose_ports(world, thing)
    for thing in _once(adoption, "router"):
        for place, floating in enumerate(thing.spec.floating_ips):
            _floating(world, adoption, thing, floating, place)
    world.write()
    _tell(tx, world)


def follow(tx: Transaction, adoption: Adoption) -> None:
    """Projects have other ids now; their quotas follow them. Two statements for each."""
    for old, new in adoption.became.items():
        tx.delete(quotas, quotas.c.project_id == new)
        tx.update(quotas, quotas.c.project_id == old, project_id=new)


def _once(adoption: Adoption, kind: Any) -> list[Thing]:
    """The newest of each thing."""
    found: dict[str, Thing] = {}
    for thing in adoption.of_kind(kind):
        found.setdefault(thing.ref, thing)
    return list(found.values())


# ---- networks


def _network_owners(adoption: Adoption) -> dict[str, set[str]]:
    """By the guests on them: network → projects. For journals that do not say whose a network is."""
    found: dict[str, set[str]] = {}
    for thing in adoption.of_kind("guest"):
        for interface in thing.spec.interfaces:
            found.setdefault(interface.network_id, set()).add(thing.spec.project_id)
    return found


def _said(spec: Network) -> tuple[Any, ...]:
    """What never changes of a network: nodes that say different things cannot both be right."""
    owner = spec.record.owner.id if spec.record else None
    return spec.kind, spec.segmentation_id, spec.physical_network, owner


def _all_said(adoption: Adoption) -> dict[str, list[Thing]]:
    """Network → what each node keeps of it."""
    found: dict[str, list[Thing]] = {}
    for thing in adoption.of_kind("network"):
        found.setdefault(thing.ref, []).append(thing)
    return found


def _network(
    world: World, adoption: Adoption, thing: Thing, owners: dict[str, set[str]], said: dict[str, list[Thing]]
) -> None:
    spec: Network = thing.spec
    known = world.nets.get(spec.id)
    if known is None:
        others = [one for one in said[spec.id] if _said(one.spec) != _said(spec)]
        if any(one.spec.record is not None and spec.record is not None for one in others):
            return adoption.leave(thing, f"{others[0].host.name} says something else of it")
        segment = (spec.kind, spec.segmentation_id or spec.physical_network)
        if spec.kind != "local" and segment in world.segments:
            return adoption.leave(thing, f"another network has its segment {segment[1]}")
        world.segments.add(segment)
        record = spec.record or _guessed(spec, sorted(owners.get(spec.id, ())))
        opened = record.shared or record.external
        known = world.nets[spec.id] = Net(spec.id, record.owner.id, opened, True)
        adoption.belongs(record.owner)
        row = {**world.standard(spec.id, record.owner.id, record), "kind": spec.kind, "mtu": spec.mtu}
        row.update(physical_network=spec.physical_network, segmentation_id=spec.segmentation_id)
        row.update(availability_zone_hints=[], name=record.name)
        for name in ("admin_state_up", "shared", "external", "port_security_enabled", "dns_domain"):
            row[name] = getattr(record, name)
        world.rows[networks].append({**row, "is_default": record.is_default and not world.rows[networks]})
        adoption.take(thing, row["name"], record.owner.id)
    for place, subnet in enumerate(spec.subnets):
        _subnet(world, adoption, known, subnet, place)
    return None


def _guessed(spec: Network, projects: Sequence[str]) -> NetworkRecord:
    """A record for a network of whose owner nothing is said: the project of the guests on it. Where that is not one,
    it is for all of them."""
    owner = Owner(id=projects[0] if len(projects) == 1 else "")
    name = f"adopted-{spec.id[:8]}"
    return NetworkRecord(owner=owner, name=name, shared=len(projects) > 1, external=spec.kind == "flat")


def _subnet(world: World, adoption: Adoption, network: Net, spec: Subnet, place: int) -> None:
    net = ipaddress.ip_network(spec.cidr)
    if spec.id in world.ranges:
        return
    if not world.range(spec.id, Range(network.id, net, spec.gateway_ip)):
        return
    record = spec.record
    project_id = (record.project_id if record else "") or network.project_id
    pools = [{"start": first, "end": last} for first, last in record.pools] if record else []
    name = record.name if record else f"adopted-{spec.id[:8]}"
    row = {**world.standard(spec.id, project_id, record, place), "network_id": network.id, "name": name}
    row.update(ip_version=net.version, cidr=spec.cidr, gateway_ip=spec.gateway_ip, enable_dhcp=spec.enable_dhcp)
    row.update(dns_nameservers=spec.dns_nameservers, cursor="", ipv6_ra_mode=None, ipv6_address_mode=None)
    row.update(host_routes=[{"destination": r.destination, "nexthop": r.nexthop} for r in spec.host_routes])
    row.update(allocation_pools=pools or default_pools(net, spec.gateway_ip), service_types=[])
    row["dns_publish_fixed_ip"] = False
    if record is not None:
        row.update(ipv6_ra_mode=record.ipv6_ra_mode, ipv6_address_mode=record.ipv6_address_mode)
        row.update(service_types=record.service_types, dns_publish_fixed_ip=record.dns_publish_fixed_ip)
    world.rows[subnets].append(row)
    note = spec.cidr if network.new else f"{spec.cidr}, added to network {network.id}, which has a row"
    adoption.note("subnet", spec.id, name, note)


def _dhcp(world: World, thing: Thing) -> None:
    """The port of the DHCP server of a network that is new."""
    spec: Network = thing.spec
    server, net = spec.dhcp, world.nets[spec.id]
    if server is not None:
        world.answered |= {host.port_id: (place, host) for place, host in enumerate(server.hosts)}
    if server is None or not net.new or not _free(world, spec.id, server.port_id, server.mac):
        return
    row = {**world.standard(server.port_id, net.project_id, None), "network_id": spec.id, "mac_address": server.mac}
    row.update(device_owner=propagation.DHCP, device_id=dhcp.device(thing.host.name, spec.id))
    world.port({**row, "link_id": thing.link_id, "host": thing.host.name})
    world.address(server.port_id, spec.id, server.addresses)


def _free(world: World, network_id: str, port_id: str, mac: str) -> bool:
    return port_id not in world.ports and (network_id, mac) not in world.macs


def _loose_ports(world: World, thing: Thing) -> None:
    """Ports that a new network's DHCP server answers and that no guest has brought: so that nobody gets their
    addresses."""
    spec: Network = thing.spec
    if spec.dhcp is None or not world.nets[spec.id].new:
        return
    for place, host in enumerate(spec.dhcp.hosts):
        if _free(world, spec.id, host.port_id, host.mac):
            _loose_port(world, world.nets[spec.id], host, place)


def _loose_port(world: World, net: Net, host: DhcpHost, place: int) -> None:
    record = host.record or PortRecord(description=ADOPTED)
    project_id = record.project_id or net.project_id
    row = {**world.standard(host.port_id, project_id, record, place), "network_id": net.id, "mac_address": host.mac}
    groups = [group for group in record.security_groups if world.groups.get(group) == project_id]
    pairs = [{"ip_address": ip, "mac_address": mac} for ip, mac in record.allowed_address_pairs]
    row.update(name=record.name, admin_state_up=record.admin_state_up, port_security_enabled=record.port_security)
    row.update(allowed_address_pairs=pairs, device_id="", device_owner="", **_names(world, record, host, place))
    if not record.device_owner.startswith(("network:", COMPUTE)):
        row.update(device_id=record.device_id, device_owner=record.device_owner)
    world.port(row, groups)
    world.address(host.port_id, net.id, host.addresses)


def _names(world: World, record: PortRecord | None, host: DhcpHost | None, place: int) -> dict[str, Any]:
    """A port's names and DHCP options, from its record or from what the DHCP server knows."""
    if record is not None and record.description != ADOPTED:
        at = record.named_at or record.created_at or world.tx.now + place
        options = [{"opt_name": n, "opt_value": v, "ip_version": version} for n, v, version in record.extra_dhcp_opts]
        return {
            "dns_name": record.dns_name,
            "dns_domain": record.dns_domain,
            "named_at": at,
            "extra_dhcp_opts": options,
        }
    if host is None:
        return {"named_at": world.tx.now + place}
    given = bool(host.addresses) and host.hostname == host_name("", host.addresses[0].ip)
    options = [{"opt_name": n, "opt_value": v, "ip_version": 4} for n, v in host.extra_opts]
    return {"dns_name": "" if given else host.hostname, "named_at": world.tx.now + place, "extra_dhcp_opts": options}


# ---- security groups


def _group(world: World, adoption: Adoption, thing: Thing, users: dict[str, str]) -> None:
    spec, record = thing.spec, thing.spec.record
    if spec.id in world.groups:
        return
    owner = record.owner if record else Owner(id=users.get(spec.id, ""))
    default = bool(record and record.is_default) and owner.id not in world.defaults
    if default:
        world.defaults.add(owner.id)
    world.groups[spec.id] = owner.id
    adoption.belongs(owner)
    row = {**world.standard(spec.id, owner.id, record), "is_default": default}
    row["name"] = record.name if record else f"adopted-{spec.id[:8]}"
    world.rows[security_groups].append({**row, "stateful": record.stateful if record else True})
    said: set[str] = set()
    for place, rule in enumerate(spec.rules):
        values = {name: getattr(rule, name) for name in RULE_FIELDS}
        says = meaning(values)
        if rule.id in world.rules or says in said:
            continue
        world.rules.add(rule.id)
        said.add(says)
        told = {**world.standard(rule.id, owner.id, None, place), "description": rule.description}
        world.rows[security_group_rules].append({**told, "security_group_id": spec.id, **values, "meaning": says})
    adoption.take(thing, row["name"], owner.id)


def _group_users(adoption: Adoption) -> dict[str, str]:
    """Security group → the project of the first guest that has it."""
    found: dict[str, str] = {}
    for thing in adoption.of_kind("guest"):
        for interface in thing.spec.interfaces:
            for group in interface.security_groups:
                found.setdefault(group, thing.spec.project_id)
    return found


# ---- routers


def _router(world: World, adoption: Adoption, thing: Thing) -> None:
    spec: Router = thing.spec
    if spec.id in world.routers:
        return None
    legs = [(leg, INTERFACE) for leg in spec.ports] + ([(spec.gateway, GATEWAY)] if spec.gateway else [])
    inside = next((world.nets[leg.network_id].project_id for leg in spec.ports if leg.network_id in world.nets), "")
    owner = spec.record.owner if spec.record else Owner(id=inside)
    for leg, _ in legs:
        why = _unpluggable(world, leg.network_id, owner.id, leg.port_id, leg.mac)
        if why:
            return adoption.leave(thing, why)
    world.routers.add(spec.id)
    adoption.belongs(owner)
    row = {**world.standard(spec.id, owner.id, spec.record), "admin_state_up": spec.admin_state_up}
    row.update(name=spec.record.name if spec.record else f"adopted-{spec.id[:8]}", link_id=thing.link_id)
    row.update(gateway_port_id=None, gateway_network_id=None, enable_snat=spec.enable_snat, availability_zone_hints=[])
    row.update(routes=[{"destination": route.destination, "nexthop": route.nexthop} for route in spec.routes])
    if spec.gateway is not None:
        row.update(gateway_port_id=spec.gateway.port_id, gateway_network_id=spec.gateway.network_id)
    world.rows[routers].append(row)
    refused = [ip for place, (leg, kind) in enumerate(legs) for ip in _leg(world, thing, owner.id, leg, kind, place)]
    note = f"without {', '.join(refused)}, which it may not have" if refused else ""
    adoption.take(thing, row["name"], owner.id, note)
    return None


def _leg(world: World, thing: Thing, project_id: str, leg: RouterPort, kind: str, place: int) -> list[str]:
    """A leg; the addresses that it does not get."""
    record = leg.record
    owner = "" if kind == GATEWAY else (record.project_id if record else "") or project_id
    row = {**world.standard(leg.port_id, owner, record, place), "network_id": leg.network_id, "mac_address": leg.mac}
    row.update(device_owner=kind, device_id=thing.ref, name=record.name if record else "")
    world.port({**row, "link_id": thing.link_id, "host": thing.host.name, **_names(world, record, None, place)})
    return world.address(leg.port_id, leg.network_id, leg.addresses, gateway=kind == INTERFACE)


def _unpluggable(world: World, network_id: str, project_id: str, port_id: str, mac: str) -> str:
    """Why this cannot be a port of the project on the network; empty when it can."""
    net = world.nets.get(network_id)
    if net is None:
        return f"there is no network {network_id}"
    if not net.open and net.project_id not in (project_id, ""):
        return f"network {network_id} is another project's"
    if port_id in world.ports and port_id not in world.loose:
        return f"there is a port {port_id} already"
    if world.macs.get((network_id, mac), port_id) != port_id:
        return f"another port of network {network_id} has its MAC address {mac}"
    return ""


def _floating(world: World, adoption: Adoption, thing: Thing, spec: FloatingIp, place: int) -> None:
    """A floating IP of a router that is new. One of which too little is known is an address without an owner."""
    router, record = thing.spec, spec.record
    if thing.ref not in adoption.refs or spec.id in world.floating or record is None or router.gateway is None:
        return
    outside, range_ = router.gateway.network_id, world.ranges.get(record.subnet_id)
    if not _free(world, outside, record.outside_port_id, record.outside_mac) or range_ is None:
        return
    address = Address(ip=spec.floating_ip, subnet_id=record.subnet_id, prefix=range_.net.prefixlen)
    if world.address(record.outside_port_id, outside, [address]):
        adoption.note("floating_ip", spec.id, spec.floating_ip, "left out: its address is another port's")
        return
    world.floating.add(spec.id)
    port = {**world.standard(record.outside_port_id, "", None), "network_id": outside, "status": "N/A"}
    world.port({**port, "mac_address": record.outside_mac, "device_owner": FLOATING, "device_id": spec.id})
    digits = number(ipaddress.ip_address(spec.fixed_ip))
    inner = {address.subnet_id for leg in router.ports for address in leg.addresses}
    inside = any(world.taken.get((subnet_id, digits)) == record.port_id for subnet_id in inner)
    row = {**world.standard(spec.id, record.owner.id, record, place), "floating_network_id": outside}
    row.update(floating_ip_address=spec.floating_ip, floating_port_id=record.outside_port_id, status="DOWN")
    row.update(dns_name=record.dns_name, dns_domain=record.dns_domain, port_id=record.port_id if inside else None)
    row.update(fixed_ip_address=spec.fixed_ip if inside else None, router_id=thing.ref if inside else None)
    world.rows[floatingips].append(row)
    adoption.belongs(record.owner)
    adoption.note("floating_ip", spec.id, spec.floating_ip, f"leads to {spec.fixed_ip}" if inside else "leads nowhere")


# ---- guests


def _guest(world: World, adoption: Adoption, thing: Thing) -> None:
    """The ports of a guest: all of them, or the guest is left."""
    spec: Guest = thing.spec
    for each in spec.interfaces:
        owner = (each.record.project_id if each.record else "") or spec.project_id
        why = _unpluggable(world, each.network_id, owner, each.port_id, each.mac)
        loose = world.loose.get(each.port_id)
        if loose is not None and (loose.network_id, loose.mac_address) != (each.network_id, each.mac):
            why = f"there is a port {each.port_id} already"
        if why:
            return adoption.leave(thing, why)
    merged = [each.port_id for each in spec.interfaces if each.port_id in world.loose]
    if merged:
        world.replace(merged)
    closed = [ip for place, each in enumerate(spec.interfaces) for ip in _interface(world, thing, each, place)]
    if closed:
        adoption.note(
            "port", spec.interfaces[0].port_id, spec.display_name, f"closed for {', '.join(closed)}: not free"
        )
    return None


def _interface(world: World, thing: Thing, each: Interface, place: int) -> list[str]:
    """A guest's port; the addresses that it does not get, which its host then lets nobody use there."""
    record = each.record
    project_id = (record.project_id if record else "") or thing.spec.project_id
    row = {**world.standard(each.port_id, project_id, record, place), "network_id": each.network_id}
    groups = [group for group in each.security_groups if world.groups.get(group) in (project_id, "")]
    pairs = [{"ip_address": pair.ip, "mac_address": pair.mac} for pair in each.allowed_address_pairs]
    row.update(mac_address=each.mac, admin_state_up=each.admin_state_up, port_security_enabled=each.port_security)
    row.update(allowed_address_pairs=pairs, device_id=thing.ref, device_owner=f"{COMPUTE}nova", position=place)
    row.update(host=thing.host.name, link_id=thing.link_id, plugged=True, by_compute=record.made if record else True)
    row.update(name=record.name if record else "", tag=record.tag if record else None, status="ACTIVE")
    place, answered = world.answered.get(each.port_id, (place, None))
    world.port({**row, **_names(world, record, answered, place)}, groups)
    return world.address(each.port_id, each.network_id, each.addresses)


# ---- telling


def _tell(tx: Transaction, world: World) -> None:
    """Each link with a new port wants its network, its groups and its routers, and those that have them hear of it."""
    highest = max((row["segmentation_id"] or 0 for row in world.rows[networks]), default=0)
    if highest:
        last = next((row.value for row in tx.rows_by_key(sequences, name="vni")), 0)
        tx.upsert(sequences, {"name": "vni"}, value=max(last, highest))
    groups_of: dict[str, set[str]] = {}
    links = {row["id"]: row["link_id"] for row in world.rows[ports] if row["link_id"]}
    nets = {(row["network_id"], row["link_id"]) for row in world.rows[ports] if row["link_id"]}
    for row in world.rows[port_groups]:
        if row["port_id"] in links:
            groups_of.setdefault(links[row["port_id"]], set()).add(row["group_id"])
    for network_id, link_id in sorted(nets):
        propagation.plugged(tx, network_id, link_id)
    for link_id, groups in sorted(groups_of.items()):
        propagation.groups_used(tx, link_id, groups)
    plugged = [(row["link_id"], row["id"], row["host"]) for row in world.rows[ports] if row["plugged"]]
    fleet.publish_all(tx, "port", plugged)
    for row in world.rows[routers]:
        fleet.publish(tx, link_id=row["link_id"], kind="router", ref=row["id"])
