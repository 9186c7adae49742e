"""Whether the controller, its nodes and the folder belong together. Nothing is worse when they do not."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem


def check(seen: Seen) -> Iterator[Problem]:
    """The controller's own word (`estranged`), and hosts that hold (`hold`), each kind once."""
    report = seen.report or {}
    advice = (
        "Nothing was deleted, and guests run on. Put the right database back (cumulet restore), or decide: "
        f"{seen.command('adopt')} takes over what is there, {seen.command('forget')} lets go of it"
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
