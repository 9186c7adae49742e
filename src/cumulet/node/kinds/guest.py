"""Guests on this host, with their ports: before a guest starts, its networks, filters and taps are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from cumulet.desired.guest import Guest
from cumulet.node.guest.errors import HypervisorDown
from cumulet.node.guest.guests import Guests
from cumulet.node.kinds.port import PortPart
from cumulet.node.net import intake
from cumulet.node.parts import NotYet, World

_PATIENCE_S = 60.0
_PLUG_THREADS = 4
T = TypeVar("T")


class GuestPart:
    """See `cumulet.node.kinds.part.KindPart` for the methods."""

    def __init__(self, guests: Guests, ports: PortPart) -> None:
        self._guests, self._ports = guests, ports
        self._pool = ThreadPoolExecutor(_PLUG_THREADS, thread_name_prefix="interfaces")
        self._away_since: float | None = None

    def ensure(self, spec: Guest, world: World) -> dict[str, Any]:
        """Make it so."""
        taken = intake.guest(spec)
        spec = taken.spec
        self._ports.check(spec.ports, world)
        self._ports.given(spec.id, spec.ports)
        plugged: list[Future[list[str]]] = []
        left_out: list[str] = []
        if spec.power == "on":  # beside libvirt's work, which takes longer
            plugged = [self._pool.submit(self._ports.plug, each.port_id, world) for each in spec.ports]

        def interfaces_ready() -> None:
            left_out[:] = [reason for future in plugged for reason in future.result()]

        facts = self._patiently(lambda: self._guests.ensure(spec, interfaces_ready))
        interfaces_ready()
        return {
            "state": facts.state,
            "power_state": facts.power_state,
            "hard_reboots": facts.hard_reboots,
            "soft_reboots": facts.soft_reboots,
            "screen": facts.vnc is not None,
            "again_in": facts.again_in,
            "left_out": [*taken.left_out, *left_out],
        }

    def absent(self, ref: str, world: World) -> None:
        """Make it gone, with the ports of which nobody else says anything."""
        self._patiently(lambda: self._guests.absent(ref))
        self._ports.left(ref, world)
        if world.complete:
            self._ports.sweep(world)

    def here(self) -> Set[str]:
        """Guests of this cloud that have a domain here, or a folder."""
        return {facts.id for facts in self._guests.observe()} | set(self._guests.leftovers())

    def close(self) -> None:
        """Plug in no more."""
        self._pool.shutdown(wait=False)

    def _patiently(self, work: Callable[[], T]) -> T:
        """A hypervisor that is away for a while fails nothing: it is asked again."""
        try:
            done = work()
        except HypervisorDown as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
            if time.monotonic() - self._away_since < _PATIENCE_S:
                raise NotYet(error.message, 2.0) from error
            raise
        self._away_since = None
        return done
