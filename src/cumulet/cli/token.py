"""`cumulet token [NAME]`: a token with which one node can join the cloud, once, within an hour.

With a NAME only the node of that name can use it, and it takes the place of one that has lost its secret. The link
listens on this machine only, so a node on another machine cannot join yet. `up` needs no such token for its own node.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cumulet.cli import in_force, link_client
from cumulet.cli.api_client import ApiError, unanswered
from cumulet.cli.words import CLIENTS_DEEDS, of_the_client


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("token", help="a token with which one node can join", description=__doc__)
    parser.add_argument("name", nargs="?", help="the node that it is for (default: any new one)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the token alone, so that it can be handed on; what it is good for goes to standard error."""
    if args.name in CLIENTS_DEEDS:
        raise of_the_client(["token", args.name, "--state", str(args.state)])
    settings = in_force.options(args.state)
    try:
        made = link_client.token(settings, args.name)
    except ApiError as error:
        raise unanswered(error) from error
    whom = f"the node {made['name']}" if made["name"] else "a new node"
    print(f"For {whom}, once, until {made['expires_at']}:", file=sys.stderr)
    print(made["token"])
    return 0
