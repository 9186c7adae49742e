"""Networks on this host: bridges, tunnels and DHCP. What stands on one asks for it here."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

from cumulet.desired.network import Network
from cumulet.node.net.parts import NetworkParts
from cumulet.node.parts import NotYet, World


class NetworkPart:
    """See `cumulet.node.kinds.part.KindPart` for the methods."""

    def __init__(self, net: NetworkParts) -> None:
        self._net = net
        self._made: dict[str, Network] = {}

    def ensure(self, spec: Network, world: World) -> dict[str, Any]:
        """Make it so."""
        return {"left_out": self._ensure(spec)}

    def absent(self, ref: str, world: World) -> None:
        """Make it gone."""
        self._made.pop(ref, None)
        self._net.absent_network(ref)

    def here(self) -> Set[str]:
        """Networks of this cloud that have a bridge here."""
        return self._net.registered("networks")

    def ensure_all(self, ids: Iterable[str], world: World) -> None:
        """The networks that something stands on, in the state that is wanted now. Raises NotYet."""
        for network_id in dict.fromkeys(ids):
            spec = world.spec("network", network_id)
            if spec is None:
                raise NotYet(f"network {network_id} is not known here yet")
            if self._made.get(network_id) is None:
                self._ensure(spec)

    def _ensure(self, spec: Network) -> list[str]:
        self._made.pop(spec.id, None)
        left_out = self._net.ensure_network(spec)
        self._made[spec.id] = spec
        return left_out
