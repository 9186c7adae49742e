"""Removes everything a cloud made on this machine, from what is in its state folder alone."""

from __future__ import annotations

from cumulet.config import Settings
from cumulet.node.link import Link


def purge(settings: Settings) -> None:
    """Guests, disks, namespaces, bridges, taps, rules. Raises what the parts raise; safe to run again."""
    if settings.simulated is not None or not settings.node_dir.exists():
        return
    from cumulet.node.real import RealParts

    parts = RealParts(settings, Link(settings.local_url("link")))
    parts.purge()
