"""The façade of the network parts: what the node agent calls, and nothing else of this package.

Every call makes the world match what it is given and returns quickly when it does already. What belongs to
this cloud is written in the state folder before it is made, so another cloud on this machine is never
touched.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from cumulet.desired.network import Network
from cumulet.desired.port import Interface
from cumulet.desired.router import Router
from cumulet.desired.security_group import SecurityGroup
from cumulet.node.net import bridge, intake, leases, metadata, names, provider, taps, vxlan
from cumulet.node.net.dhcp import DhcpServers
from cumulet.node.net.firewall import CHECK_EVERY_S, Firewall
from cumulet.node.net.leases import Leg
from cumulet.node.net.links import Link, links, namespaces, release_namespace_folder
from cumulet.node.net.metadata import MetadataProxy, Place, ProxyReply, ProxyRequest
from cumulet.node.net.provider import ProviderConfig
from cumulet.node.net.registry import Noun, Registry
from cumulet.node.net.router import Routers
from cumulet.node.net.run import RUNTIME, NodeError, drop_locks

__all__ = ["NetworkParts", "Observed", "ProviderConfig", "ProxyReply", "ProxyRequest"]


class Observed(Struct, frozen=True):
    """Ids of what this cloud has on this machine. `strangers` are devices and namespaces named like ours
    that are not: of another cloud, or left by a lost state folder."""

    networks: frozenset[str] = frozenset()
    routers: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()


@dataclass
class _Seen:
    """The spec last applied and what was left out of it, and how the world looked right after."""

    spec: Network | Router
    encoded: bytes
    left_out: list[str] = field(default_factory=list)
    world: dict[str, Link] = field(default_factory=dict)
    at: float = 0.0


class NetworkParts:
    """All network parts of one cloud on this host. Calls may come from any thread; they run one after
    another."""

    def __init__(
        self,
        state: Path,
        provider: ProviderConfig,
        metadata_upstream: Callable[[ProxyRequest], ProxyReply],
        tunnel_ip: str | None,
    ) -> None:
        tag = names.cloud_tag(state)
        self._state = state
        self._provider = provider
        self._tunnel_ip = tunnel_ip
        self._runtime = RUNTIME / tag
        self._registry = Registry(state / "made")
        self._firewall = Firewall(self._registry, tag)
        self._dhcp = DhcpServers(self._runtime / "dhcp")
        self._routers = Routers()
        self._metadata = MetadataProxy(metadata_upstream)
        self._lock = threading.RLock()
        self._seen: dict[str, _Seen] = {}

    # ---- networks ------------------------------------------------------------------------------------------

    def ensure_network(self, given: Network) -> list[str]:
        """Make a network with its segment and DHCP; returns what of it was left out, and why. NodeError,
        NodeCommandError or ValueError say what failed."""
        with self._lock:
            taken = intake.network(given)
            spec = taken.spec
            if self._unchanged(spec.id, spec) and (spec.dhcp is None or self._dhcp_alive(spec)):
                return [*taken.left_out, *self._seen[spec.id].left_out]
            self._seen.pop(spec.id, None)
            facts = self._registry.facts("networks", spec.id) or {}
            self._registry.note("networks", spec.id, **{**facts, "kind": spec.kind})
            self._ensure_segment(spec)
            self._firewall.ensure_network(spec.id)
            failed = self._dhcp.ensure(spec, self._routed())
            namespace = names.dhcp_namespace(spec.id)
            if namespace in namespaces():
                self._metadata.ensure(namespace, [Place(names.METADATA_ADDRESS, 80, spec.id)])
            else:
                self._metadata.absent(namespace)
            self._remember(spec, failed)
            return [*taken.left_out, *failed]

    def absent_network(self, network_id: str) -> None:
        """Remove a network from this host, whether or not it was ever made."""
        with self._lock:
            facts = self._registry.facts("networks", network_id)
            self._seen.pop(network_id, None)
            if facts is None:
                return
            self._metadata.absent(names.dhcp_namespace(network_id))
            self._dhcp.absent(network_id)
            vxlan.absent(network_id)
            if facts.get("kind") == "flat":
                provider.absent(network_id)
            else:
                bridge.absent(network_id)
            self._firewall.absent_network(network_id)
            self._registry.forget("networks", network_id)

    def _ensure_segment(self, spec: Network) -> None:
        if spec.kind == "flat":
            if spec.physical_network != self._provider.physical_network:
                raise NodeError(f"This host has no physical network {spec.physical_network}")
            provider.ensure(spec.id, spec.mtu, self._provider)
            return
        bridge.ensure(spec.id, spec.mtu)
        if spec.kind == "vxlan":
            if spec.segmentation_id is None:
                raise NodeError("A VXLAN network has no segmentation id")
            vxlan.ensure(spec.id, spec.segmentation_id, spec.mtu, self._tunnel_ip, spec.peers)

    def _dhcp_alive(self, spec: Network) -> bool:
        return self._dhcp.running(spec.id) or not any(each.enable_dhcp for each in spec.subnets)

    # ---- routers -------------------------------------------------------------------------------------------

    def ensure_router(self, given: Router) -> list[str]:
        """Make a router with its legs, translations and metadata listeners; returns what of it was left out, and
        why."""
        with self._lock:
            taken = intake.router(given)
            spec = taken.spec
            if self._unchanged(spec.id, spec):
                return [*taken.left_out, *self._seen[spec.id].left_out]
            self._seen.pop(spec.id, None)
            before = self._routed()
            legs = [[each.subnet_id, each.ip] for port in spec.ports for each in port.addresses]
            up = spec.admin_state_up
            self._registry.note("routers", spec.id, legs=legs if up else [])
            if not up:
                self._metadata.absent(names.router_namespace(spec.id))
            failed = self._routers.ensure(spec)
            if up:
                self._metadata.ensure(names.router_namespace(spec.id), metadata.places_of(spec))
            self._reroute(before)
            self._remember(spec, failed)
            return [*taken.left_out, *failed]

    def absent_router(self, router_id: str) -> None:
        """Remove a router from this host."""
        with self._lock:
            if self._registry.facts("routers", router_id) is None:
                return
            self._seen.pop(router_id, None)
            before = self._routed()
            self._metadata.absent(names.router_namespace(router_id))
            self._routers.absent(router_id)
            self._registry.forget("routers", router_id)
            self._reroute(before)

    def _routed(self) -> frozenset[Leg]:
        """The legs of all routers on this host."""
        found: set[Leg] = set()
        for router_id in self._registry.ids("routers"):
            legs = (self._registry.facts("routers", router_id) or {}).get("legs", [])
            found.update((subnet_id, ip) for subnet_id, ip in legs)
        return frozenset(found)

    def _reroute(self, before: frozenset[Leg]) -> None:
        """Tell guests of subnets that got or lost their router the other way to metadata."""
        changed = self._routed() ^ before
        for seen in list(self._seen.values()):
            spec = seen.spec
            if isinstance(spec, Network) and spec.dhcp and changed & leases.gateways(spec):
                self._dhcp.ensure(spec, self._routed())

    # ---- ports ---------------------------------------------------------------------------------------------

    def ensure_ports(self, ports: Sequence[Interface], groups: Mapping[str, SecurityGroup]) -> dict[str, str]:
        """Make the filter of this host's guest ports what is given, all of it.

        Ports not given lose their rules, or are closed while their tap exists. Returns port id → reason of
        those that failed and are closed.
        """
        with self._lock:
            errors = self._firewall.ensure(*_taken(ports, groups))
            others = self._registry.ids("ports") - {each.port_id for each in ports}
            if others:
                here = links()
                plugged = {each for each in others if names.tap(each) in here}
                self._firewall.close(plugged)
                self._firewall.absent(others - plugged)
            self._firewall.keep_only_sets()
            return errors

    def ensure_port(self, iface: Interface, groups: Mapping[str, SecurityGroup]) -> str | None:
        """Make the filter of one port; returns why it is closed, or None. The tap need not exist."""
        with self._lock:
            return self._firewall.ensure(*_taken([iface], groups)).get(iface.port_id)

    def absent_port(self, port_id: str) -> None:
        """Remove a port's tap and rules."""
        with self._lock:
            taps.absent(port_id)
            if self._registry.facts("ports", port_id) is not None:
                self._firewall.absent([port_id])

    def plug(self, iface: Interface) -> str:
        """Make the port's tap in its bridge, up; returns the device's name. Without rules the port is
        closed."""
        with self._lock:
            if not self._firewall.knows(iface.port_id):
                self._firewall.close([iface.port_id])
            return taps.ensure(iface)

    def unplug(self, port_id: str) -> None:
        """Remove the port's tap; its rules stay until :meth:`absent_port`."""
        with self._lock:
            taps.absent(port_id)

    def check(self) -> bool:
        """Compare the tables with what was written; True when something was missing and has been put back."""
        with self._lock:
            return self._firewall.mend()

    # ---- the whole -----------------------------------------------------------------------------------------

    def registered(self, noun: Noun) -> frozenset[str]:
        """Ids of what this cloud has begun to make here and not removed."""
        with self._lock:
            return frozenset(self._registry.ids(noun))

    def observe(self) -> Observed:
        """What is there now."""
        with self._lock:
            networks, routers = self._registry.ids("networks"), self._registry.ids("routers")
            ports = self._registry.ids("ports")
            there = namespaces()
            ours = {names.dhcp_namespace(each) for each in networks}
            ours |= {names.router_namespace(each) for each in routers}
            strangers = {each for each in there - ours if each.startswith(("qdhcp-", "qrouter-"))}
            bridges = {names.bridge(each) for each in networks}
            own_taps = {names.tap(each) for each in ports}
            for link in links().values():
                ownerless = link.name.startswith("tap") and link.master not in bridges
                if (link.name.startswith("brq") and link.name not in bridges) or (
                    ownerless and link.name not in own_taps
                ):
                    strangers.add(link.name)
            return Observed(frozenset(networks), frozenset(routers), frozenset(ports), frozenset(strangers))

    def sweep_ports(self, ports: Collection[str]) -> None:
        """Remove ports that are ours and not among these."""
        with self._lock:
            for port_id in self._registry.ids("ports") - set(ports):
                self.absent_port(port_id)
            self._firewall.keep_only_sets()

    def sweep(self, networks: Collection[str], routers: Collection[str], ports: Collection[str]) -> None:
        """Remove what is ours and not in these ids, ports first."""
        with self._lock:
            for port_id in self._registry.ids("ports") - set(ports):
                self.absent_port(port_id)
            for router_id in self._registry.ids("routers") - set(routers):
                self.absent_router(router_id)
            for network_id in self._registry.ids("networks") - set(networks):
                self.absent_network(network_id)
            self._firewall.keep_only_sets()

    def purge(self) -> None:
        """Remove everything this cloud made; what was here before is as it was."""
        with self._lock:
            self.sweep([], [], [])
            self._firewall.purge()
            release_namespace_folder()
            shutil.rmtree(self._runtime, ignore_errors=True)
            shutil.rmtree(self._state / "made", ignore_errors=True)
            drop_locks()

    def close(self) -> None:
        """Stop listening. Networks, routers, ports and dnsmasq stay as they are."""
        self._metadata.close()

    # ---- nothing to do -------------------------------------------------------------------------------------

    def _world(self, spec: Network | Router) -> dict[str, Link]:
        """The devices a spec is about, as they are now."""
        if isinstance(spec, Router):
            namespace = names.router_namespace(spec.id)
            outside = {names.tap(port.port_id) for port in [*spec.ports, *([spec.gateway] if spec.gateway else [])]}
        else:
            namespace = names.dhcp_namespace(spec.id)
            outside = {names.bridge(spec.id), names.host_leg(spec.id), names.host_leg_peer(spec.id)}
            outside |= {names.vxlan(spec.segmentation_id)} if spec.segmentation_id else set()
            outside |= {names.tap(spec.dhcp.port_id)} if spec.dhcp else set()
        found = {name: link for name, link in links().items() if name in outside}
        if namespace in namespaces():
            found.update({f"{namespace} {name}": link for name, link in links(namespace).items()})
        # A bridge's timers run on; they say nothing about what was asked for.
        return {
            key: Link(*(each.name, each.mac, each.mtu, each.up, each.master, each.kind, {}, each.addresses))
            for key, each in found.items()
        }

    def _remember(self, spec: Network | Router, left_out: list[str]) -> None:
        self._seen[spec.id] = _Seen(spec, msgspec.json.encode(spec), left_out, self._world(spec), time.monotonic())

    def _unchanged(self, identifier: str, spec: Network | Router) -> bool:
        seen = self._seen.get(identifier)
        if seen is None or seen.encoded != msgspec.json.encode(spec) or time.monotonic() - seen.at > CHECK_EVERY_S:
            return False
        return seen.world == self._world(spec)


def _taken(
    ports: Sequence[Interface], groups: Mapping[str, SecurityGroup]
) -> tuple[list[Interface], Mapping[str, SecurityGroup]]:
    """Ports and groups without what cannot be expressed. A port that cannot be read at all stays as it is: the firewall
    refuses it by itself, and closes it."""
    found = []
    for port in ports:
        try:
            found.append(intake.interface(port).spec)
        except ValueError:
            found.append(port)
    return found, intake.Groups(groups)
