"""The command line: one verb per file, put together here.

Errors that a user can do something about are printed as one sentence; anything else is a bug and shows its
traceback.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from pathlib import Path

from cumulet.cli.errors import CliError
from cumulet.cli.version import Version
from cumulet.cli.words import Parser, among_the_clients, check_variables, parsed, without_state
from cumulet.config import DEFAULT_STATE, ConfigError

_THEIR_OWN_WORDS = ("audit", "openstack", "test")
VERBS = {
    "up": "up",
    "down": "down",
    "backup": "backup",
    "restore": "restore",
    "snapshot": "snapshot",
    "reset": "reset",
    "adopt": "adopt",
    "forget": "forget",
    "status": "status",
    "explain": "explain",
    "log": "log",
    "admin": "admin",
    "secret": "secret",
    "service": "service",
    "simulate": "simulate",
    "token": "token",
    "image": "guest_image",
    "keys": "keys",
    "policy": "policy",
    "docs": "docs",
}
"""Each verb, and the module of this folder that has it. Only that of the verb which was typed is imported."""


def build_parser(typed: str | None = None) -> Parser:
    """The verb that was typed, or all of them for what is none. Those of `_THEIR_OWN_WORDS` hand their words on and are
    listed for the help only."""
    parser = Parser(prog="cumulet", description="OpenStack in one package.")
    parser.add_argument("--version", action=Version, nargs=0, help="which version this is")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in [typed] if typed in VERBS else VERBS:
        importlib.import_module(f"cumulet.cli.{VERBS[str(name)]}").add(verbs)
    verbs.add_parser("openstack", help="the official client with this cloud's credentials", add_help=False)
    verbs.add_parser("test", help="all checks and tests; words after it go to pytest", add_help=False)
    verbs.add_parser("audit", help="look for known faults in what the lock files pin", add_help=False)
    for name, verb in verbs.choices.items():
        if name not in _THEIR_OWN_WORDS:
            _add_state(verb)
    parser.verbs = verbs.choices
    return parser


def _add_state(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--state",
        type=lambda text: Path(text).expanduser().absolute(),
        default=default_state(),
        metavar="DIR",
        help="state folder (default $CUMULET_STATE or /var/lib/cumulet)",
    )


def default_state() -> Path:
    """``$CUMULET_STATE``, or the folder of the machine's own cloud."""
    return Path(os.environ.get("CUMULET_STATE") or DEFAULT_STATE).expanduser().absolute()


def dispatch(words: list[str]) -> int:
    """Run the verb; its exit status."""
    state, words = without_state(words, _THEIR_OWN_WORDS)
    if words[:1] == ["test"]:
        from cumulet.cli import checks

        return checks.run(words[1:])
    check_variables(os.environ)
    if words[:1] == ["audit"]:
        from cumulet.cli import audit

        return audit.run(words[1:])
    if words[:1] == ["openstack"]:
        from cumulet.cli import openstack

        named, rest = among_the_clients(words[1:])
        openstack.run(state or named or default_state(), rest)
    if state is not None:  # right after the verb: argparse takes nothing more for a list that a flag has ended
        words[1:1] = ["--state", str(state)]
    args = parsed(build_parser(words[0] if words else None), words)
    return int(args.run(args))


_NO_ROOM = {
    errno.ENOSPC: "the disk is full: make room and run this again",
    errno.EDQUOT: "the quota on this disk is used up: make room and run this again",
    errno.EROFS: "the file system is mounted read-only: dmesg may say why; mount it for writing when it is sound",
}
"""What a disk may say to any write, and what helps."""


def _no_room(error: OSError) -> str:
    what = _NO_ROOM[error.errno or 0]
    return f"cannot write {error.filename}: {what}" if error.filename else f"cannot write: {what}"


def main(words: list[str] | None = None) -> int:
    """The entry point; returns the exit status."""
    os.umask(os.umask(0o022) | 0o022)  # whatever the shell says: nobody else writes what we make
    try:
        return dispatch(sys.argv[1:] if words is None else words)
    except (CliError, ConfigError) as error:
        print(f"cumulet: {error}", file=sys.stderr)
        return error.status if isinstance(error, CliError) else 1
    except KeyboardInterrupt:
        print("cumulet: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`cumulet status | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        print(f"cumulet: {_no_room(error)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
