"""Ports of guests on this host: their taps and filters, which come with the guest that has them.

Must never close or remove a port while guests are here of which nobody says whose ports are whose.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Set

from cumulet.desired.port import Interface
from cumulet.node.kinds.network import NetworkPart
from cumulet.node.net import intake
from cumulet.node.net.parts import NetworkParts
from cumulet.node.parts import NotYet, World

log = logging.getLogger("cumulet.node")


class Ports:
    """All ports of one host. `guests` gives the ids of guests that are here, wanted or not."""

    def __init__(self, net: NetworkParts, networks: NetworkPart, guests: Callable[[], Iterable[str]]) -> None:
        self._net, self._networks, self._guests = net, networks, guests

    def check(self, interface: Interface, world: World) -> None:
        """Raises NotYet until all that the port stands on is known."""
        groups = world.specs("security_group")
        missing = [group for group in interface.security_groups if group not in groups]
        if missing or world.spec("network", interface.network_id) is None:
            raise NotYet(f"port {interface.port_id} waits for its network or security groups")

    def plug(self, interface: Interface, world: World) -> list[str]:
        """Filter the port and plug it in; what of it was left out, and why it is closed if it is."""
        self._networks.ensure_all([interface.network_id], world)
        said = [f"port {interface.port_id}: {reason}" for reason in intake.interface(interface).left_out]
        reason = self._net.ensure_port(interface, world.specs("security_group"))
        if reason is not None:
            log.error("port %s is closed: %s", interface.port_id, reason)
            said.append(f"port {interface.port_id} is closed: {reason}")
        self._net.plug(interface)
        return said

    def filter(self, world: World) -> list[tuple[Interface, str]]:
        """Filter all ports; those that are closed, and why."""
        guests = [intake.guest(guest).spec for guest in world.specs("guest").values()]
        interfaces = [interface for guest in guests for interface in guest.interfaces]
        groups = world.specs("security_group")
        if world.complete and not self._strangers(world):
            closed = self._net.ensure_ports(interfaces, groups)
        else:  # ports that are not known yet are not to be closed
            reasons = {each.port_id: self._net.ensure_port(each, groups) for each in interfaces}
            closed = {port_id: reason for port_id, reason in reasons.items() if reason is not None}
        for port_id, reason in closed.items():
            log.error("port %s is closed: %s", port_id, reason)
        return [
            (each, f"port {each.port_id} is closed: {closed[each.port_id]}")
            for each in interfaces
            if each.port_id in closed
        ]

    def absent(self, port_ids: Iterable[str], world: World) -> None:
        """Make these gone, but for those that a guest has which is wanted."""
        for port_id in set(port_ids) - self._wanted(world):
            self._net.absent_port(port_id)

    def sweep(self, world: World) -> None:
        """Remove ports of guests that are gone, when all that are here are known."""
        if not self._strangers(world):
            self._net.sweep_ports(self._wanted(world))

    def _strangers(self, world: World) -> Set[str]:
        """Guests that are here and of which nobody says what they shall be: whose ports are whose is not known."""
        return set(self._guests()) - world.specs("guest").keys()

    @staticmethod
    def _wanted(world: World) -> set[str]:
        return {each.port_id for guest in world.specs("guest").values() for each in guest.interfaces}
