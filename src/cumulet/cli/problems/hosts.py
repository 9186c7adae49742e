"""What hosts say of themselves, and what they could not make."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem


def check(seen: Seen) -> Iterator[Problem]:
    """Hosts that are silent or complain, and items that failed."""
    report = seen.report or {}
    for node in report.get("nodes", []):
        if node.get("left"):
            sentence = f"node {node['host']} is gone: the node that had it does not name it any more"
            advice = "When its servers are deleted: openstack compute service delete ID"
            yield Problem("node-down", sentence, advice)
        elif not node.get("up"):
            last = node.get("seen_at") or "never"
            yield Problem("node-down", f"node {node['host']} is down (last seen {last})")
        for sentence in node.get("problems", []):
            yield Problem("node-problem", f"node {node['host']}: {sentence}")
    for item in (report.get("items") or {}).get("failed", []):
        advice = seen.command(f"explain {item['ref']}") if item["kind"] == "guest" else ""
        yield Problem("item-failed", f"{item['kind']} {item['ref']}: {item['error']}", advice)
