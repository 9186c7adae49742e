"""The kinds of desired state there are. Each has a file of its own: what is said of it, and in which format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from cumulet.desired import guest, network, port, router, security_group
from cumulet.desired.shape import Shape

Kind = Literal["network", "security_group", "router", "port", "guest"]

SPECS: Mapping[Kind, type[Any]] = {
    "network": network.Network,
    "security_group": security_group.SecurityGroup,
    "router": router.Router,
    "port": port.Port,
    "guest": guest.Guest,
}
"""What is said of an item, by its kind. In the order in which one stands on another."""

FORMATS: Mapping[Kind, int] = {
    "network": network.FORMAT,
    "security_group": security_group.FORMAT,
    "router": router.FORMAT,
    "port": port.FORMAT,
    "guest": guest.FORMAT,
}
"""The newest format of each kind."""

NEWER: Mapping[Kind, Callable[[dict[str, Any]], dict[str, Any]]] = {"guest": guest.newer}
"""Of kinds with a format before the newest: what was said in that one, as JSON has it, in the newest."""

FACTS: Mapping[Kind, type[Shape]] = {"guest": guest.GuestState}
"""Facts of a report, by the kind of its item; other kinds have none."""
