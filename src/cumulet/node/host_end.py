"""The end of the machine: guests are asked to switch off before it goes, and come back with it.

Nothing else may work on them meanwhile, so the node has to be down.
"""

from __future__ import annotations

from cumulet.config import Settings
from cumulet.node.link import Link
from cumulet.node.real import RealParts


def switch_off(settings: Settings, limit_s: float) -> tuple[int, int]:
    """How many guests ran, and how many had to be ended after `limit_s` seconds. Raises what the parts raise."""
    return RealParts(settings, Link(settings.local_url("link"))).switch_off(limit_s)
