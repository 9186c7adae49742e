"""Agents as Neutron lists them, derived from the fleet: one node does the work of all four on its host."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction, iso
from cumulet.fleet import door as fleet
from cumulet.services.network import faults
from cumulet.services.network.extensions.availability_zone import ZONE
from cumulet.services.network.wire.attributes import Refused, boolean

LINUX_BRIDGE = ("neutron-linuxbridge-agent", "Linux bridge agent", "N/A")
ON_NETWORK_HOSTS = (
    ("neutron-dhcp-agent", "DHCP agent", "dhcp_agent"),
    ("neutron-l3-agent", "L3 agent", "l3_agent"),
    ("neutron-metadata-agent", "Metadata agent", "N/A"),
)
_WITH_ZONE = ("neutron-dhcp-agent", "neutron-l3-agent")


def every(tx: Transaction) -> list[dict[str, Any]]:
    """All agents. The queries of the list of hosts."""
    found = []
    for host in fleet.hosts(tx):
        kinds = [LINUX_BRIDGE]
        if "network" in host.facts.roles:
            kinds += ON_NETWORK_HOSTS
        found += [_agent(host, *kind) for kind in kinds if kind[0] not in host.dropped]
    return found


def _agent(host: fleet.Host, binary: str, kind: str, topic: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(uuid.UUID(host.id), binary)),
        "agent_type": kind,
        "binary": binary,
        "topic": topic,
        "host": host.name,
        "admin_state_up": True,
        "alive": host.up,
        "availability_zone": ZONE if binary in _WITH_ZONE else None,
        "created_at": _time(host.joined_at),
        "started_at": _time(host.joined_at),
        "heartbeat_timestamp": _time(host.last_seen),
        "description": None,
        "resources_synced": None,
        "configurations": _configurations(host, binary),
    }


def _time(us: int) -> str:
    return iso(us, zone="").replace("T", " ")


def _configurations(host: fleet.Host, binary: str) -> dict[str, Any]:
    if binary != LINUX_BRIDGE[0]:
        return {}
    mappings = {name: name for name in host.facts.bridge_mappings}
    return {"tunnel_types": ["vxlan"], "tunneling_ip": host.facts.tunnel_ip, "bridge_mappings": mappings}


def find(tx: Transaction, id: str) -> dict[str, Any]:
    """One agent. Raises 404."""
    for agent in every(tx):
        if agent["id"] == id:
            return agent
    raise faults.not_found("agent", id)


def remove(tx: Transaction, id: str) -> None:
    """Do not list an agent of a host that is gone, until it returns. Raises 404, and 409 for one that is alive: its
    node does the work of the agent, and would report it again."""
    agent = find(tx, id)
    host = fleet.by_names(tx, [agent["host"]])[agent["host"]]
    if fleet.alive(tx, host):
        raise faults.agent_alive(id, host.name)
    fleet.drop(tx, host, agent["binary"])


def matching(agents: Sequence[dict[str, Any]], filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Agents that match all filters. Raises 400 for an attribute that agents do not have."""
    kept = list(agents)
    for name, values in filters.items():
        if name not in _AGENT_FIELDS:
            raise faults.bad_request(f"['{name}'] is invalid attribute for filtering")
        wanted: set[Any] = set(values)
        if name in ("alive", "admin_state_up"):
            try:
                wanted = {boolean(value) for value in values}
            except Refused as refused:
                raise faults.invalid(name, str(refused)) from None
        kept = [agent for agent in kept if agent[name] in wanted]
    return kept


_AGENT_FIELDS = (
    "id",
    "agent_type",
    "binary",
    "topic",
    "host",
    "admin_state_up",
    "alive",
    "availability_zone",
    "description",
)
