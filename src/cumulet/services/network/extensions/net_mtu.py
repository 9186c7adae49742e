"""The largest packets of a network: what its segment leaves of the physical network's."""

from __future__ import annotations

from typing import Any

from cumulet.db import Transaction
from cumulet.services.network import faults
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, integer, optional

PHYSICAL_MTU = 1500
VXLAN_OVERHEAD = 50


def settle(_tx: Transaction, draft: Draft[Any]) -> None:
    """The MTU that was asked for, or the largest there is. Raises 400 for one that does not fit."""
    if draft.row is None or "mtu" in draft.columns:
        most = PHYSICAL_MTU - (VXLAN_OVERHEAD if draft.after("kind") == "vxlan" else 0)
        draft.columns["mtu"] = _mtu(draft.columns["mtu"], most)


def _mtu(asked: int | None, most: int) -> int:
    if not asked:
        return most
    if asked > most:
        raise faults.invalid_input(f"Requested MTU is too big, maximum is {most}")
    if asked < 68:
        raise faults.invalid("mtu", f"'{asked}' is too small - must be at least '68'")
    return asked


EXTENSION = Extension(
    "net-mtu",
    "Network MTU",
    "Provides MTU attribute for a network resource.",
    adds={"network": {"mtu": Attribute(optional(integer(0)), None)}},
    settles={"network": settle},
)
