"""`cumulet explain X`: what happened to a resource, and what it waits for, in one timeline."""

from __future__ import annotations

import argparse
from typing import Any

from cumulet.cli import link_client
from cumulet.cli.api_client import ApiError
from cumulet.cli.errors import CliError
from cumulet.config import Settings


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser(
        "explain", help="what happened to a resource and what it waits for", description=__doc__
    )
    parser.add_argument("resource", help="name or id of a server, port, network, image, …")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the timeline; 1 when no such resource is known."""
    settings = Settings.load(args.state)
    try:
        found = link_client.explain(settings, args.resource)
    except ApiError as error:
        if error.code == 404:
            raise CliError(f"nothing named {args.resource} is known here, nor was") from error
        hint = "; is the cloud up? (cumulet status)" if error.code == 0 else ""
        raise CliError(f"{error}{hint}") from error
    print(as_text(found))
    return 0


def as_text(found: dict[str, Any]) -> str:
    """Rows of time, event and message, details below, and at the end the verdict."""
    lines = []
    for row in found.get("timeline", []):
        lines.append(f"{_plain(row['at']):<28}{_plain(row['event']):<24}{_plain(row['message'])}")
        lines += [f"{'':<30}{line}" for line in _details(row.get("detail"))]
    if found.get("waits_for"):
        lines += ["", f"Waits for: {_plain(found['waits_for'])}"]
    if found.get("verdict"):
        lines += ["", _plain(found["verdict"])]
    return "\n".join(lines)


def _details(detail: Any) -> list[str]:
    """A text's lines, a mapping's pairs, a list's items."""
    if detail in (None, "", [], {}):
        return []
    if isinstance(detail, dict):
        return [f"{_plain(name)}: {_plain(value)}" for name, value in detail.items()]
    rows = detail if isinstance(detail, list) else str(detail).splitlines()
    return [_plain(row) for row in rows]


def _plain(value: object) -> str:
    """Names come from users: nothing that moves a terminal's cursor may pass."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))
