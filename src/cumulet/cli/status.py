"""`cumulet status`: processes, endpoints, nodes and problems of a cloud, on one page or as JSON.

It only asks. The exit status is 0 when all is well, 1 when there are problems, 3 when the cloud is down.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cumulet.cli import hints, in_force, link_client, problems, processes, readiness
from cumulet.cli.api_client import ApiError
from cumulet.cli.terminal import plain
from cumulet.config import Settings

DOWN = 3


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("status", help="how the cloud is", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what `gather` finds."""
    found = gather(in_force.options(args.state))
    print(json.dumps(found, indent=2) if args.json else as_text(found))
    if not found["running"]:
        return DOWN
    return 1 if found["problems"] else 0


def gather(settings: Settings) -> dict[str, Any]:
    """Everything `status` shows, as plain data. ``problems`` are sentences, the worst first; ``details`` says of each
    its code and what to do."""
    seen = look(settings)
    report = seen.report
    found = problems.find(seen)
    return {
        "state": str(settings.state),
        "running": seen.running,
        "simulated_hosts": settings.simulated,
        "processes": [dataclasses.asdict(row) for row in seen.rows],
        "endpoints": [dataclasses.asdict(endpoint) | {"answers": endpoint.answers} for endpoint in seen.endpoints],
        "nodes": report and report["nodes"],
        "items": report and report.get("items"),
        "deleted": report and report.get("deleted"),
        "guests": _guests(settings, report),
        "ended": "" if seen.running else processes.ended(settings),
        "problems": [problem.sentence for problem in found],
        "details": [dataclasses.asdict(problem) for problem in found],
    }


def _guests(settings: Settings, report: Mapping[str, Any] | None) -> int:
    """Guests that run; on simulated hosts, which have no processes, those that are as they shall be."""
    if settings.simulated is None:
        return processes.guests(settings)
    counts = ((report or {}).get("items") or {}).get("counts", {})
    return int(counts.get("guest", {}).get("ready", 0))


def look(settings: Settings) -> problems.Seen:
    """Ask the processes, the APIs and the controller."""
    rows = processes.rows(settings)
    endpoints = readiness.probe_all(settings) if rows else []
    report, silence = None, ""
    if any(endpoint.service == "link" and endpoint.answers for endpoint in endpoints):
        try:
            report = link_client.report(settings)
        except ApiError as error:
            silence = str(error)
    return problems.Seen(settings, rows, endpoints, report, silence)


def as_text(found: dict[str, Any]) -> str:
    """The page for people. It begins with what is worst and what to do about it."""
    lines = headline(found["details"])
    if not found["running"]:
        guests = found["guests"]
        on = "" if not guests else "; 1 guest runs on" if guests == 1 else f"; {guests} guests run on"
        start = hints.command("up", Path(found["state"]))
        ended = f" ({found['ended']})" if found["ended"] else ""
        lines.append(f"The cloud in {found['state']} is down{on}{ended}. Start it with: {start}")
        return "\n".join([*lines, *_problem_lines(found["details"])])
    lines += [f"The cloud in {found['state']} is up.", "", "Processes"]
    for row in found["processes"]:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["started"]))
        memory = "" if row["pss_kb"] is None else f"{row['pss_kb'] / 1024:7.1f} MB"
        again = f"  restarted {row['restarts']} times, last {row['last_exit']}" if row["restarts"] else ""
        lines.append(f"  {row['name']:<14}{row['pid'] or 'down':<9}{since}  {memory}{again}")
    lines += ["", "Endpoints"]
    for endpoint in found["endpoints"]:
        answer = f"{endpoint['ms']:7.1f} ms" if endpoint["answers"] else endpoint["error"]
        lines.append(f"  {endpoint['service']:<16}{endpoint['url']:<34}{answer}")
    lines += ["", *_node_lines(found["nodes"] or []), _guest_line(found), ""]
    lines += _deleted_lines(found.get("deleted") or {})
    lines += _left_out_lines((found["items"] or {}).get("left_out", []))
    lines += _problem_lines(found["details"]) or ["No problems."]
    return "\n".join(lines)


def _guest_line(found: dict[str, Any]) -> str:
    kind = "Running guests" if found["simulated_hosts"] is None else "Guests on simulated hosts"
    return f"{kind}: {found['guests']}"


def headline(details: list[dict[str, Any]]) -> list[str]:
    """The worst problem and what to do, and how many more there are; nothing when all is well."""
    if not details:
        return []
    others = len(details) - 1
    more = f" ({others} more below)" if others else ""
    return [f"PROBLEM: {plain(str(problems.Problem(**details[0])))}{more}", ""]


def _problem_lines(details: list[dict[str, Any]]) -> list[str]:
    """Every problem with what to do below it."""
    lines = ["Problems"] if details else []
    for row in details:
        lines.append(f"  {plain(row['sentence'])}")
        lines += [f"    {row['code']}: {plain(row['advice'])}" if row["advice"] else f"    {row['code']}"]
    return lines


def _deleted_lines(deleted: dict[str, Any]) -> list[str]:
    """What is deleted and still has rows, and for how long it has them; nothing before the controller has counted."""
    counts = {name: kept["rows"] for name, kept in (deleted.get("kept") or {}).items() if kept["rows"]}
    if not counts:
        return []
    words = ", ".join(f"{count} {name}" for name, count in counts.items())
    days = f"for {deleted['keep_days']} days" if deleted["keep_days"] else "for ever"
    return [f"Deleted, with rows that are kept {days}: {words}", ""]


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
