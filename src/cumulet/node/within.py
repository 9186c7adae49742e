"""Ports that stand within guests: how controllers said them until guests had format 2, and how journals of that time
keep them. They are taken out here, so that no part of the node knows more than one form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from cumulet.desired.guest import Guest
from cumulet.desired.port import Port, split


class Within:
    """Ports by the guests that they stood in. Its owner sees to it that one thread calls at a time."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Port]] = {}

    def taken_out(self, ref: str, spec: Any) -> Any:
        """The spec of an item `ref`, without the ports that stand in it if it is a guest's. None: the item is gone."""
        self._of.pop(ref, None)
        if not isinstance(spec, Guest) or not spec.interfaces:
            return spec
        plugs, self._of[ref] = split(ref, spec.interfaces)
        return replace(spec, ports=[*spec.ports, *plugs], interfaces=[])

    def get(self, port_id: str) -> Port | None:
        """The port of this id."""
        return next((ports[port_id] for ports in self._of.values() if port_id in ports), None)

    def every(self) -> Mapping[str, Port]:
        """All of them by id."""
        return {port_id: port for ports in self._of.values() for port_id, port in ports.items()}
