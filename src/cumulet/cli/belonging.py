"""Whether the controller, its nodes and the folder belong together. Nothing is worse when they do not: `up` and
`status` say it before everything else, and `up` fills no cloud of which it is not sure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cumulet.cli import hints, link_client
from cumulet.cli.api_client import ApiError
from cumulet.config import Settings
from cumulet.problem import Problem


def of(settings: Settings) -> list[Problem]:
    """What the controller says of it now; nothing when it does not answer."""
    try:
        return [*foreign(link_client.standing(settings), settings.state)]
    except ApiError:
        return []


def foreign(report: Mapping[str, Any], state: Path) -> Iterator[Problem]:
    """The controller's own word (`estranged`), and hosts that hold (`hold`), each reason once."""
    advice = (
        "Nothing was deleted, and guests run on. Put the right database back (docs/backup.md), or decide: "
        f"{hints.command('adopt', state)} takes over what is there, {hints.command('forget', state)} lets go of it"
    )
    if report.get("estranged"):
        yield Problem("cloud-estranged", str(report["estranged"]), advice)
    holding: dict[str, list[str]] = {}
    for node in report.get("nodes", []):
        if node.get("hold"):
            holding.setdefault(str(node["hold"]), []).append(str(node["host"]))
    for why, hosts in holding.items():
        yield Problem("node-holds", f"{named(hosts)} {'holds' if len(hosts) == 1 else 'hold'}: {why}", advice)


def named(hosts: list[str]) -> str:
    """``node a``, ``nodes a and b``, ``nodes a, b and 8 others``."""
    if len(hosts) == 1:
        return f"node {hosts[0]}"
    if len(hosts) == 2:
        return f"nodes {hosts[0]} and {hosts[1]}"
    rest = len(hosts) - 2
    return f"nodes {hosts[0]}, {hosts[1]} and {rest} other{'s' if rest > 1 else ''}"
