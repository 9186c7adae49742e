"""`cumulet forget ID…` or `--all`: let nodes remove what they keep and no row knows.

Shows what would go and asks. Guests are shut down and their disks removed: nothing brings them back.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from cumulet.cli import adopt
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import Settings


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("forget", help="let nodes remove what they keep", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="ID", help="of guests, networks, … as `cumulet adopt` shows them")
    parser.add_argument("--all", action="store_true", help="everything that nodes keep")
    adopt.flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show, ask, forget."""
    if bool(args.ids) == args.all:
        raise CliError("say which things: their ids, or --all (cumulet adopt --json lists them)")
    settings = Settings.load(args.state)
    wish = {"ids": None if args.all else args.ids, "cloud": args.cloud}
    shown = adopt.heard(settings, "forget", {**wish, "show": True})
    if args.json and not args.yes:
        print(json.dumps(shown, indent=2))
        return 0
    if not shown["forgotten"]:
        print("Nothing is kept that could be forgotten.")
        return 0
    if not args.json:
        print("\n".join(["To be removed from its host, for good", *adopt.table(shown["forgotten"])]))
    if not adopt.agreed(args, "Remove all of this?"):
        return 1
    done = adopt.act(settings, "forget", {**wish, "seen": shown["seen"]})
    adopt.taken_up(settings, Progress(), done["holding"])
    if args.json:
        print(json.dumps(done, indent=2))
    else:
        print(f"Forgotten: {len(done['forgotten'])} things; their hosts remove them.")
    return 0
