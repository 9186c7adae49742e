"""What a process hands to network."""

from __future__ import annotations

from msgspec import Struct


class NetworkContext(Struct, frozen=True):
    """What the process hands to the service's operations."""

    region: str = "RegionOne"
