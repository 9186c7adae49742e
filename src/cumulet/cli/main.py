"""The command line: one verb per file, put together here.

Errors that a user can do something about are printed as one sentence; anything else is a bug and shows its
traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cumulet import __version__
from cumulet.cli import (
    audit,
    backup,
    checks,
    docs,
    down,
    explain,
    guest_image,
    keys,
    openstack,
    policy,
    status,
    token,
    up,
)
from cumulet.cli.errors import CliError
from cumulet.config import DEFAULT_STATE, ConfigError

_THEIR_OWN_WORDS = ("audit", "openstack", "test")
VERBS = (up, down, backup, status, explain, token, guest_image, keys, policy, docs)


def build_parser() -> argparse.ArgumentParser:
    """All verbs. Those of `_THEIR_OWN_WORDS` hand their words on and are listed for the help only."""
    parser = argparse.ArgumentParser(prog="cumulet", description="OpenStack in one package.")
    parser.add_argument("--version", action="version", version=f"cumulet {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in VERBS:
        module.add(verbs)
    verbs.add_parser("openstack", help="the official client with this cloud's credentials", add_help=False)
    verbs.add_parser("test", help="all checks and tests; words after it go to pytest", add_help=False)
    verbs.add_parser("audit", help="look for known faults in what the lock files pin", add_help=False)
    for name, verb in verbs.choices.items():
        if name not in _THEIR_OWN_WORDS:
            _add_state(verb)
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
    if words[:1] == ["test"]:
        return checks.run(words[1:])
    if words[:1] == ["audit"]:
        return audit.run(words[1:])
    if words[:1] == ["openstack"]:
        state, rest = default_state(), words[1:]
        if len(rest) > 1 and rest[0] == "--state":
            state, rest = Path(rest[1]).expanduser().absolute(), rest[2:]
        openstack.run(state, rest)
    args = build_parser().parse_args(_state_first(words))
    return int(args.run(args))


def _state_first(words: list[str]) -> list[str]:
    """The words with the state folder right after the verb: argparse takes nothing more for a list of words that a flag
    has ended (`policy check --state DIR RULE`)."""
    place = words.index("--state") if "--state" in words else 0
    return [words[0], *words[place : place + 2], *words[1:place], *words[place + 2 :]] if place > 1 else words


def main(words: list[str] | None = None) -> int:
    """The entry point; returns the exit status."""
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


if __name__ == "__main__":
    sys.exit(main())
