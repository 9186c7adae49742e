"""`cumulet reset [NAME]`: a running simulated cloud is again as it was at a snapshot, in a fraction of a second.

Without NAME as it was after the first `up`. Rows, images and simulated guests go back; the hosts are those of today,
and tokens stay good as long as their users are there.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from cumulet.cli import snapshot

FURNISHED = "furnished"


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("reset", help="a simulated cloud goes back to a snapshot", description=__doc__)
    parser.add_argument("name", nargs="?", default=FURNISHED, metavar="NAME", help=f"default: {FURNISHED}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Go back."""
    settings, began = snapshot.simulated(args), time.monotonic()
    found = snapshot.ask(settings, "reset", {"name": args.name})
    print(f"As at {args.name}: {found['rows']} rows, {found['changed']} changes for hosts", end=" ")
    print(f"({time.monotonic() - began:.2f} s).")
    return 0
