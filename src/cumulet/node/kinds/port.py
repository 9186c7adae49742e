"""Ports of guests on this host: their taps and filters. A guest that starts asks for its ports here.

Must never close or remove a port while guests are here of which nobody says whose ports are whose.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

from cumulet.desired.port import Interface, Plug, Port
from cumulet.node.kinds.network import NetworkPart
from cumulet.node.net import intake
from cumulet.node.net.parts import NetworkParts
from cumulet.node.parts import NotYet, World

log = logging.getLogger("cumulet.node")


class PortPart:
    """All ports of one host; see `cumulet.node.kinds.part.KindPart` for its three methods. `guests` gives the ids of
    guests that are here, wanted or not."""

    def __init__(self, net: NetworkParts, networks: NetworkPart, guests: Callable[[], Iterable[str]]) -> None:
        self._net, self._networks, self._guests = net, networks, guests
        self._had: dict[str, set[str]] = {}

    def ensure(self, spec: Port, world: World) -> dict[str, Any]:
        """Make it so, when its network and groups are known."""
        if refused := intake.card(spec):
            return {"left_out": refused}
        self._check(spec, world)
        return {"left_out": self._plug(spec, world)}

    def absent(self, ref: str, world: World) -> None:
        """Make it gone, after the guest that has it and is to go."""
        leaving = self._strangers(world)
        if any(ref in ports for guest_id, ports in self._had.items() if guest_id in leaving):
            raise NotYet(f"port {ref} goes after its guest", 0.2)
        self._net.absent_port(ref)

    def here(self) -> Set[str]:
        """None: what nobody says anything of goes with `sweep`."""
        return frozenset()

    # ---- for guests

    def check(self, plugs: Sequence[Plug], world: World) -> None:
        """Raises NotYet until these ports are known, and all that they stand on."""
        for plug in plugs:
            port = world.spec("port", plug.port_id)
            if port is None:
                raise NotYet(f"port {plug.port_id} is not known here yet")
            self._check(port, world)

    def plug(self, port_id: str, world: World) -> list[str]:
        """Filter the port as it is wanted now and plug it in; what of it was left out, and why it is closed if it
        is."""
        port = world.spec("port", port_id)
        return [] if port is None else self._plug(port, world)

    def given(self, guest_id: str, plugs: Sequence[Plug]) -> None:
        """The guest has these ports, until it is gone."""
        self._had.setdefault(guest_id, set()).update(plug.port_id for plug in plugs)

    def left(self, guest_id: str, world: World) -> None:
        """The guest is gone: ports that only it knew of go with it."""
        for port_id in self._had.pop(guest_id, set()) - world.specs("port").keys():
            self._net.absent_port(port_id)

    # ---- all of them

    def filter(self, world: World) -> list[tuple[Port, str]]:
        """Filter all ports; those that are closed, and why."""
        ports = [port for port in world.specs("port").values() if not intake.card(port)]
        groups = world.specs("security_group")
        if world.complete and not self._strangers(world):
            closed = self._net.ensure_ports([port.interface for port in ports], groups)
        else:  # ports that are not known yet are not to be closed
            reasons = {port.id: self._net.ensure_port(port.interface, groups) for port in ports}
            closed = {port_id: reason for port_id, reason in reasons.items() if reason is not None}
        for port_id, reason in closed.items():
            log.error("port %s is closed: %s", port_id, reason)
        return [(port, f"port {port.id} is closed: {closed[port.id]}") for port in ports if port.id in closed]

    def sweep(self, world: World) -> None:
        """Remove ports of guests that are gone, when all that are here are known."""
        if not self._strangers(world):
            self._net.sweep_ports(world.specs("port").keys())

    def _check(self, port: Port, world: World) -> None:
        groups = world.specs("security_group")
        missing = [group for group in port.security_groups if group not in groups]
        if missing or world.spec("network", port.network_id) is None:
            raise NotYet(f"port {port.id} waits for its network or security groups")

    def _plug(self, port: Port, world: World) -> list[str]:
        interface: Interface = port.interface
        self._networks.ensure_all([port.network_id], world)
        said = [f"port {port.id}: {reason}" for reason in intake.interface(interface).left_out]
        reason = self._net.ensure_port(interface, world.specs("security_group"))
        if reason is not None:
            log.error("port %s is closed: %s", port.id, reason)
            said.append(f"port {port.id} is closed: {reason}")
        self._net.plug(interface)
        return said

    def _strangers(self, world: World) -> Set[str]:
        """Guests that are here and of which nobody says what they shall be: whose ports are whose is not known."""
        return set(self._guests()) - world.specs("guest").keys()
