"""Security groups on this host: sets of addresses, and the filters of the ports that have them."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from cumulet.desired.security_group import SecurityGroup
from cumulet.node.kinds.port import PortPart
from cumulet.node.net import intake
from cumulet.node.parts import World


class SecurityGroupPart:
    """See `cumulet.node.kinds.part.KindPart` for the methods."""

    def __init__(self, ports: PortPart) -> None:
        self._ports = ports

    def ensure(self, spec: SecurityGroup, world: World) -> dict[str, Any]:
        """Make it so, in the filters of all ports."""
        closed = self._ports.filter(world)
        own = [reason for each, reason in closed if spec.id in each.security_groups]
        return {"left_out": [*intake.group(spec).left_out, *own]}

    def absent(self, ref: str, world: World) -> None:
        """Make it gone from the filters of all ports."""
        self._ports.filter(world)

    def here(self) -> Set[str]:
        """None: a group is in its ports' filters alone."""
        return frozenset()
