"""`cumulet down`: stop the supervisor, the controller and the node; guests and their networks run on.

With ``--purge`` everything of this cloud goes: guests, networks, disks, the state folder, and the system
user if `up` made it. It must never delete a folder that is not marked as a state folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cumulet.cli import hints, in_force, machine, processes, service, settling, state_folder
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import Settings


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("down", help="stop the cloud; guests run on", description=__doc__)
    parser.add_argument("--purge", action="store_true", help="delete the cloud: guests, networks, disks, everything")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 also when the cloud was down already."""
    progress = Progress()
    if not args.state.exists():
        progress.say(f"There is no cloud in {args.state}.")
        return 0
    state_folder.check_may_end(args.state)
    if not state_folder.is_state_folder(args.state):
        raise CliError(f"{args.state} is not a Cumulet state folder; nothing was done")
    with state_folder.locked(args.state):
        settings = in_force.options(args.state)
        bare = not settings.file.exists() and processes.supervisor_pid(settings) is None and not _furnished(settings)
        if bare:
            gone = args.purge and state_folder.delete(args.state)
            is_gone = f"{args.state} is gone." if gone else _stays(args.state)
            progress.say(is_gone if args.purge else "Nothing runs here.")
            return 0
        with progress.step("stop the cloud"):
            ran = processes.stop(settings)
        if args.purge:
            return _purge(settings, progress)
        settling.settle(settings.state)
        count = processes.guests(settings)
    if not ran:
        progress.say("The cloud was down already.")
    if count:
        guests = "1 guest runs" if count == 1 else f"{count} guests run"
        progress.say(
            f"{guests} on, with their networks. `{hints.name()} up` finds them again; `down --purge` ends them."
        )
    return 0


def _furnished(settings: Settings) -> bool:
    """Whether `up` has come so far that there may be guests and networks."""
    return settings.run_dir.exists() or settings.node_dir.exists()


def _purge(settings: Settings, progress: Progress) -> int:
    if settings.simulated is None:
        with progress.step("take away guests, networks and disks"):
            from cumulet.node.purge import purge  # a simulated cloud does without all that this needs

            try:
                purge(settings)
            except Exception as error:
                # The parts raise what they like; whatever it is, the state folder must stay for the next try.
                raise CliError(f"not all could be taken away: {error}\nRun it again when that is mended") from error
    made_user = (settings.state / "made-user").exists()
    with progress.step(f"delete {settings.state}"):
        gone = state_folder.delete(settings.state)
    if unit := service.forget(settings.state):
        progress.say(f"{unit}, which started it with the machine, is gone, too.")
    if made_user:
        machine.remove_user()
    progress.say("Nothing of this cloud is left." if gone else _stays(settings.state))
    return 0


def _stays(state: Path) -> str:
    return f"Nothing of this cloud is left. {state} is a mount point: it is empty, and stays."
