"""`cumulet snapshot NAME`: remember how a running simulated cloud is, for `cumulet reset NAME`.

Rows and images are kept in the state folder, next to a snapshot named ``furnished`` that the first `up` takes. A cloud
with a real hypervisor has none: use `cumulet backup`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from cumulet.cli import hints, link_client
from cumulet.cli.api_client import ApiError, unanswered
from cumulet.cli.errors import CliError
from cumulet.config import Settings


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("snapshot", help="remember how a simulated cloud is", description=__doc__)
    parser.add_argument("name", nargs="?", metavar="NAME", help="its name; without one, show those that there are")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take it, or list them."""
    settings = simulated(args)
    if args.name is None:
        print("\n".join(ask(settings, "snapshots")["snapshots"]))
        return 0
    began = time.monotonic()
    found = ask(settings, "snapshots", {"name": args.name})
    print(f"Snapshot {args.name}: {found['rows']} rows ({time.monotonic() - began:.2f} s).")
    return 0


def simulated(args: argparse.Namespace) -> Settings:
    """The options of a simulated cloud. Raises CliError for another."""
    settings = Settings.load(args.state)
    if settings.simulated is None:
        raise CliError(
            f"the cloud in {settings.state} has a real hypervisor: its guests would be lost. Save it: "
            f"{hints.name()} backup"
        )
    return settings


def ask(settings: Settings, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the controller about snapshots; with a body, for what changes something. Raises CliError."""
    try:
        return dict(link_client.get(settings, path) if body is None else link_client.act(settings, path, body, 60))
    except ApiError as error:
        raise unanswered(error, f" --state {settings.state}") from None
