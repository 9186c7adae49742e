"""`cumulet explain X`: what something is, what happened to it and who did that, and what it waits for."""

from __future__ import annotations

import argparse
from typing import Any

from cumulet.cli import in_force, link_client
from cumulet.cli.api_client import ApiError, unanswered
from cumulet.cli.errors import CliError
from cumulet.cli.terminal import plain


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("explain", help="what happened to a resource and what it waits for", description=__doc__)
    parser.add_argument("resource", help="name or id of a server, port, network, image, user, …")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the timeline; 1 when no such resource is known."""
    settings = in_force.options(args.state)
    try:
        found = link_client.explain(settings, args.resource)
    except ApiError as error:
        if error.code == 404:
            raise CliError(f"nothing named {args.resource} is known here, nor was") from error
        raise unanswered(error) from error
    print(as_text(found))
    return 0


def as_text(found: dict[str, Any]) -> str:
    """Each resource of that name: rows of time, user, event and message, with details below, then what it waits for.
    What has no user the cloud did by itself."""
    return "\n\n".join("\n".join(_told(subject)) for subject in found["subjects"])


def _told(subject: dict[str, Any]) -> list[str]:
    lines = [f"{plain(subject['kind'])} {plain(subject['name'])} ({plain(subject['id'])})"]
    for row in subject["timeline"]:
        who = plain((row.get("user") or {}).get("name") or "")
        lines.append(f"  {plain(row['at']):<28}  {who:<12}  {plain(row['event']):<22}  {plain(row['message'])}")
        lines += [f"{'':<46}{line}" for line in _details(row.get("detail"))]
    if not subject["timeline"]:
        lines.append(f"  it is {_a(plain(subject['kind']))}; nothing is recorded of it")
    lines += [f"  error: {plain(text)}" for text in subject.get("errors", [])]
    lines += [f"  a host: {plain(text)}" for text in subject.get("left_out", [])]
    waits = subject.get("waits_for", [])
    return [*lines, *(f"  waits for: {plain(text)}" for text in waits)] if waits else [*lines, "  waits for nothing"]


def _a(kind: str) -> str:
    return f"{'an' if kind[:1] in 'aeiou' and kind != 'user' else 'a'} {kind}"


def _details(detail: Any) -> list[str]:
    """A text's lines, a mapping's pairs, a list's items."""
    if detail in (None, "", [], {}):
        return []
    if isinstance(detail, dict):
        return [line for name, value in detail.items() for line in _pair(plain(name), value)]
    rows = detail if isinstance(detail, list) else str(detail).splitlines()
    return [_row(row) for row in rows]


def _pair(name: str, value: Any) -> list[str]:
    """One line, or for a list a line for each item below its name."""
    if not isinstance(value, list):
        return [f"{name}: {plain(value)}"]
    return [f"{name}:", *(f"  {_row(row)}" for row in value)]


def _row(row: Any) -> str:
    """The values of a row in the order in which they were recorded, such as host, filter, reason."""
    return ": ".join(map(plain, row.values())) if isinstance(row, dict) else plain(row)
