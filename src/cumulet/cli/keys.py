"""`cumulet keys rotate`: the keys that sign tokens change now instead of with the weekly rotation.

Tokens that the two keys before signed stay valid. A running controller takes up the new keys by itself. Never prints
a key.
"""

from __future__ import annotations

import argparse
from typing import Any

from cumulet.cli.errors import CliError
from cumulet.config import Settings


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("keys", help="rotate the keys that sign tokens", description=__doc__)
    parser.add_argument("action", choices=["rotate"], help="rotate: put the next key to work and drop the oldest")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Rotate; prints the numbers of the keys that are there."""
    from cumulet.services.identity import door as identity  # other verbs start without the services

    settings = Settings.load(args.state)
    try:
        found = identity.rotate_keys(settings.secrets_dir)
    except OSError as error:
        raise CliError(f"cannot rotate the keys: {error.strerror} ({error.filename})") from error
    for name, numbers in found.items():
        secondary = ", ".join(map(str, numbers[1:-1])) or "none"
        print(f"{name}: primary {numbers[-1]}, secondary {secondary}, staged {numbers[0]}")
    return 0
