"""Routers on this host: a namespace with its ports, its routes and its translation of addresses."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from cumulet.desired.router import Router
from cumulet.node.kinds.network import NetworkPart
from cumulet.node.net.parts import NetworkParts
from cumulet.node.parts import World


class RouterPart:
    """See `cumulet.node.kinds.part.KindPart` for the methods."""

    def __init__(self, net: NetworkParts, networks: NetworkPart) -> None:
        self._net, self._networks = net, networks

    def ensure(self, spec: Router, world: World) -> dict[str, Any]:
        """Make it so, on its networks."""
        ports = [*spec.ports, *([spec.gateway] if spec.gateway else [])]
        self._networks.ensure_all((port.network_id for port in ports), world)
        return {"left_out": self._net.ensure_router(spec)}

    def absent(self, ref: str, world: World) -> None:
        """Make it gone."""
        self._net.absent_router(ref)

    def here(self) -> Set[str]:
        """Routers of this cloud that have a namespace here."""
        return self._net.registered("routers")
