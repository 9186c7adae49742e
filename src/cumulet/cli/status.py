"""`cumulet status`: processes, endpoints, nodes and problems of a cloud, on one page or as JSON.

It only asks. The exit status is 0 when all is well, 1 when there are problems, 3 when the cloud is down.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

from cumulet.cli import link_client, processes, readiness
from cumulet.cli.terminal import plain
from cumulet.config import Settings

DOWN = 3
SLOW_MS = 1000


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("status", help="how the cloud is", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what `gather` finds."""
    found = gather(Settings.load(args.state))
    print(json.dumps(found, indent=2) if args.json else as_text(found))
    if not found["running"]:
        return DOWN
    return 1 if found["problems"] else 0


def gather(settings: Settings) -> dict[str, Any]:
    """Everything `status` shows, as plain data."""
    rows = processes.rows(settings)
    endpoints = readiness.probe_all(settings) if rows else []
    linked = any(endpoint.service == "link" and endpoint.answers for endpoint in endpoints)
    report = link_client.report(settings) if linked else None
    return {
        "state": str(settings.state),
        "running": bool(rows),
        "simulated_hosts": settings.simulated,
        "processes": [dataclasses.asdict(row) for row in rows],
        "endpoints": [dataclasses.asdict(endpoint) | {"answers": endpoint.answers} for endpoint in endpoints],
        "nodes": report and report["nodes"],
        "items": report and report.get("items"),
        "guests": processes.guests(settings),
        "problems": problems(rows, endpoints, report),
    }


def problems(
    rows: list[processes.ProcessRow],
    endpoints: list[readiness.Endpoint],
    report: dict[str, Any] | None,
) -> list[str]:
    """What is wrong, one sentence each."""
    found = [f"the {row.name} is not running (it ended with {row.last_exit})" for row in rows if row.pid is None]
    for endpoint in endpoints:
        if not endpoint.answers:
            found.append(f"{endpoint.service} does not answer on {endpoint.url}: {endpoint.error}")
        elif endpoint.ms is not None and endpoint.ms > SLOW_MS:
            found.append(f"{endpoint.service} took {endpoint.ms:.0f} ms to answer")
    if rows and report is None:
        found.append("the controller does not say how its nodes are")
    for node in report["nodes"] if report else []:
        if not node.get("up"):
            found.append(f"node {node['host']} is down (last seen {node.get('seen_at') or 'never'})")
        found += [f"node {node['host']}: {problem}" for problem in node.get("problems", [])]
    failed = ((report or {}).get("items") or {}).get("failed", [])
    return found + [f"{item['kind']} {item['ref']}: {item['error']}" for item in failed]


def as_text(found: dict[str, Any]) -> str:
    """The page for people."""
    if not found["running"]:
        guests = found["guests"]
        on = "" if not guests else "; 1 guest runs on" if guests == 1 else f"; {guests} guests run on"
        return f"The cloud in {found['state']} is down{on}. Start it with: cumulet up"
    lines = [f"The cloud in {found['state']} is up.", "", "Processes"]
    for row in found["processes"]:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["started"]))
        memory = "" if row["pss_kb"] is None else f"{row['pss_kb'] / 1024:7.1f} MB"
        again = f"  restarted {row['restarts']} times, last {row['last_exit']}" if row["restarts"] else ""
        lines.append(f"  {row['name']:<14}{row['pid'] or 'down':<9}{since}  {memory}{again}")
    lines += ["", "Endpoints"]
    for endpoint in found["endpoints"]:
        answer = f"{endpoint['ms']:7.1f} ms" if endpoint["answers"] else endpoint["error"]
        lines.append(f"  {endpoint['service']:<16}{endpoint['url']:<34}{answer}")
    lines += ["", *_node_lines(found["nodes"] or []), f"Running guests: {found['guests']}", ""]
    lines += _left_out_lines((found["items"] or {}).get("left_out", []))
    lines += (
        ["Problems", *(f"  {plain(text)}" for text in found["problems"])] if found["problems"] else ["No problems."]
    )
    return "\n".join(lines)


def _left_out_lines(items: list[dict[str, Any]]) -> list[str]:
    """What hosts could not take of things that are there otherwise: for the operator to know, no problem of the
    cloud."""
    lines = [f"  {item['kind']} {item['ref']}: {plain(item['detail'])}" for item in items]
    return ["Left out on hosts", *lines, ""] if lines else []


def _node_lines(nodes: list[dict[str, Any]]) -> list[str]:
    """Each node, or only counts when there are many."""
    if not nodes:
        return []
    up = sum(bool(node.get("up")) for node in nodes)
    if len(nodes) > 20:
        return [f"Nodes: {up} of {len(nodes)} up"]
    lines = ["Nodes"]
    for node in nodes:
        lines.append(f"  {plain(node['host']):<24}{'up' if node.get('up') else 'down':<6}{node.get('seen_at') or ''}")
        lines += [f"    {plain(note)}" for note in node.get("notes", [])]
    return lines
