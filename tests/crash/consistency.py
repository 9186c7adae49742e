"""Compares what a cloud believes with what its simulated hosts have, and its tables with each other.

Everything is read in one snapshot. The answer is a list of sentences, one for each thing that disagrees; an empty
list is a cloud in which nothing is stuck, leaked or doubled. It changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Table, select

from cumulet.db import Database, Transaction
from cumulet.db.times import SECOND
from cumulet.engine.tables import flows
from cumulet.fleet.tables import desired, links
from cumulet.node.simulated import SimulatedGuest
from cumulet.services.compute import states
from cumulet.services.compute.model import scheduling
from cumulet.services.compute.tables import actions, servers, usages
from cumulet.services.compute.verbs import VERBS
from cumulet.services.network.tables import addresses, floatingips, networks, port_bindings, port_groups, ports, routers
from cumulet.services.placement.tables import allocations, consumers, inventories, providers

FLOW_OF = {verb.task: verb.flow for verb in VERBS if verb.flow}
LATE_S = 5.0
"""A flow whose deadline has passed for longer is stuck: the runner looks every second."""


@dataclass
class Snapshot:
    """All rows that matter, and the guests of the simulated hosts. `settled`: nothing should be under way."""

    now: int
    settled: bool
    guests: dict[str, SimulatedGuest] | None
    rows: dict[str, list[Any]]
    alive: dict[str, Any] = field(default_factory=dict)
    ports_of: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    wanted: dict[str, list[Any]] = field(default_factory=dict)


TABLES: dict[str, Table] = {
    "servers": servers, "flows": flows, "desired": desired, "links": links, "actions": actions, "usages": usages,
    "ports": ports, "addresses": addresses, "floatingips": floatingips, "networks": networks, "routers": routers,
    "port_groups": port_groups, "port_bindings": port_bindings, "allocations": allocations, "consumers": consumers,
    "inventories": inventories,
    "providers": providers,
}  # fmt: skip


def guests_of(folder: Path) -> list[SimulatedGuest]:
    """The guests that simulated hosts keep in `folder` (``node/world`` of a state folder)."""
    return [msgspec.json.decode(path.read_bytes(), type=SimulatedGuest) for path in sorted(folder.glob("*.json"))]


def disagreements(db: Database, guests: Sequence[SimulatedGuest] | None, *, settled: bool = True) -> list[str]:
    """What disagrees. Without `guests` only the tables are compared."""
    with db.read() as tx:
        snapshot = _look(tx, guests, settled)
    checks = (_servers, _flows, _claims, _stock, _quotas, _ports, _addresses, _wanted, _floating, _world, _actions)
    return [sentence for check in checks for sentence in check(snapshot)]


def _look(tx: Transaction, guests: Sequence[SimulatedGuest] | None, settled: bool) -> Snapshot:
    rows: dict[str, list[Any]] = {name: list(tx.rows(select(table))) for name, table in TABLES.items()}
    by_id = None if guests is None else {guest.id: guest for guest in guests}
    found = Snapshot(tx.now, settled, by_id, rows)
    found.alive = {row.id: row for row in rows["servers"] if row.deleted_at is None}
    for port in rows["ports"]:
        if port.device_owner.startswith("compute:"):
            found.ports_of[port.device_id].append(port)
    for row in rows["desired"]:
        if row.kind == "guest":
            found.wanted.setdefault(row.ref, []).append(row)
    return found


def _servers(s: Snapshot) -> Iterator[str]:
    for server in s.alive.values():
        what = f"server {server.id} ({server.vm_state}/{server.task_state} on {server.host})"
        if (server.host is None) != (server.link_id is None):
            yield f"{what} has a host without a link, or a link without a host"
        if server.host is None and server.vm_state != states.ERROR:
            yield f"{what} is on no host but not in ERROR"
        if s.settled and (
            server.task_state is not None or server.vm_state not in (states.ACTIVE, states.STOPPED, states.ERROR)
        ):
            yield f"{what} is stuck"
        live = [row for row in s.wanted.get(server.id, []) if not row.gone]
        if server.host is None or server.task_state == states.DELETING:
            if live:
                yield f"{what} is still wanted on {[row.host for row in live]}"
        elif [(row.link_id, row.host) for row in live] != [(server.link_id, server.host)]:
            yield f"{what} is wanted on {[row.host for row in live]}"


def _flows(s: Snapshot) -> Iterator[str]:
    kinds = defaultdict(set)
    for flow in s.rows["flows"]:
        kinds[flow.subject].add(flow.kind)
        if flow.subject not in s.alive:
            yield f"flow {flow.kind} is about {flow.subject}, which is no server"
        if flow.deadline_at < s.now - LATE_S * SECOND:
            yield f"flow {flow.kind} of {flow.subject} is past its deadline"
        if s.settled:
            yield f"flow {flow.kind} of {flow.subject} is under way in step {flow.step} after {flow.attempts} attempts"
    for server in s.alive.values():
        need = {FLOW_OF[server.task_state]} if server.task_state in FLOW_OF else set()
        if server.vm_state == states.BUILDING and server.task_state != states.DELETING:
            need = {"create"}
        if kinds[server.id] != need:
            yield (
                f"server {server.id} ({server.vm_state}/{server.task_state}) has the flows {sorted(kinds[server.id])}, "
                f"not {sorted(need)}"
            )


def _claims(s: Snapshot) -> Iterator[str]:
    names = {row.uuid: row.name for row in s.rows["providers"]}
    held: defaultdict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for row in s.rows["allocations"]:
        held[row.consumer_uuid].append((names.get(row.provider_uuid, "?"), row.resource_class, row.used))
    for consumer, claims in held.items():
        if consumer not in s.alive:
            yield f"{claims} are claimed for {consumer}, which is no server"
    for server in s.alive.values():
        wanted: list[tuple[str, str, int]] = []
        if server.host is not None:
            resources = scheduling.resources_of(server.flavor, server.vcpus, server.ram)
            wanted = sorted((server.host, name, amount) for name, amount in resources.items())
        if sorted(held.get(server.id, [])) != wanted:
            yield f"server {server.id} on {server.host} claims {sorted(held.get(server.id, []))}, not {wanted}"
    known = {row.uuid for row in s.rows["consumers"]}
    for uuid in known ^ set(held):
        yield f"consumer {uuid} has a row without claims, or claims without a row"


def _stock(s: Snapshot) -> Iterator[str]:
    sums: Counter[tuple[str, str]] = Counter()
    for row in s.rows["allocations"]:
        sums[row.provider_uuid, row.resource_class] += row.used
    for row in s.rows["inventories"]:
        used = sums[row.provider_uuid, row.resource_class]
        if row.used != used:
            yield f"provider {row.provider_uuid} counts {row.used} {row.resource_class}, its claims are {used}"
        if used > row.capacity:
            yield f"provider {row.provider_uuid} is overcommitted: {used} {row.resource_class} of {row.capacity}"


def _quotas(s: Snapshot) -> Iterator[str]:
    used: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for server in s.alive.values():
        for index, amount in enumerate((1, server.vcpus, server.ram)):
            used[server.project_id][index] += amount
    counted = {row.project_id: [row.instances, row.cores, row.ram] for row in s.rows["usages"]}
    for project in used.keys() | counted.keys():
        if used[project] != counted.get(project, [0, 0, 0]):
            yield f"quota of {project} counts {counted.get(project)}, its servers use {used[project]}"


def _ports(s: Snapshot) -> Iterator[str]:
    for device, plugged in s.ports_of.items():
        server = s.alive.get(device)
        for port in plugged:
            if server is None:
                yield f"port {port.id} is plugged into {device}, which is no server"
            elif (port.host, port.link_id) != (server.host, server.link_id):
                yield f"port {port.id} is bound to {port.host}, its server {device} is on {server.host}"
            elif s.settled and server.vm_state == states.ACTIVE and port.status != "ACTIVE":
                yield f"port {port.id} of the running server {device} is {port.status}"
    for router_port in (row for row in s.rows["ports"] if row.device_owner.startswith("network:router")):
        if router_port.device_id not in {row.id for row in s.rows["routers"]}:
            yield f"port {router_port.id} belongs to {router_port.device_id}, which is no router"
    macs = Counter((row.network_id, row.mac_address) for row in s.rows["ports"])
    yield from (f"MAC {mac} is there {count} times" for mac, count in macs.items() if count > 1)
    known = {row.id for row in s.rows["ports"]}
    for row in s.rows["port_groups"]:
        if row.port_id not in known:
            yield f"security group {row.group_id} lists port {row.port_id}, which is not there"
    plugged_in = {port.id: port.host for ports_of_one in s.ports_of.values() for port in ports_of_one}
    bound = {row.port_id: row.host for row in s.rows["port_bindings"] if row.status == "ACTIVE"}
    for id, host in plugged_in.items():
        if bound.get(id) != host:
            yield f"port {id} is on {host}, its binding says {bound.get(id)}"
    for id in bound.keys() - known:
        yield f"port {id} has a binding and is not there"


def _addresses(s: Snapshot) -> Iterator[str]:
    known = {row.id: row for row in s.rows["ports"]}
    count = Counter((row.network_id, row.ip_address) for row in s.rows["addresses"])
    yield from (f"address {ip} of network {net} is there twice" for (net, ip), n in count.items() if n > 1)
    having = set()
    for row in s.rows["addresses"]:
        having.add(row.port_id)
        if row.port_id not in known:
            yield f"address {row.ip_address} belongs to port {row.port_id}, which is not there"
        elif known[row.port_id].network_id != row.network_id:
            yield f"address {row.ip_address} is on another network than its port {row.port_id}"
    for port in known.values():
        if port.device_owner.startswith("compute:") and port.id not in having:
            yield f"port {port.id} of server {port.device_id} has no address"


def _wanted(s: Snapshot) -> Iterator[str]:
    for ref, rows in s.wanted.items():
        for row in rows:
            if not row.gone and ref not in s.alive:
                yield f"guest {ref} is wanted on {row.host}, but there is no such server"
            if s.settled and row.gone:
                yield f"guest {ref} was not yet reported absent from {row.host}"
    here = {(row.link_id, row.ref): row for row in s.rows["desired"] if row.kind == "network" and not row.gone}
    bound = {(row.link_id, row.network_id) for row in s.rows["ports"] if row.link_id}
    for link_id, network_id in bound - here.keys():
        yield f"network {network_id} has ports on link {link_id} but is not wanted there"
    for link_id, network_id in here.keys() - bound:
        yield f"network {network_id} is wanted on link {link_id} without a port there"
    told = {(row.link_id, row.ref) for row in s.rows["desired"] if row.kind == "port" and not row.gone}
    plugged_in = {(row.link_id, row.id) for row in s.rows["ports"] if row.plugged and row.link_id}
    for link_id, port_id in told ^ plugged_in:
        yield f"port {port_id} on link {link_id} is wanted there or bound there, not both"
    if s.settled:
        for row in s.rows["desired"]:
            if row.reported_revision != row.revision:
                yield f"{row.kind} {row.ref} at revision {row.revision} was reported at {row.reported_revision} last"


def _floating(s: Snapshot) -> Iterator[str]:
    fixed = {(row.port_id, row.ip_address) for row in s.rows["addresses"]}
    addresses_seen = Counter(row.floating_ip_address for row in s.rows["floatingips"])
    yield from (f"floating ip {ip} is there {n} times" for ip, n in addresses_seen.items() if n > 1)
    for row in s.rows["floatingips"]:
        what = f"floating ip {row.floating_ip_address} ({row.status})"
        if (row.floating_port_id, row.floating_ip_address) not in fixed:
            yield f"{what} does not hold its address"
        if row.port_id is None:
            if row.router_id or row.fixed_ip_address or row.status != "DOWN":
                yield f"{what} leads nowhere but has {row.router_id}, {row.fixed_ip_address}"
        elif (row.port_id, row.fixed_ip_address) not in fixed:
            yield f"{what} leads to {row.fixed_ip_address} of port {row.port_id}, which is not there"
        elif row.router_id is None:
            yield f"{what} leads through no router"
        elif s.settled and row.status != "ACTIVE":
            yield f"{what} is associated but not ACTIVE"
    taken = {row.floating_port_id for row in s.rows["floatingips"]}
    for port in s.rows["ports"]:
        if port.device_owner == "network:floatingip" and port.id not in taken:
            yield f"port {port.id} belongs to a floating ip that is not there"


def _world(s: Snapshot) -> Iterator[str]:
    if s.guests is None:
        return
    for guest in s.guests.values():
        server = s.alive.get(guest.id)
        if server is None:
            if s.settled or guest.id not in s.wanted:
                yield f"guest {guest.id} on {guest.host} has no server"
        elif s.settled and guest.host != server.host:
            yield f"guest {guest.id} is on {guest.host}, its server on {server.host}"
    if not s.settled:
        return
    for server in s.alive.values():
        if server.vm_state == states.ERROR:
            continue
        if server.id not in s.guests:
            yield f"server {server.id} on {server.host} has no guest"
            continue
        guest = s.guests[server.id]
        if guest.running != (server.vm_state == states.ACTIVE):
            yield f"server {server.id} is {server.vm_state}, its guest {'runs' if guest.running else 'is off'}"
        taps = sorted(f"tap{port.id[:11]}" for port in s.ports_of[server.id])
        if sorted(guest.taps) != taps:
            yield f"guest {guest.id} has the taps {sorted(guest.taps)}, not {taps}"
        if (guest.hard_reboots, guest.soft_reboots) != (server.hard_reboots, server.soft_reboots):
            yield f"guest {guest.id} has missed a reboot"


def _actions(s: Snapshot) -> Iterator[str]:
    if s.settled:
        for row in s.rows["actions"]:
            if row.finished_at is None:
                yield f"action {row.action} of server {row.server_id} never ended"
