"""Forgetting known connections, so that a rule or an address that went away ends them.

Zones keep networks with equal addresses apart; nothing here touches a zone it was not asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from cumulet.node.net.run import NodeCommandError, run


def choose_zone(network_id: str, taken: set[int]) -> int:
    """A zone (1 to 65534) for a network: derived from its id, the next free one when taken."""
    zone = int(hashlib.sha256(network_id.encode()).hexdigest()[:8], 16) % 65534
    while zone + 1 in taken:
        zone = (zone + 1) % 65534
    return zone + 1


def forget_in_zone(addresses: Iterable[str], zone: int) -> None:
    """Remove all connections from and to these addresses or networks in a zone."""
    for address in addresses:
        for side in ("--orig-src", "--orig-dst"):
            _delete(address, side, ["--zone", str(zone)], None)


def forget_floating(floating_ip: str, netns: str) -> None:
    """Remove the connections through a floating IP in a router's namespace, both directions."""
    _delete(floating_ip, "--orig-dst", [], netns)
    _delete(floating_ip, "--reply-dst", [], netns)


def _delete(address: str, side: str, more: list[str], netns: str | None) -> None:
    family = "ipv6" if ":" in address else "ipv4"
    done = run("conntrack", "-D", "-f", family, side, address, *more, netns=netns, check=False)
    # Exit 1 with "0 flow entries" means that there was none.
    if done.returncode != 0 and "0 flow entries" not in done.stderr:
        raise NodeCommandError(["conntrack", "-D", side, address, *more], done.returncode, done.stderr)
